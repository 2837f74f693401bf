#include "src/unpack/stream.h"

#include <algorithm>
#include <bit>
#include <string>
#include <utility>

#include "src/base/checked.h"
#include "src/base/dtype.h"
#include "src/base/interrupt.h"
#include "src/base/little_endian.h"
#include "src/base/text.h"
#include "src/quant/f16.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
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
  if (plane.tensor->size_bytes != plane.expert_count * elem_bytes)
    return wrong_size(reader, plane, num(plane.expert_count) + " numbers");
  for (uint64_t e = plane.first_expert; e < plane.first_expert + plane.expert_count; ++e) {
    const ScalarRecord& scalar = reader.scalars()[first + e];
    const auto bits = narrowed(scalar.bits, dtype);
    if (!bits || scalar.state == static_cast<uint8_t>(ScalarState::kAbsent))
      return plane_error(reader, plane, ErrorKind::kBadRecord,
                         !bits ? "is a scale of dtype " + std::string(dtype_name(dtype)) +
                                     ", expected F32, F16 or BF16"
                               : "is in the source, but the index says that it is absent");
    std::byte raw[sizeof(uint32_t)];
    store_le(raw, *bits);
    IMP_TRY(sink(Bytes(raw, elem_bytes)));
  }
  return {};
}

Status stream_packed(const Reader& reader, const Plane& plane, uint64_t slab_bytes,
                     const Sink& sink) {
  IMP_ASSIGN(Nvfp4Rows source, Nvfp4Rows::open(reader, plane));
  const bool codes = plane.kind() == ComponentKind::kCodes;
  const uint64_t row_bytes = codes ? source.row_code_bytes() : source.row_scale_bytes();
  const uint64_t expected = plane.expert_count * plane.rows() * row_bytes;
  if (plane.tensor->size_bytes != expected) return wrong_size(reader, plane, num(expected));
  const uint64_t slab_rows = source.slab_rows(slab_bytes);
  Nvfp4Slab slab;
  for (uint64_t e = plane.first_expert; e < plane.first_expert + plane.expert_count; ++e)
    for (uint64_t row = 0; row < plane.rows(); row += slab_rows) {
      IMP_TRY(check_interrupted());
      IMP_TRY(source.read(e, row, std::min(slab_rows, plane.rows() - row),
                          codes ? Nvfp4Planes::kCodes : Nvfp4Planes::kScales, slab));
      IMP_TRY(sink(codes ? slab.codes : slab.scales));
    }
  return {};
}

/// Bytes of one expert without the padding of its stride. The reader checked that the shape fits.
uint64_t bytes_of_expert(const ComponentRecord& component) {
  if (component.expert_stride_bytes == 0) return component.size_bytes;
  uint64_t elems = 1;
  for (uint32_t i = 1; i < component.rank; ++i) elems *= component.dims[i];
  return elems * dtype_bits(static_cast<Dtype>(component.dtype)) / 8;
}

/// A component that holds the plane as it is: the part's rows of each expert.
Status stream_stored(const Reader& reader, const Plane& plane, uint64_t slab_bytes,
                     const Sink& sink) {
  const ComponentRecord* component = reader.find_component(*plane.form, plane.kind());
  if (component == nullptr || component->dtype != plane.tensor->dtype)
    return plane_error(reader, plane, ErrorKind::kBadRecord,
                       "its form has no component " + num(plane.tensor->plane) + " of dtype " +
                           std::string(dtype_name(static_cast<Dtype>(plane.tensor->dtype))));
  const uint64_t expert_bytes = bytes_of_expert(*component);
  const uint64_t row_bytes = expert_bytes / plane.operand_rows();
  const uint64_t part_bytes = plane.rows() * row_bytes;  // rows() <= operand_rows(): fits
  const auto expected = checked_mul(plane.expert_count, part_bytes);
  if (expert_bytes % plane.operand_rows() != 0 || !expected ||
      plane.tensor->size_bytes != *expected)
    return wrong_size(reader, plane,
                      num(plane.rows()) + " of the " + num(plane.operand_rows()) + " rows in " +
                          num(expert_bytes) + " bytes");
  std::vector<std::byte> buffer(std::min(slab_bytes, part_bytes));
  for (uint64_t e = plane.first_expert; e < plane.first_expert + plane.expert_count; ++e) {
    const uint64_t base = e * component->expert_stride_bytes + plane.first_row() * row_bytes;
    for (uint64_t done = 0; done < part_bytes; done += buffer.size()) {
      IMP_TRY(check_interrupted());
      const auto piece = MutableBytes(buffer).first(std::min(buffer.size(), part_bytes - done));
      IMP_TRY(reader.read_component(*component, base + done, piece));
      IMP_TRY(sink(piece));
    }
  }
  return {};
}

}  // namespace

Status stream_plane(const Reader& reader, const Plane& plane, uint64_t slab_bytes,
                    const Sink& sink) {
  const ComponentKind kind = plane.kind();
  Status status;
  if (kind == ComponentKind::kMultiplier || kind == ComponentKind::kInputScale)
    status = stream_scalars(reader, plane, sink);
  else if (plane.is_packed())
    status = stream_packed(reader, plane, slab_bytes, sink);
  else
    status = stream_stored(reader, plane, slab_bytes, sink);
  if (status.ok()) return status;
  return with_place(reader, plane, std::move(status).error());
}

Status stream_nvfp4(const Reader& reader, const Plane& codes, uint64_t slab_bytes,
                    const Nvfp4Sink& sink) {
  IMP_ASSIGN(Nvfp4Rows source, Nvfp4Rows::open(reader, codes));
  const uint64_t slab_rows = source.slab_rows(slab_bytes);
  Nvfp4Slab slab;
  for (uint64_t e = codes.first_expert; e < codes.first_expert + codes.expert_count; ++e)
    for (uint64_t row = 0; row < codes.rows(); row += slab_rows) {
      IMP_TRY(check_interrupted());
      IMP_TRY(
          source.read(e, row, std::min(slab_rows, codes.rows() - row), Nvfp4Planes::kBoth, slab));
      IMP_TRY(sink(e, slab));
    }
  return {};
}

Status check_digest(const Reader& reader, const Plane& plane, const Digest128& digest) {
  if (std::ranges::equal(digest, plane.tensor->digest)) return {};
  return plane_error(reader, plane, ErrorKind::kInverseMismatch,
                     "recovered bytes have digest " + hex(digest.data(), digest.size()) +
                         ", the artifact records " +
                         hex(plane.tensor->digest, sizeof plane.tensor->digest));
}

}  // namespace imp::unpack
