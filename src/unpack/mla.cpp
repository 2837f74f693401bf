#include "src/unpack/mla.h"

#include <cstring>
#include <string_view>
#include <vector>

#include "src/base/checked.h"
#include "src/base/interrupt.h"
#include "src/unpack/stored_plane.h"
#include "src/unpack/stream.h"

namespace imp::unpack {
namespace {

using artifact::OperandRecord;
using artifact::Reader;
using artifact::SourceTensorRecord;
using model::StoredAs;

// How the importer ends the names of the halves.
constexpr std::string_view kKeyEnding = ".k_b", kValueEnding = ".v_b";

StoredAs stored_as(const OperandRecord& operand) {
  return static_cast<StoredAs>(operand.stored_as);
}

Error bad_halves(const Reader& reader, uint32_t key, const Shape& k, const Shape& v) {
  return Error{ErrorKind::kBadRecord,
               "is " + k.to_string() + " beside " + v.to_string() +
                   ", expected [heads * r, n] and [heads * v, r]",
               reader.path(), std::string(reader.string(reader.source_tensors()[key].name))};
}

/// One half, read head by head.
class Half {
 public:
  static Result<Half> open(const Reader& reader, const Plane& plane, uint64_t heads, Dtype to) {
    IMP_ASSIGN(const StoredPlane stored, find_stored(reader, plane));
    return Half(reader, plane, stored, heads, to);
  }
  /// `elems` values. Errors: kBadRecord for another number of them.
  Result<Bytes> read(uint64_t head, uint64_t elems) {
    IMP_TRY(stored_.read(reader_, 0, head * bytes_.size(), bytes_));
    digest_.update(bytes_);
    const Bytes values = converter_.convert(bytes_);
    if (values.size() == elems * elem_bytes_) return values;
    return plane_error(reader_, plane_, ErrorKind::kBadRecord,
                       "has " + std::to_string(plane_.tensor->size_bytes) +
                           " bytes, which is not what its shape takes");
  }
  Status check() { return check_digest(reader_, plane_, digest_.digest()); }

 private:
  Half(const Reader& reader, const Plane& plane, const StoredPlane& stored, uint64_t heads,
       Dtype to)
      : reader_(reader),
        plane_(plane),
        stored_(stored),
        converter_(stored_values(plane), to),
        elem_bytes_(dtype_bits(to) / 8),
        bytes_(stored.expert_bytes / heads) {}

  const Reader& reader_;
  const Plane& plane_;
  StoredPlane stored_;
  ValueConverter converter_;
  const uint64_t elem_bytes_;
  std::vector<std::byte> bytes_;
  Xxh3Stream digest_;
};

}  // namespace

std::optional<uint32_t> other_half(const Reader& reader, uint32_t source) {
  const auto tensors = reader.source_tensors();
  const StoredAs own = stored_as(reader.operands()[tensors[source].operand]);
  if (own != StoredAs::kMlaKey && own != StoredAs::kMlaValue) return std::nullopt;
  const bool is_key = own == StoredAs::kMlaKey;
  const std::string_view name = reader.string(tensors[source].name);
  const std::string_view ending = is_key ? kKeyEnding : kValueEnding;
  if (!name.ends_with(ending)) return std::nullopt;
  const std::string wanted = std::string(name.substr(0, name.size() - ending.size())) +
                             std::string(is_key ? kValueEnding : kKeyEnding);
  const StoredAs other = is_key ? StoredAs::kMlaValue : StoredAs::kMlaKey;
  for (uint32_t t = 0; t < tensors.size(); ++t)
    if (tensors[t].operand != artifact::kNone && reader.string(tensors[t].name) == wanted &&
        stored_as(reader.operands()[tensors[t].operand]) == other)
      return t;
  return std::nullopt;
}

bool is_value_half(const OperandRecord& operand) {
  return stored_as(operand) == StoredAs::kMlaValue;
}

std::string merged_name(const std::string& half) {
  return half.substr(0, half.size() - kKeyEnding.size()) + ".weight";
}

Result<Shape> shape_of_values(const Reader& reader, uint32_t source) {
  const SourceTensorRecord& tensor = reader.source_tensors()[source];
  Shape shape;
  shape.rank = tensor.rank;
  for (uint32_t i = 0; i < tensor.rank; ++i) shape.dims[i] = tensor.dims[i];
  const auto type =
      model::blocks_type(static_cast<model::Scheme>(reader.operands()[tensor.operand].scheme));
  if (!type || tensor.plane != static_cast<uint16_t>(artifact::ComponentKind::kCodes)) return shape;
  const GgmlTypeInfo& info = ggml_type_info(*type);
  uint64_t& last = shape.dims[shape.rank == 0 ? 0 : shape.rank - 1];
  const auto elems = checked_mul(last / info.block_bytes, info.block_elems);
  if (shape.rank == 0 || last % info.block_bytes != 0 || !elems)
    return Error{ErrorKind::kBadRecord,
                 "has rows of " + std::to_string(last) + " bytes, expected blocks of " +
                     std::to_string(info.block_bytes),
                 reader.path(), std::string(reader.string(tensor.name))};
  last = *elems;
  return shape;
}

StoredValues stored_values(const Plane& plane) {
  StoredValues values;
  values.dtype = static_cast<Dtype>(plane.tensor->dtype);
  if (plane.kind() != artifact::ComponentKind::kCodes) return values;
  values.blocks = model::blocks_type(plane.scheme());
  values.stored_as = stored_as(*plane.operand);
  return values;
}

Result<MlaShape> mla_shape(const Reader& reader, uint32_t key, uint32_t value) {
  IMP_ASSIGN(const Shape k, shape_of_values(reader, key));
  IMP_ASSIGN(const Shape v, shape_of_values(reader, value));
  if (k.rank != 2 || v.rank != 2 || v[1] == 0 || k[0] == 0 || k[0] % v[1] != 0)
    return bad_halves(reader, key, k, v);
  const uint64_t heads = k[0] / v[1];
  if (v[0] % heads != 0) return bad_halves(reader, key, k, v);
  return MlaShape{heads, v[1], k[1], v[0] / heads};
}

Status stream_merged(const Reader& reader, const Plane& key, const Plane& value,
                     const MlaShape& shape, Dtype to, const std::function<Status(Bytes)>& sink) {
  IMP_ASSIGN(Half keys, Half::open(reader, key, shape.heads, to));
  IMP_ASSIGN(Half values, Half::open(reader, value, shape.heads, to));
  const uint64_t size = dtype_bits(to) / 8;
  std::vector<std::byte> transposed(shape.nope * shape.latent * size);
  for (uint64_t head = 0; head < shape.heads; ++head) {
    IMP_TRY(check_interrupted());
    IMP_ASSIGN(const Bytes k, keys.read(head, shape.latent * shape.nope));
    for (uint64_t r = 0; r < shape.latent; ++r)
      for (uint64_t n = 0; n < shape.nope; ++n)
        std::memcpy(&transposed[(n * shape.latent + r) * size], &k[(r * shape.nope + n) * size],
                    size);
    IMP_TRY(sink(transposed));
    IMP_ASSIGN(const Bytes v, values.read(head, shape.value * shape.latent));
    IMP_TRY(sink(v));
  }
  IMP_TRY(keys.check());
  return values.check();
}

}  // namespace imp::unpack
