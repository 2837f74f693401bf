#include "src/verify/content.h"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <string>

#include "src/base/digest.h"
#include "src/base/interrupt.h"
#include "src/base/little_endian.h"
#include "src/base/work_queue.h"
#include "src/verify/exceptions.h"
#include "src/verify/planes.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::Reader;
using artifact::ScalarRecord;
using artifact::SourceTensorRecord;

constexpr uint64_t kSlabBytes = 4u << 20;

bool same(const Digest128& digest, const SourceTensorRecord& tensor) {
  return std::memcmp(digest.data(), tensor.digest, digest.size()) == 0;
}

Error plane_error(const Reader& reader, const SourceTensorRecord& tensor,
                  const std::string& where) {
  return Error{ErrorKind::kInverseMismatch,
               "bytes recovered from " + where + " are not those of the source (XXH3-128 differs)",
               reader.path(), std::string(reader.string(tensor.name))};
}

/// Digests of the planes of one form, gathered row by row.
class FormCheck {
 public:
  FormCheck(const FormView& view, uint32_t operand, const PlaneTable& planes, Problems& problems)
      : view_(view), operand_(operand), planes_(planes), problems_(problems), exceptions_(view) {}

  /// Source tensors compared.
  Result<uint64_t> run() {
    for (uint32_t e = 0; e < view_.operand.experts; ++e) IMP_TRY(check_expert(e));
    IMP_TRY(exceptions_.finish());
    return compared_;
  }

 private:
  struct PartDigests {
    Xxh3Stream codes, scales;
  };

  Status check_expert(uint32_t expert) {
    const auto parts = view_.reader.parts_of(view_.operand);
    std::vector<PartDigests> digests(parts.size());
    const uint64_t step = slab_rows(view_, kSlabBytes);
    for (uint64_t row = 0; row < view_.operand.n; row += step) {
      IMP_TRY(check_interrupted());
      IMP_ASSIGN(const StoredSlab stored,
                 read_slab(view_, expert, row, std::min(step, view_.operand.n - row)));
      IMP_ASSIGN(CanonicalSlab canonical, invert(view_, stored));
      IMP_TRY(exceptions_.apply(stored, canonical));
      for (size_t p = 0; p < parts.size(); ++p) update(parts[p], stored, canonical, digests[p]);
    }
    for (uint32_t p = 0; p < parts.size(); ++p) {
      compare(p, expert, ComponentKind::kCodes, digests[p].codes.digest());
      if (view_.groups() > 0)
        compare(p, expert, ComponentKind::kBlockScale, digests[p].scales.digest());
    }
    return check_bias(expert);
  }

  /// The rows of the slab that belong to this part.
  void update(const artifact::PartRecord& part, const StoredSlab& stored,
              const CanonicalSlab& canonical, PartDigests& digests) {
    const uint64_t begin = std::max(part.n0, stored.row0);
    const uint64_t end = std::min(part.n0 + part.n_count, stored.row0 + stored.rows);
    if (begin >= end) return;
    const uint64_t code_row = canonical.codes.size() / stored.rows;
    digests.codes.update(
        Bytes(canonical.codes).subspan((begin - stored.row0) * code_row, (end - begin) * code_row));
    const uint64_t scale_row = view_.groups();
    if (scale_row > 0)
      digests.scales.update(
          Bytes(canonical.scales)
              .subspan((begin - stored.row0) * scale_row, (end - begin) * scale_row));
  }

  void compare(uint32_t part, uint32_t expert, ComponentKind plane, const Digest128& digest) {
    const SourceTensorRecord* tensor = planes_.find(operand_, part, expert, plane);
    if (tensor == nullptr) {
      problems_.add(Error{ErrorKind::kInverseMismatch,
                          "no source tensor is recorded for plane " +
                              std::to_string(static_cast<int>(plane)) + " of part " +
                              std::to_string(part) + ", expert " + std::to_string(expert),
                          view_.reader.path(), view_.name()});
      return;
    }
    ++compared_;
    if (!same(digest, *tensor))
      problems_.add(plane_error(view_.reader, *tensor, "operand '" + view_.name() + "'"));
  }

  Status check_bias(uint32_t expert) {
    const artifact::ComponentRecord* bias =
        view_.reader.find_component(view_.form, ComponentKind::kBias);
    if (bias == nullptr) return {};
    const auto parts = view_.reader.parts_of(view_.operand);
    const uint64_t elem_bytes = dtype_bits(static_cast<Dtype>(bias->dtype)) / 8;
    for (uint32_t p = 0; p < parts.size(); ++p) {
      std::vector<std::byte> bytes(parts[p].n_count * elem_bytes);
      IMP_TRY(view_.reader.read_component(
          *bias, expert * bias->expert_stride_bytes + parts[p].n0 * elem_bytes, bytes));
      compare(p, expert, ComponentKind::kBias, xxh3_128(bytes));
    }
    return {};
  }

  FormView view_;
  uint32_t operand_;
  const PlaneTable& planes_;
  Problems& problems_;
  ExceptionCursor exceptions_;
  uint64_t compared_ = 0;
};

/// A tensor that no GEMM takes: its bytes are the component's.
Result<uint64_t> check_whole(const FormView& view, uint32_t operand, const PlaneTable& planes,
                             Problems& problems) {
  const artifact::ComponentRecord* codes =
      view.reader.find_component(view.form, ComponentKind::kCodes);
  const SourceTensorRecord* tensor = planes.find(operand, 0, 0, ComponentKind::kCodes);
  if (codes == nullptr || tensor == nullptr)
    return Error{ErrorKind::kInverseMismatch, "has no codes component or no source tensor",
                 view.reader.path(), view.name()};
  Xxh3Stream digest;
  std::vector<std::byte> buffer(std::min(kSlabBytes, codes->size_bytes));
  for (uint64_t at = 0; at < codes->size_bytes; at += buffer.size()) {
    const auto piece =
        MutableBytes(buffer).first(std::min<uint64_t>(buffer.size(), codes->size_bytes - at));
    IMP_TRY(view.reader.read_component(*codes, at, piece));
    digest.update(piece);
  }
  if (!same(digest.digest(), *tensor))
    problems.add(plane_error(view.reader, *tensor, "operand '" + view.name() + "'"));
  return uint64_t{1};
}

/// Scalars of the index are source tensors too.
uint64_t check_scalars(const Reader& reader, const PlaneTable& planes, uint32_t operand,
                       Problems& problems) {
  const artifact::OperandRecord& record = reader.operands()[operand];
  uint64_t compared = 0;
  const auto check = [&](uint32_t part, uint32_t expert, ComponentKind plane,
                         const ScalarRecord& scalar) {
    const SourceTensorRecord* tensor = planes.find(operand, part, expert, plane);
    const bool present = scalar.state != static_cast<uint8_t>(artifact::ScalarState::kAbsent);
    if (present != (tensor != nullptr)) {
      problems.add(Error{ErrorKind::kInverseMismatch,
                         "a scalar of part " + std::to_string(part) + ", expert " +
                             std::to_string(expert) +
                             (present ? " has no source tensor" : " is missing"),
                         reader.path(), std::string(reader.string(record.name))});
      return;
    }
    if (!present) return;
    ++compared;
    if (!same(xxh3_128(std::as_bytes(std::span(&scalar.bits, 1))), *tensor))
      problems.add(plane_error(reader, *tensor, "the scalar table"));
  };
  const auto parts = reader.parts_of(record);
  for (uint32_t p = 0; p < parts.size(); ++p) {
    for (uint32_t e = 0; e < parts[p].multiplier_count; ++e)
      check(p, e, ComponentKind::kMultiplier, reader.scalars()[parts[p].first_multiplier + e]);
    for (uint32_t e = 0; e < parts[p].input_scale_count; ++e)
      check(p, e, ComponentKind::kInputScale, reader.scalars()[parts[p].first_input_scale + e]);
  }
  return compared;
}

void check_chunks(const Reader& reader, uint64_t threads, Problems& problems) {
  constexpr size_t kChunksPerJob = 8;
  WorkQueue queue(threads, threads);
  const auto chunks = reader.chunks();
  for (size_t first = 0; first < chunks.size(); first += kChunksPerJob) {
    const Status status = queue.push([&reader, &problems, chunks, first]() -> Status {
      std::vector<std::byte> scratch;
      for (size_t c = first; c < std::min(first + kChunksPerJob, chunks.size()); ++c) {
        IMP_TRY(check_interrupted());
        problems.add(reader.verify_chunk(chunks[c], scratch));
      }
      return {};
    });
    if (!status.ok()) break;
  }
  problems.add(queue.drain());
}

}  // namespace

ContentCounts check_content(const Reader& reader, const FormSet& forms, uint64_t threads,
                            Problems& problems) {
  ContentCounts counts;
  counts.chunks = reader.chunks().size();
  for (const artifact::ChunkRecord& chunk : reader.chunks()) counts.bytes += chunk.size_bytes;
  check_chunks(reader, threads, problems);
  const PlaneTable planes(reader);
  std::atomic<uint64_t> compared{0};
  std::vector<bool> wanted(reader.forms().size(), false);
  for (const uint32_t form : forms) wanted[form] = true;
  WorkQueue queue(threads, threads);
  for (uint32_t o = 0; o < reader.operands().size(); ++o) {
    const artifact::OperandRecord& operand = reader.operands()[o];
    compared += check_scalars(reader, planes, o, problems);
    for (uint32_t f = operand.first_form; f < operand.first_form + operand.form_count; ++f) {
      if (!wanted[f]) continue;
      const FormView view{reader, operand, reader.forms()[f]};
      const Status status = queue.push([view, o, &planes, &problems, &compared]() -> Status {
        const bool gemm = (view.operand.flags & artifact::kOperandGemm) != 0;
        Result<uint64_t> count = gemm ? FormCheck(view, o, planes, problems).run()
                                      : check_whole(view, o, planes, problems);
        if (count.ok())
          compared += *count;
        else
          problems.add(std::move(count).error());
        return {};
      });
      if (!status.ok()) break;
    }
  }
  problems.add(queue.drain());
  counts.planes = compared;
  return counts;
}

}  // namespace imp::verify
