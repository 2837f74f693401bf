#include "src/verify/stored_planes.h"

#include <algorithm>
#include <string>

#include "src/base/checked.h"
#include "src/base/interrupt.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::SourceTensorRecord;

constexpr uint64_t kPieceBytes = 4u << 20;

bool is_scalar(ComponentKind plane) {
  return plane == ComponentKind::kMultiplier || plane == ComponentKind::kInputScale;
}

/// Parts stand below each other.
bool is_by_rows(ComponentKind plane) {
  return plane == ComponentKind::kCodes || plane == ComponentKind::kBias ||
         model::is_group_plane(plane);
}
/// One copy serves all parts.
bool is_of_all_parts(ComponentKind plane) {
  return plane == ComponentKind::kKScale || plane == ComponentKind::kGroupIndex;
}

/// Where the bytes of one tensor lie in its component.
struct Range {
  const ComponentRecord* component = nullptr;
  uint64_t first_expert = 0;
  uint64_t experts = 1;
  uint64_t offset_bytes = 0;  ///< in one expert
  uint64_t bytes = 0;         ///< of one expert
};

class StoredPlanes {
 public:
  StoredPlanes(const FormView& view, uint32_t operand, const PlaneTable& planes,
               TensorChecks& checks)
      : view_(view), operand_(operand), planes_(planes), checks_(checks) {}

  Status run() {
    for (const SourceTensorRecord* tensor : planes_.of_operand(operand_)) {
      const auto plane = static_cast<ComponentKind>(tensor->plane);
      if (!is_scalar(plane) && !view_.is_packed(plane)) IMP_TRY(check(*tensor, plane));
    }
    for (const ComponentRecord& component : view_.reader.components_of(view_.form))
      check_recorded(static_cast<ComponentKind>(component.kind));
    return {};
  }

 private:
  Error error(const SourceTensorRecord& tensor, std::string what) const {
    return Error{ErrorKind::kInverseMismatch, std::move(what), view_.reader.path(),
                 std::string(view_.reader.string(tensor.name))};
  }

  Status check(const SourceTensorRecord& tensor, ComponentKind plane) {
    IMP_ASSIGN(const Range range, range_of(tensor, plane));
    const bool reordered = plane == ComponentKind::kBias && tensor.encoding != 0 &&
                           view_.is_gemm() && view_.layout() != layouts::LayoutId::kPlain;
    Xxh3Stream digest;
    for (uint64_t e = range.first_expert; e < range.first_expert + range.experts; ++e)
      IMP_TRY(reordered ? add_reordered(tensor, range, e, digest) : add(range, e, digest));
    checks_.compare(tensor, digest.digest());
    return {};
  }

  Result<Range> range_of(const SourceTensorRecord& tensor, ComponentKind plane) const {
    Range range;
    range.component = view_.reader.find_component(view_.form, view_.source_component(plane));
    if (range.component == nullptr || range.component->dtype != tensor.dtype)
      return error(tensor, "operand '" + view_.name() + "' has no component of kind " +
                               std::to_string(tensor.plane) + " and the tensor's dtype");
    const bool all = tensor.expert == artifact::kNone;
    const bool shared = range.component->expert_stride_bytes == 0;
    range.first_expert = all || shared ? 0 : tensor.expert;
    range.experts = all && !shared ? view_.operand.experts : 1;
    range.bytes = tensor.size_bytes / range.experts;
    const uint64_t available =
        shared ? range.component->size_bytes : range.component->expert_stride_bytes;
    const std::optional<uint64_t> offset = offset_of_part(tensor, plane, range.bytes);
    if (tensor.size_bytes % range.experts != 0 || !offset ||
        !range_fits(*offset, range.bytes, available))
      return error(tensor, "has " + std::to_string(tensor.size_bytes) +
                               " bytes, which do not fit component " +
                               std::to_string(tensor.plane) + " of operand '" + view_.name() + "'");
    range.offset_bytes = *offset;
    return range;
  }

  std::optional<uint64_t> offset_of_part(const SourceTensorRecord& tensor, ComponentKind plane,
                                         uint64_t bytes) const {
    if (is_of_all_parts(plane)) return 0;
    if (!is_by_rows(plane)) return checked_mul(tensor.part, bytes);
    std::optional<uint64_t> before = 0;
    const auto parts = view_.reader.parts_of(view_.operand);
    for (uint32_t p = 0; p < tensor.part && before; ++p)
      before = checked_add(*before,
                           quant::source_bytes(plane_coding(
                               view_.operand, plane, static_cast<Dtype>(tensor.dtype),
                               static_cast<quant::Encoding>(tensor.encoding), parts[p].n_count)));
    return before;
  }

  Status add(const Range& range, uint64_t expert, Xxh3Stream& digest) {
    buffer_.resize(std::min(kPieceBytes, range.bytes));
    for (uint64_t at = 0; at < range.bytes; at += buffer_.size()) {
      IMP_TRY(check_interrupted());
      const auto piece =
          MutableBytes(buffer_).first(std::min<uint64_t>(buffer_.size(), range.bytes - at));
      IMP_TRY(read(range, expert, at, piece));
      digest.update(piece);
    }
    return {};
  }

  /// A bias that stands in the order of the form's rows.
  Status add_reordered(const SourceTensorRecord& tensor, const Range& range, uint64_t expert,
                       Xxh3Stream& digest) {
    const auto coding =
        plane_coding(view_.operand, ComponentKind::kBias, static_cast<Dtype>(tensor.dtype),
                     static_cast<quant::Encoding>(tensor.encoding),
                     view_.reader.parts_of(view_.operand)[tensor.part].n_count);
    if (quant::canonical_bytes(coding) != range.bytes)
      return error(tensor, "has another size than a bias of its part");
    buffer_.resize(range.bytes);
    IMP_TRY(read(range, expert, 0, buffer_));
    std::vector<std::byte> source(range.bytes);
    quant::from_canonical(coding, buffer_, source);
    digest.update(source);
    return {};
  }

  Status read(const Range& range, uint64_t expert, uint64_t at, MutableBytes out) const {
    return view_.reader.read_component(
        *range.component, expert * range.component->expert_stride_bytes + range.offset_bytes + at,
        out);
  }

  /// Weights that the form holds and no source tensor vouches for would pass unseen.
  void check_recorded(ComponentKind kind) {
    const bool source_scale = kind == ComponentKind::kSourceScale;
    const ComponentKind plane = source_scale ? ComponentKind::kBlockScale : kind;
    if (!is_by_rows(plane) || view_.is_packed(plane) || view_.is_derived(kind)) return;
    for (uint32_t p = 0; p < view_.operand.part_count; ++p)
      for (uint32_t e = 0; e < view_.operand.experts; ++e)
        if (planes_.find_for(operand_, p, e, plane) == nullptr) checks_.missing(p, e, plane);
  }

  const FormView& view_;
  const uint32_t operand_;
  const PlaneTable& planes_;
  TensorChecks& checks_;
  std::vector<std::byte> buffer_;
};

}  // namespace

Status check_stored_planes(const FormView& view, uint32_t operand, const PlaneTable& planes,
                           TensorChecks& checks) {
  return StoredPlanes(view, operand, planes, checks).run();
}

}  // namespace imp::verify
