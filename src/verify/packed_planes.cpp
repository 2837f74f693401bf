#include "src/verify/packed_planes.h"

#include <algorithm>
#include <string>

#include "src/base/interrupt.h"
#include "src/base/little_endian.h"
#include "src/verify/engine_derived.h"
#include "src/verify/exceptions.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;

constexpr uint64_t kSlabBytes = 4u << 20;

/// Source column of each column of the form; empty: the same.
using ColumnOrder = std::vector<uint32_t>;

class PackedPlanes {
 public:
  PackedPlanes(const FormView& view, uint32_t operand, const PlaneTable& planes,
               TensorChecks& checks)
      : view_(view),
        planes_(planes),
        checks_(checks),
        exceptions_(view),
        engine_(view, operand, planes) {
    for (uint32_t p = 0; p < view.operand.part_count; ++p) {
      Part part;
      part.emplace_back(view, operand, p, ComponentKind::kCodes);
      for (const ComponentKind plane : kGroupPlanes)
        if (is_recovered(plane)) part.emplace_back(view, operand, p, plane);
      parts_.push_back(std::move(part));
    }
  }

  Status run() {
    for (uint32_t e = 0; e < view_.operand.experts; ++e) IMP_TRY(check_expert(e));
    IMP_TRY(engine_.finish());
    return exceptions_.finish();
  }

 private:
  using Part = std::vector<PlaneDigest>;

  /// Comes out of the form canonical: out of the blocks, or out of lane order.
  bool is_recovered(ComponentKind plane) const {
    if (plane == ComponentKind::kBlockScale && view_.has_scales_in_blocks()) return true;
    return view_.is_packed(plane) &&
           (view_.needs(plane) || view_.reader.find_component(view_.form, plane) != nullptr);
  }

  Status check_expert(uint32_t expert) {
    IMP_ASSIGN(const ColumnOrder order, order_of_columns(expert));
    for (Part& part : parts_)
      for (PlaneDigest& plane : part) plane.begin(planes_, expert, checks_);
    const uint64_t step = slab_rows(view_, kSlabBytes);
    IMP_TRY(engine_.begin(expert));
    for (uint64_t row = 0; row < view_.operand.n; row = slab_end(view_, row, step)) {
      IMP_TRY(check_interrupted());
      IMP_ASSIGN(const StoredSlab stored,
                 read_slab(view_, expert, row, slab_end(view_, row, step) - row));
      IMP_ASSIGN(CanonicalSlab canonical, invert(view_, stored, &exceptions_));
      IMP_TRY(engine_.check(stored, canonical));
      if (!order.empty()) restore_columns(order, stored.rows, canonical.codes);
      const auto parts = view_.reader.parts_of(view_.operand);
      for (size_t p = 0; p < parts.size(); ++p) update(parts[p], stored, canonical, parts_[p]);
    }
    for (Part& part : parts_)
      for (PlaneDigest& plane : part) plane.end(expert, checks_);
    return {};
  }

  /// The rows of the slab that belong to this part.
  static void update(const artifact::PartRecord& record, const StoredSlab& stored,
                     const CanonicalSlab& canonical, Part& part) {
    const uint64_t begin = std::max(record.n0, stored.row0);
    const uint64_t end = std::min(record.n0 + record.n_count, stored.row0 + stored.rows);
    if (begin >= end) return;
    for (PlaneDigest& digest : part) {
      const std::vector<std::byte>& plane = canonical.of(digest.plane());
      const uint64_t pitch = plane.size() / stored.rows;
      digest.add(Bytes(plane).subspan((begin - stored.row0) * pitch, (end - begin) * pitch),
                 end - begin);
    }
  }

  Error fault(std::string what) const {
    return Error{ErrorKind::kInverseMismatch, std::move(what), view_.reader.path(), view_.name()};
  }

  Result<std::vector<uint32_t>> read_columns(const ComponentRecord& component,
                                             uint32_t expert) const {
    std::vector<std::byte> raw(4 * view_.operand.k);
    IMP_TRY(view_.reader.read_component(component, expert * component.expert_stride_bytes, raw));
    std::vector<uint32_t> columns(view_.operand.k);
    for (uint64_t i = 0; i < columns.size(); ++i) columns[i] = load_le<uint32_t>(&raw[4 * i]);
    return columns;
  }

  Result<ColumnOrder> order_of_columns(uint32_t expert) const {
    const auto* gather = view_.reader.find_component(view_.form, ComponentKind::kKGather);
    const auto* index = view_.reader.find_component(view_.form, ComponentKind::kGroupIndex);
    if (gather == nullptr) return ColumnOrder{};
    if (index == nullptr) return fault("columns are in an order, but no group index says why");
    IMP_ASSIGN(const ColumnOrder order, read_columns(*gather, expert));
    IMP_ASSIGN(const std::vector<uint32_t> groups, read_columns(*index, expert));
    std::vector<bool> seen(order.size());
    for (uint64_t i = 0; i < order.size(); ++i) {
      if (order[i] >= order.size() || seen[order[i]])
        return fault("k_gather names column " + std::to_string(order[i]) +
                     " twice, or there is none such");
      seen[order[i]] = true;
      if (groups[order[i]] != i / view_.operand.group_size)
        return fault("column " + std::to_string(i) + " of the form is of group " +
                     std::to_string(groups[order[i]]) + ", expected " +
                     std::to_string(i / view_.operand.group_size));
    }
    return order;
  }

  void restore_columns(const ColumnOrder& order, uint64_t rows,
                       std::vector<std::byte>& codes) const {
    const uint64_t pitch = codes.size() / rows;
    const bool nibbles = model::code_bits(view_.scheme()) == 4;
    std::vector<std::byte> line(pitch);
    for (uint64_t row = 0; row < rows; ++row) {
      std::byte* at = codes.data() + row * pitch;
      std::copy(at, at + pitch, line.begin());
      if (nibbles) std::fill(at, at + pitch, std::byte{0});
      for (uint64_t i = 0; i < order.size(); ++i) {
        if (nibbles)
          at[order[i] / 2] |= (line[i / 2] >> (4 * (i % 2)) & std::byte{0xF})
                              << (4 * (order[i] % 2));
        else
          at[order[i]] = line[i];
      }
    }
  }

  const FormView view_;
  const PlaneTable& planes_;
  TensorChecks& checks_;
  ExceptionCursor exceptions_;
  EngineDerived engine_;
  std::vector<Part> parts_;
};

}  // namespace

Status check_packed_planes(const FormView& view, uint32_t operand, const PlaneTable& planes,
                           TensorChecks& checks) {
  return PackedPlanes(view, operand, planes, checks).run();
}

}  // namespace imp::verify
