#include "src/unpack/tensor_writer.h"

#include <algorithm>
#include <bit>
#include <tuple>
#include <utility>

#include "src/unpack/stream.h"
#include "src/unpack/values.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::Reader;
using artifact::ScalarRecord;
using artifact::ScalarState;
using artifact::SourceTensorRecord;
using safetensors::TensorInfo;

auto place_of(const SourceTensorRecord& t) {
  return std::tuple(t.operand, t.part, t.expert, t.plane);
}

/// Consecutive writes from a tensor's first byte on.
class Tail {
 public:
  Tail(const TensorInfo& info, OutputFile& file) : file_(file), at_(info.offset_bytes) {}
  Status append(Bytes bytes) {
    IMP_TRY(file_.write_at(at_, bytes));
    at_ += bytes.size();
    return {};
  }

 private:
  OutputFile& file_;
  uint64_t at_;
};

Result<Nvfp4Values> values_of(const Reader& reader, const Plane& codes, uint64_t expert, Dtype to) {
  if (codes.part->multiplier_count == 0)
    return plane_error(reader, codes, ErrorKind::kBadRecord, "its part has no global scale");
  const ScalarRecord& scalar = reader.scalars()[codes.part->first_multiplier + expert];
  if (scalar.state == static_cast<uint8_t>(ScalarState::kAbsent))
    return plane_error(reader, codes, ErrorKind::kBadRecord,
                       "the global scale of expert " + std::to_string(expert) + " is absent");
  const bool divides = scalar.state == static_cast<uint8_t>(ScalarState::kDivisor);
  return Nvfp4Values(std::bit_cast<float>(scalar.bits),
                     divides ? quant::Convention::kDivisor : quant::Convention::kMultiplier, to);
}

}  // namespace

TensorWriter::TensorWriter(const Reader& reader, std::optional<uint32_t> form_sm,
                           uint64_t slab_bytes)
    : reader_(reader), form_sm_(form_sm), slab_bytes_(slab_bytes) {
  const auto tensors = reader.source_tensors();
  for (uint32_t t = 0; t < tensors.size(); ++t)
    if (tensors[t].operand != artifact::kNone) by_place_.push_back(t);
  std::ranges::sort(by_place_, {}, [&](uint32_t t) { return place_of(tensors[t]); });
}

Status TensorWriter::write(const Output& output, const TensorInfo& info, OutputFile& file) const {
  IMP_ASSIGN(const Plane plane, find_plane(reader_, output.source, form_sm_));
  switch (output.transform) {
    case Transform::kCopy:
      return copy(plane, info, file);
    case Transform::kConvert:
      return convert(plane, info, file);
    case Transform::kNvfp4Values:
      return values(plane, info, file);
  }
  return {};
}

Status TensorWriter::copy(const Plane& plane, const TensorInfo& info, OutputFile& file) const {
  Tail tail(info, file);
  Xxh3Stream digest;
  IMP_TRY(stream_plane(reader_, plane, slab_bytes_, [&](Bytes bytes) {
    digest.update(bytes);
    return tail.append(bytes);
  }));
  return check_digest(reader_, plane, digest.digest());
}

Status TensorWriter::convert(const Plane& plane, const TensorInfo& info, OutputFile& file) const {
  Tail tail(info, file);
  Xxh3Stream digest;
  std::vector<std::byte> values;
  const auto from = static_cast<Dtype>(plane.tensor->dtype);
  IMP_TRY(stream_plane(reader_, plane, slab_bytes_, [&](Bytes bytes) {
    digest.update(bytes);
    convert_floats(bytes, from, info.dtype, values);
    return tail.append(values);
  }));
  return check_digest(reader_, plane, digest.digest());
}

Status TensorWriter::values(const Plane& codes, const TensorInfo& info, OutputFile& file) const {
  if (!codes.is_packed())
    return plane_error(reader_, codes, ErrorKind::kUnsupportedScheme,
                       "its scheme has no values that this version can compute");
  IMP_TRY(check_multipliers(codes));
  IMP_ASSIGN(const Plane scales, sibling(codes, ComponentKind::kBlockScale));
  Tail tail(info, file);
  Xxh3Stream code_digest, scale_digest;
  std::vector<std::byte> out;
  std::optional<Nvfp4Values> table;
  uint64_t table_expert = 0;
  IMP_TRY(
      stream_nvfp4(reader_, codes, slab_bytes_, [&](uint64_t e, const Nvfp4Slab& slab) -> Status {
        if (!table || table_expert != e) {
          IMP_ASSIGN(Nvfp4Values of_expert, values_of(reader_, codes, e, info.dtype));
          table.emplace(of_expert);
          table_expert = e;
        }
        code_digest.update(slab.codes);
        scale_digest.update(slab.scales);
        table->expand(slab.codes, slab.scales, out);
        return tail.append(out);
      }));
  IMP_TRY(check_digest(reader_, codes, code_digest.digest()));
  return check_digest(reader_, scales, scale_digest.digest());
}

Result<Plane> TensorWriter::sibling(const Plane& codes, ComponentKind kind) const {
  const auto tensors = reader_.source_tensors();
  SourceTensorRecord wanted = *codes.tensor;
  wanted.plane = static_cast<uint16_t>(kind);
  const auto at = std::ranges::lower_bound(by_place_, place_of(wanted), {},
                                           [&](uint32_t t) { return place_of(tensors[t]); });
  if (at == by_place_.end() || place_of(tensors[*at]) != place_of(wanted))
    return plane_error(reader_, codes, ErrorKind::kBadRecord,
                       "no source tensor is its plane " + std::to_string(wanted.plane) +
                           ", expected its scales among the source tensors");
  return find_plane(reader_, *at, form_sm_);
}

Status TensorWriter::check_multipliers(const Plane& codes) const {
  IMP_ASSIGN(const Plane multipliers, sibling(codes, ComponentKind::kMultiplier));
  Xxh3Stream digest;
  IMP_TRY(stream_plane(reader_, multipliers, slab_bytes_, [&](Bytes bytes) {
    digest.update(bytes);
    return Status{};
  }));
  return check_digest(reader_, multipliers, digest.digest());
}

}  // namespace imp::unpack
