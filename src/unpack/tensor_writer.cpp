#include "src/unpack/tensor_writer.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <tuple>
#include <utility>

#include "src/unpack/mla.h"
#include "src/unpack/stream.h"
#include "src/unpack/values.h"
#include "src/unpack/weight_values.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::Reader;
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

/// Row of the source, or column where it is transposed, of each canonical row.
uint64_t source_row(const Plane& codes, uint64_t row) {
  const auto encoding = static_cast<quant::Encoding>(codes.tensor->encoding);
  if (encoding != quant::Encoding::kRowsInterleaved &&
      encoding != quant::Encoding::kInFirstInterleaved)
    return row;
  const uint64_t n = codes.part->n_count, first_half = n - n / 2;
  return row < first_half ? 2 * row : 2 * (row - first_half) + 1;
}

/// One expert's values in the order in which they are written, where that is not row after row.
class ExpertValues {
 public:
  ExpertValues(const Plane& codes, bool transposed, Dtype to)
      : codes_(codes), transposed_(transposed), elem_bytes_(dtype_bits(to) / 8), to_(to) {}

  /// True once the expert is whole.
  bool add(const ValueRows& rows) {
    const uint64_t n = codes_.part->n_count, k = codes_.operand->k;
    bytes_.resize(n * k * elem_bytes_);
    rounded_.resize(rows.values.size() * elem_bytes_);
    round_values(rows.values, to_, rounded_);
    for (uint64_t r = 0; r < rows.rows; ++r) {
      const uint64_t row = source_row(codes_, rows.row0 + r);
      const std::byte* from = &rounded_[r * k * elem_bytes_];
      if (!transposed_) std::memcpy(&bytes_[row * k * elem_bytes_], from, k * elem_bytes_);
      for (uint64_t i = 0; transposed_ && i < k; ++i)
        std::memcpy(&bytes_[(i * n + row) * elem_bytes_], from + i * elem_bytes_, elem_bytes_);
    }
    return rows.row0 + rows.rows == n;
  }
  Bytes bytes() const { return bytes_; }

 private:
  const Plane& codes_;
  const bool transposed_;
  const uint64_t elem_bytes_;
  const Dtype to_;
  std::vector<std::byte> bytes_, rounded_;
};

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
    case Transform::kValues:
      return values(plane, output.source, info, file);
    case Transform::kMlaMerge:
      return merge(plane, output, info, file);
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
  ValueConverter values(stored_values(plane), info.dtype);
  IMP_TRY(stream_plane(reader_, plane, slab_bytes_, [&](Bytes bytes) {
    digest.update(bytes);
    return tail.append(values.convert(bytes));
  }));
  return check_digest(reader_, plane, digest.digest());
}

Status TensorWriter::merge(const Plane& key, const Output& output, const TensorInfo& info,
                           OutputFile& file) const {
  IMP_ASSIGN(const Plane value, find_plane(reader_, output.other, form_sm_));
  IMP_ASSIGN(const MlaShape shape, mla_shape(reader_, output.source, output.other));
  Tail tail(info, file);
  return stream_merged(reader_, key, value, shape, info.dtype,
                       [&](Bytes bytes) { return tail.append(bytes); });
}

Status TensorWriter::values(const Plane& codes, uint32_t source, const TensorInfo& info,
                            OutputFile& file) const {
  IMP_TRY(check_multipliers(codes));
  Tail tail(info, file);
  const bool transposed = is_transposed(reader_, source);
  const bool in_order = !transposed && source_row(codes, 1) == 1;
  ExpertValues expert(codes, transposed, info.dtype);
  std::vector<std::byte> rounded;
  const auto find = [&](ComponentKind kind, uint64_t e) { return sibling(codes, kind, e); };
  return stream_values(reader_, codes, find, slab_bytes_, [&](const ValueRows& rows) -> Status {
    if (!in_order) return expert.add(rows) ? tail.append(expert.bytes()) : Status{};
    rounded.resize(rows.values.size() * dtype_bits(info.dtype) / 8);
    round_values(rows.values, info.dtype, rounded);
    return tail.append(rounded);
  });
}

Result<std::optional<Plane>> TensorWriter::sibling(const Plane& codes, ComponentKind kind,
                                                   uint64_t expert) const {
  const auto tensors = reader_.source_tensors();
  SourceTensorRecord wanted = *codes.tensor;
  wanted.plane = static_cast<uint16_t>(kind);
  for (const uint32_t e : {static_cast<uint32_t>(expert), artifact::kNone}) {
    wanted.expert = e;
    const auto at = std::ranges::lower_bound(by_place_, place_of(wanted), {},
                                             [&](uint32_t t) { return place_of(tensors[t]); });
    if (at == by_place_.end() || place_of(tensors[*at]) != place_of(wanted)) continue;
    IMP_ASSIGN(const Plane plane, find_plane(reader_, *at, form_sm_));
    return std::optional<Plane>(plane);
  }
  return std::optional<Plane>();
}

Status TensorWriter::check_multipliers(const Plane& codes) const {
  if (codes.part->multiplier_count == 0) return {};
  const artifact::SourceTensorRecord* checked = nullptr;
  for (uint64_t e = codes.first_expert; e < codes.first_expert + codes.expert_count; ++e) {
    IMP_ASSIGN(const std::optional<Plane> plane, sibling(codes, ComponentKind::kMultiplier, e));
    if (!plane)
      return plane_error(reader_, codes, ErrorKind::kBadRecord,
                         "no source tensor is the global scale of expert " + std::to_string(e));
    if (plane->tensor == checked) continue;
    checked = plane->tensor;
    Xxh3Stream digest;
    IMP_TRY(stream_plane(reader_, *plane, slab_bytes_, [&](Bytes bytes) {
      digest.update(bytes);
      return Status{};
    }));
    IMP_TRY(check_digest(reader_, *plane, digest.digest()));
  }
  return {};
}

}  // namespace imp::unpack
