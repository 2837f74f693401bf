#include "src/inspect/artifact_scales.h"

#include <algorithm>
#include <bit>
#include <optional>
#include <string>
#include <vector>

#include "src/base/checked.h"
#include "src/base/dtype.h"
#include "src/base/interrupt.h"
#include "src/model/schemes.h"

namespace imp::inspect {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::OperandRecord;
using artifact::PartRecord;
using artifact::Reader;

constexpr uint64_t kReadBytes = 4u << 20;

/// The component that has the source's scales: layouts of other engines hold what is made of them,
/// with the source's beside it or with the values of NVFP4 in a byte format of their own.
const ComponentRecord* find_block_scales(const Reader& reader, const OperandRecord& operand) {
  if (operand.group_size == 0) return nullptr;
  const bool e4m3 = model::has_two_levels(static_cast<model::Scheme>(operand.scheme));
  for (const artifact::FormRecord& form : reader.forms_of(operand)) {
    const ComponentRecord* c = reader.find_component(form, ComponentKind::kSourceScale);
    if (c == nullptr) c = reader.find_component(form, ComponentKind::kBlockScale);
    if (c == nullptr || !is_scale_dtype(static_cast<Dtype>(c->dtype))) continue;
    if (!e4m3 || static_cast<Dtype>(c->dtype) == Dtype::kF8E4M3) return c;
  }
  return nullptr;
}

std::optional<uint64_t> scales_of(const Reader& reader, const OperandRecord& operand) {
  if (operand.group_size == 0) return std::nullopt;
  const uint64_t group_rows = std::max<uint32_t>(operand.group_rows, 1);
  uint64_t rows = 0;
  for (const PartRecord& part : reader.parts_of(operand))
    rows += part.n_count / group_rows + (part.n_count % group_rows != 0);
  const uint64_t groups = operand.k / operand.group_size + (operand.k % operand.group_size != 0);
  const auto all_rows = checked_mul(operand.experts, rows);
  return all_rows ? checked_mul(*all_rows, groups) : std::nullopt;
}

/// Of schemes whose scales a layout may keep inside blocks of codes.
Dtype scale_dtype_of(const OperandRecord& operand) {
  const auto scheme = static_cast<model::Scheme>(operand.scheme);
  return model::has_two_levels(scheme) ? Dtype::kF8E4M3 : Dtype::kF8E8M0;
}

Result<BlockScaleTally> read_histogram(const Reader& reader, const ComponentRecord& component) {
  BlockScaleTally histogram;
  std::vector<std::byte> buffer(std::min(component.size_bytes, kReadBytes));
  for (uint64_t done = 0; done < component.size_bytes; done += buffer.size()) {
    IMP_TRY(check_interrupted());
    const auto piece =
        MutableBytes(buffer).first(std::min<uint64_t>(buffer.size(), component.size_bytes - done));
    IMP_TRY(reader.read_component(component, done, piece));
    histogram.add(piece, static_cast<Dtype>(component.dtype));
  }
  return histogram;
}

void add_scalars(const Reader& reader, uint32_t first, uint32_t count, uint64_t experts,
                 ScalarStats& stats) {
  if (count == 0) stats.absent += experts;
  for (const artifact::ScalarRecord& s : reader.scalars().subspan(first, count)) {
    if (s.state == static_cast<uint8_t>(artifact::ScalarState::kAbsent))
      ++stats.absent;
    else
      stats.add(std::bit_cast<float>(s.bits));
  }
}

/// nullopt unless the manifest counted exactly as many scales as the operand has.
std::optional<BlockScaleTally> recorded_histogram(const Manifest& manifest, uint32_t operand,
                                                  Dtype dtype, std::optional<uint64_t> expected) {
  const auto it = manifest.block_scale_bytes.find(operand);
  if (it == manifest.block_scale_bytes.end()) return std::nullopt;
  BlockScaleTally histogram;
  std::optional<uint64_t> total = 0;
  for (const auto& [byte, count] : it->second) {
    histogram.add(byte, dtype, count);
    if (total) total = checked_add(*total, count);
  }
  if (!total || total != expected) return std::nullopt;
  return histogram;
}

/// Scales that say nothing by themselves; empty for others.
std::string why_not_audited(const OperandRecord& operand) {
  const auto scheme = static_cast<model::Scheme>(operand.scheme);
  if (model::blocks_type(scheme)) return "its scales are in its blocks";
  if (model::has_super_scale(scheme)) return "its block scales are integers under super scales";
  return "";
}

Status audit_operand(const Reader& reader, const Manifest& manifest, uint32_t index,
                     ScaleReport& report) {
  const OperandRecord& operand = reader.operands()[index];
  ScaleRow row;
  row.name = std::string(reader.string(operand.name));
  for (const PartRecord& part : reader.parts_of(operand)) {
    add_scalars(reader, part.first_multiplier, part.multiplier_count, operand.experts, row.globals);
    add_scalars(reader, part.first_input_scale, part.input_scale_count, operand.experts,
                row.inputs);
  }
  if (const std::string why = why_not_audited(operand); !why.empty()) {
    row.why_no_blocks = why;
    report.add(std::move(row));
    return {};
  }
  const ComponentRecord* component = find_block_scales(reader, operand);
  const auto expected = scales_of(reader, operand);
  if (component == nullptr) {
    const auto recorded = recorded_histogram(manifest, index, scale_dtype_of(operand), expected);
    if (recorded) {
      report.add(std::move(row), *recorded);
      return {};
    }
    row.why_no_blocks = operand.group_size == 0
                            ? "it has one scale a module"
                            : "its layout keeps block scales inside blocks of codes";
    report.add(std::move(row));
    return {};
  }
  IMP_ASSIGN(BlockScaleTally histogram, read_histogram(reader, *component));
  const auto dtype = static_cast<Dtype>(component->dtype);
  const uint64_t stored = component->size_bytes / (dtype_bits(dtype) / 8);
  if (!expected || stored < *expected || !histogram.remove_zeros(stored - *expected, dtype)) {
    row.why_no_blocks = "the block scale component is not one scale a group and zero padding";
    report.add(std::move(row));
    return {};
  }
  report.add(std::move(row), histogram);
  return {};
}

}  // namespace

Result<ScaleReport> audit_artifact(const Reader& reader, const Manifest& manifest) {
  std::vector<uint32_t> order(reader.operands().size());
  for (uint32_t o = 0; o < order.size(); ++o) order[reader.operands()[o].execution_index] = o;
  ScaleReport report;
  for (const uint32_t o : order)
    if (model::is_quantized(static_cast<model::Scheme>(reader.operands()[o].scheme)))
      IMP_TRY(audit_operand(reader, manifest, o, report));
  return report;
}

}  // namespace imp::inspect
