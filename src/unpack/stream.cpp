#include "src/unpack/stream.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "src/base/dtype.h"
#include "src/base/interrupt.h"
#include "src/base/little_endian.h"
#include "src/base/text.h"
#include "src/quant/f16.h"
#include "src/unpack/plane_rows.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::Reader;
using artifact::ScalarRecord;
using artifact::ScalarState;

std::string num(uint64_t value) { return std::to_string(value); }

Error wrong_size(const Reader& reader, const Plane& plane, const std::string& expected) {
  return plane_error(reader, plane, ErrorKind::kBadRecord,
                     "has " + num(plane.tensor->size_bytes) + " bytes, expected " + expected);
}

/// The source's number; the index widened it exactly, so narrowing gives its bits back.
std::optional<uint32_t> narrowed(uint32_t bits, Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
      return bits;
    case Dtype::kBF16:
      return bits >> 16;
    case Dtype::kF16:
      return quant::f16_from_float(std::bit_cast<float>(bits));
    default:
      return std::nullopt;
  }
}

Status stream_scalars(const Reader& reader, const Plane& plane, const Sink& sink) {
  const bool multiplier = plane.kind() == ComponentKind::kMultiplier;
  const uint64_t first = multiplier ? plane.part->first_multiplier : plane.part->first_input_scale;
  const uint64_t count = multiplier ? plane.part->multiplier_count : plane.part->input_scale_count;
  const auto dtype = static_cast<Dtype>(plane.tensor->dtype);
  const uint64_t elem_bytes = dtype_bits(dtype) / 8;
  if (count == 0)
    return plane_error(reader, plane, ErrorKind::kBadRecord, "its part has no such scalars");
  // One number may be that of all experts.
  const bool shared = plane.expert_count > 1 && plane.tensor->size_bytes == elem_bytes;
  if (!shared && plane.tensor->size_bytes != plane.expert_count * elem_bytes)
    return wrong_size(reader, plane, num(plane.expert_count) + " numbers");
  for (uint64_t e = plane.first_expert; e < plane.first_expert + plane.expert_count; ++e) {
    const ScalarRecord& scalar = reader.scalars()[first + e];
    const auto bits = narrowed(scalar.bits, dtype);
    if (!bits || scalar.state == static_cast<uint8_t>(ScalarState::kAbsent))
      return plane_error(reader, plane, ErrorKind::kBadRecord,
                         !bits ? "is a scale of dtype " + std::string(dtype_name(dtype)) +
                                     ", expected F32, F16 or BF16"
                               : "is in the source, but the index says that it is absent");
    if (shared && e != plane.first_expert) {
      if (scalar.bits == reader.scalars()[first + plane.first_expert].bits) continue;
      return plane_error(reader, plane, ErrorKind::kBadRecord,
                         "is one number, but the index has another for expert " + num(e));
    }
    std::byte raw[sizeof(uint32_t)];
    store_le(raw, *bits);
    IMP_TRY(sink(Bytes(raw, elem_bytes)));
  }
  return {};
}

/// A plane whose rows stand in an order of the form.
Status stream_rows(const Reader& reader, const Plane& plane, uint64_t slab_bytes,
                   const Sink& sink) {
  IMP_ASSIGN(PlaneRows source, PlaneRows::open(reader, plane));
  const uint64_t total = source.coding().rows, step = source.slab_rows(slab_bytes);
  PlaneSlab slab;
  for (uint64_t e = plane.first_expert; e < plane.first_expert + plane.expert_count; ++e)
    for (uint64_t row = 0; row < total; row += step) {
      IMP_TRY(check_interrupted());
      IMP_TRY(source.read(e, row, std::min(step, total - row), false, slab));
      IMP_TRY(sink(slab.source));
    }
  return {};
}

/// A component that holds the plane as it is: the part's bytes of each expert.
Status stream_stored(const Reader& reader, const Plane& plane, uint64_t slab_bytes,
                     const Sink& sink) {
  IMP_ASSIGN(const StoredPlane stored, find_stored(reader, plane));
  std::vector<std::byte> buffer(std::min(slab_bytes, stored.expert_bytes));
  const uint64_t end = stored.first_expert + stored.expert_count;
  for (uint64_t e = stored.first_expert; e < end; ++e)
    for (uint64_t done = 0; done < stored.expert_bytes; done += buffer.size()) {
      IMP_TRY(check_interrupted());
      const auto piece =
          MutableBytes(buffer).first(std::min(buffer.size(), stored.expert_bytes - done));
      IMP_TRY(stored.read(reader, e, done, piece));
      IMP_TRY(sink(piece));
    }
  return {};
}

/// A bias that is not in the source's order where a form's rows are not.
bool is_reordered(const Plane& plane) {
  return plane.is_gemm() && plane.layout() != layouts::LayoutId::kPlain &&
         plane.kind() == ComponentKind::kBias && plane.tensor->encoding != 0;
}

}  // namespace

Status stream_plane(const Reader& reader, const Plane& plane, uint64_t slab_bytes,
                    const Sink& sink) {
  const ComponentKind kind = plane.kind();
  Status status;
  if (kind == ComponentKind::kMultiplier || kind == ComponentKind::kInputScale)
    status = stream_scalars(reader, plane, sink);
  else if (plane.is_packed() || is_reordered(plane))
    status = stream_rows(reader, plane, slab_bytes, sink);
  else
    status = stream_stored(reader, plane, slab_bytes, sink);
  if (status.ok()) return status;
  return with_place(reader, plane, std::move(status).error());
}

Status check_digest(const Reader& reader, const Plane& plane, const Digest128& digest) {
  if (std::ranges::equal(digest, plane.tensor->digest)) return {};
  return plane_error(reader, plane, ErrorKind::kInverseMismatch,
                     "recovered bytes have digest " + hex(digest.data(), digest.size()) +
                         ", the artifact records " +
                         hex(plane.tensor->digest, sizeof plane.tensor->digest));
}

}  // namespace imp::unpack
