#include "src/verify/controls.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <set>
#include <string>

#include "kernels/layouts/mma64_bytes.h"
#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_bytes.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/registry.h"
#include "src/base/digest.h"
#include "src/verify/engine_inverse.h"
#include "src/verify/plain_form.h"
#include "src/verify/reference.h"
#include "src/verify/units.h"

namespace imp::verify {
namespace {

using artifact::Reader;
using layouts::LayoutId;

/// The lowest bit of code (row, k) of the slab, k a multiple of 8: of e2m1 the magnitude's.
std::optional<CodePlace> code_place(const FormView& view, const StoredSlab& slab, uint64_t row,
                                    uint64_t k) {
  if (view.is_engine()) return engine_code_place(view, slab.padded_rows, row, k);
  namespace mma64 = layouts::mma64_nvfp4;
  const bool nibbles = model::code_bits(view.scheme()) == 4;
  switch (view.layout()) {
    case LayoutId::kMma64: {
      const uint64_t block =
          row / mma64::kTileN * ((view.operand.k + mma64::kTileK - 1) / mma64::kTileK) +
          k / mma64::kTileK;
      const auto n = static_cast<uint32_t>(row % mma64::kTileN);
      const auto column = static_cast<uint32_t>(k % mma64::kTileK);
      // Bit 0 of a word of e2m1 codes belongs to a magnitude: bits 0..2 are register 2's (layout
      // header); of a word of integers it is code 0's lowest.
      return CodePlace{block * mma64_block_bytes(view.scheme()) +
                       (nibbles ? 4 * mma64::word_of_src(n, column / 8)
                                : layouts::mma64_bytes::byte_of_src(n, column))};
    }
    case LayoutId::kNative:
      return CodePlace{nibbles ? row * layouts::native_rows::pitch_bytes(view.operand.k) + k / 2
                               : row * layouts::native_bytes::pitch_bytes(view.operand.k) + k};
    default:
      break;
  }
  return plain_code_place(view, slab, row, k);
}

/// Turns the lowest bit of the first code of every group of a row, canonical.
void flip_codes(const FormView& view, uint64_t row, const std::vector<uint64_t>& columns,
                CanonicalSlab& canonical) {
  const quant::PlaneCoding codes = plane_coding(view.operand, artifact::ComponentKind::kCodes,
                                                Dtype::kU8, quant::Encoding::kRows, row);
  const uint64_t before = quant::canonical_bytes(codes);
  for (const uint64_t k : columns)
    canonical.codes[before + (codes.bits == 4 ? k / 2 : k)] ^= std::byte{1};
}

bool has_changed(float was, float is) { return was != is && !(std::isnan(was) && std::isnan(is)); }

/// Of rows of blocks, where no bit is a code of its own: the lowest of byte 2 of a block belongs to
/// the codes of every type that stays in blocks.
std::optional<CodePlace> bit_of_a_block(const FormView& view, CanonicalSlab& canonical) {
  constexpr uint64_t kCodesAt = 2;
  const GgmlTypeInfo& type = ggml_type_info(*model::blocks_type(view.scheme()));
  const uint64_t pitch = model::code_columns(view.scheme(), view.operand.k);
  std::vector<float> was, is;
  for (uint64_t row = 0; row < canonical.rows; ++row)
    for (uint64_t block = 0; block < pitch / type.block_bytes; ++block) {
      const uint64_t byte = row * pitch + block * type.block_bytes + kCodesAt;
      unscaled_row(view, canonical, row, was);
      canonical.codes[byte] ^= std::byte{1};
      unscaled_row(view, canonical, row, is);
      canonical.codes[byte] ^= std::byte{1};
      if (!std::equal(was.begin(), was.end(), is.begin())) return CodePlace{byte};
    }
  return std::nullopt;
}

/// The first code of each group, or what a row stores first.
std::vector<uint64_t> columns_to_flip(const FormView& view, const StoredSlab& slab, uint64_t row) {
  std::vector<uint64_t> columns;
  if (!slab.bitmask.empty()) {
    for (uint64_t k = 0; k < view.operand.k && columns.empty(); ++k)
      if (code_place(view, slab, row, k)) columns.push_back(k);
    return columns;
  }
  for (uint64_t group = 0; group < std::max<uint64_t>(view.groups(), 1); ++group)
    if (group * view.operand.group_size % 8 == 0)
      columns.push_back(group * view.operand.group_size);
  return columns;
}

/// A bit that changes the value of a weight; nullopt if every weight of the slab is
/// what it is whatever its code (a scale of zero, a min that hides it).
std::optional<CodePlace> bit_to_damage(const FormView& view, const StoredSlab& slab,
                                       CanonicalSlab canonical) {
  if (slab.codes.empty()) return std::nullopt;
  if (!model::is_quantized(view.scheme())) return CodePlace{};
  if (model::blocks_type(view.scheme())) return bit_of_a_block(view, canonical);
  const std::vector<float> multipliers = row_multipliers(view, slab);
  std::vector<float> was, is;
  for (uint64_t row = 0; row < slab.rows; ++row) {
    if (multipliers[row] == 0) continue;
    const std::vector<uint64_t> columns = columns_to_flip(view, slab, row);
    unscaled_row(view, canonical, row, was);
    flip_codes(view, row, columns, canonical);
    unscaled_row(view, canonical, row, is);
    flip_codes(view, row, columns, canonical);
    for (const uint64_t k : columns)
      if (has_changed(was[k], is[k])) return code_place(view, slab, row, k);
  }
  return std::nullopt;
}

Error not_seen(const Reader& reader, const std::string& tensor, const std::string& check) {
  return Error{ErrorKind::kControlNotDetected, "a flipped bit in a copy was not seen by " + check,
               reader.path(), tensor};
}

void control_digest(const Reader& reader, ControlCounts& counts, Problems& problems) {
  if (reader.chunks().empty()) return;
  const artifact::ChunkRecord& chunk = reader.chunks()[0];
  std::vector<std::byte> bytes(chunk.size_bytes);
  const Status status = reader.read_payload(chunk.payload_file, chunk.offset_bytes, bytes);
  if (!status.ok()) return problems.add(status);
  bytes[bytes.size() / 2] ^= std::byte{1};
  ++counts.made;
  if (std::memcmp(xxh3_128(bytes).data(), chunk.digest, sizeof chunk.digest) == 0)
    return problems.add(not_seen(reader, "", "the payload digest"));
  ++counts.seen;
}

/// Only a difference counts as seen: a backend that fails for a reason of its own proves nothing.
Status control_identity(const SlabUnderTest& damaged, GemmBackend& backend, ControlCounts& counts,
                        Problems& problems) {
  NumericsCounts ignored;
  const Status status = backend.check_identity(damaged, ignored);
  if (status.ok())
    problems.add(not_seen(damaged.view.reader, damaged.view.name(), "identity activations"));
  else if (status.error().kind != ErrorKind::kNumericsMismatch)
    return status;
  else
    ++counts.seen;
  return {};
}

Status control_form(const FormView& view, GemmBackend& backend, ControlCounts& counts,
                    Problems& problems) {
  IMP_ASSIGN(StoredSlab slab, read_slab(view, 0, 0, slab_end(view, 0, slab_rows(view, 0))));
  IMP_ASSIGN(const CanonicalSlab canonical, invert(view, slab));
  const auto place = bit_to_damage(view, slab, canonical);
  if (!place) return {};
  slab.codes[place->byte] ^= std::byte{1} << place->bit;
  counts.made += 2;
  const Result<CanonicalSlab> damaged = invert(view, slab);
  if (damaged.ok() && damaged->codes == canonical.codes && damaged->scales == canonical.scales)
    problems.add(not_seen(view.reader, view.name(), "the inverse repack"));
  else
    ++counts.seen;
  return control_identity({view, slab, canonical}, backend, counts, problems);
}

}  // namespace

ControlCounts run_controls(const Reader& reader, const std::vector<uint32_t>& forms,
                           Problems& problems, GemmBackend* cuda) {
  ControlCounts counts;
  const std::unique_ptr<GemmBackend> cpu = make_cpu_backend();
  const Backends backends{cuda, cpu.get()};
  control_digest(reader, counts, problems);
  const std::set<uint32_t> wanted(forms.begin(), forms.end());
  std::set<std::pair<uint16_t, uint16_t>> done;
  for (const artifact::OperandRecord& operand : reader.operands()) {
    if ((operand.flags & artifact::kOperandGemm) == 0) continue;
    for (uint32_t f = operand.first_form; f < operand.first_form + operand.form_count; ++f) {
      const FormView view{reader, operand, reader.forms()[f]};
      GemmBackend* backend = wanted.contains(f) ? backends.find(view) : nullptr;
      if (backend == nullptr) continue;
      if (!done.insert({view.form.layout, operand.scheme}).second) continue;
      problems.add(control_form(view, *backend, counts, problems));
    }
  }
  return counts;
}

}  // namespace imp::verify
