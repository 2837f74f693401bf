#include "src/verify/meaning.h"

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "src/base/little_endian.h"
#include "src/model/model.h"
#include "src/model/roles.h"
#include "src/model/schemes.h"
#include "src/verify/components.h"
#include "src/verify/engine_form.h"
#include "src/verify/planes.h"
#include "src/verify/reference.h"
#include "src/verify/slab.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::ScalarRecord;
using artifact::ScalarState;
using model::Scheme;

Error fault(const FormView& view, ErrorKind kind, const std::string& what) {
  return Error{kind, what, view.reader.path(), view.name()};
}

Status check_scalar(const FormView& view, const ScalarRecord& scalar, const char* what) {
  if (scalar.state == static_cast<uint8_t>(ScalarState::kAbsent) ||
      scalar.state == static_cast<uint8_t>(ScalarState::kUnused))
    return {};
  const auto value = std::bit_cast<float>(scalar.bits);
  if (!std::isfinite(value) || std::signbit(value))
    return fault(view, ErrorKind::kBadScale,
                 std::string(what) + " is " + std::to_string(value) +
                     ", expected a finite number of at least 0");
  return {};
}

/// Scalars of the index that no vector of the form repeats.
Status check_multipliers(const FormView& view) {
  for (const artifact::PartRecord& part : view.reader.parts_of(view.operand))
    for (uint64_t e = 0; e < part.multiplier_count; ++e)
      IMP_TRY(check_scalar(view, view.reader.scalars()[part.first_multiplier + e], "multiplier"));
  return check_engine_multiplier(view);
}

/// The f32 vector of the payload against the scalars of the index.
Status check_vector(const FormView& view, ComponentKind kind, const char* what) {
  const auto parts = view.reader.parts_of(view.operand);
  const auto count_of = [&](const artifact::PartRecord& p) {
    return kind == ComponentKind::kMultiplier ? p.multiplier_count : p.input_scale_count;
  };
  const auto first_of = [&](const artifact::PartRecord& p) {
    return kind == ComponentKind::kMultiplier ? p.first_multiplier : p.first_input_scale;
  };
  bool any = false;
  for (const artifact::PartRecord& part : parts) any = any || count_of(part) > 0;
  const ComponentRecord* component = view.reader.find_component(view.form, kind);
  if (any != (component != nullptr))
    return fault(view, ErrorKind::kBadRecord, std::string("index and form disagree on a ") + what);
  if (!any) return {};
  IMP_TRY(check_component(view, {kind, Dtype::kF32, {parts.size()}}));
  std::vector<std::byte> bytes(component->size_bytes);
  IMP_TRY(view.reader.read_component(*component, 0, bytes));
  for (uint64_t e = 0; e < view.operand.experts; ++e)
    for (uint64_t p = 0; p < parts.size(); ++p) {
      const ScalarRecord scalar =
          count_of(parts[p]) == 0 ? ScalarRecord{} : view.reader.scalars()[first_of(parts[p]) + e];
      IMP_TRY(check_scalar(view, scalar, what));
      if (load_le<uint32_t>(bytes.data() + 4 * (e * parts.size() + p)) != kernel_bits(scalar, kind))
        return fault(view, ErrorKind::kInverseMismatch,
                     std::string("the vector's ") + what + " of part " + std::to_string(p) +
                         ", expert " + std::to_string(e) + " is not the index's");
    }
  return {};
}

/// Two levels have a number beside the block scales, fp8 and integers have it instead of them.
uint64_t expected_multipliers(const artifact::OperandRecord& operand) {
  const auto scheme = static_cast<Scheme>(operand.scheme);
  if (model::code_bits(scheme) == 0) return 0;
  return model::has_two_levels(scheme) || operand.group_size == 0 ? operand.experts : 0;
}

/// Formats that define no scale where none is written: a dialect of fp8, and NVFP4 in GGUF.
bool may_lack_multiplier(const artifact::OperandRecord& operand) {
  const auto scheme = static_cast<Scheme>(operand.scheme);
  return (scheme == Scheme::kFp8 && operand.group_size == 0) || scheme == Scheme::kNvfp4;
}

/// Codes out of GGUF's blocks, and blocks: whole ones.
bool fits_blocks(const artifact::OperandRecord& operand) {
  const auto scheme = static_cast<Scheme>(operand.scheme);
  if (const auto type = model::blocks_type(scheme))
    return operand.group_size == 0 && operand.k % ggml_type_info(*type).block_elems == 0;
  if (model::has_super_scale(scheme) && operand.k % quant::kSuperGroup != 0) return false;
  return (operand.group_size == 16 || operand.group_size == 32) &&
         operand.k % operand.group_size == 0;
}

Status check_groups(const artifact::Reader& reader, const artifact::OperandRecord& operand) {
  const auto scheme = static_cast<Scheme>(operand.scheme);
  const uint32_t fixed = model::group_size_of(scheme);
  // Integers and fp8 have groups of any size; the last, or only, one may be short.
  if (model::is_integer(scheme) || scheme == Scheme::kFp8) return {};
  const bool of_blocks = model::is_ggml_planes(scheme) || model::blocks_type(scheme).has_value();
  const bool fits = of_blocks
                        ? fits_blocks(operand)
                        : operand.group_size == fixed && (fixed == 0 || operand.k % fixed == 0);
  if (fits && operand.group_rows == 0) return {};
  return Error{ErrorKind::kBadShape,
               "group size " + std::to_string(operand.group_size) + ", group rows " +
                   std::to_string(operand.group_rows) + " or K " + std::to_string(operand.k) +
                   " does not fit the scheme",
               reader.path(), std::string(reader.string(operand.name))};
}

Status check_operand(const artifact::Reader& reader, const artifact::OperandRecord& operand) {
  const std::string name(reader.string(operand.name));
  if (model::role_name(static_cast<model::Role>(operand.role)) == "?")
    return Error{ErrorKind::kUnsupportedVersion,
                 "role " + std::to_string(operand.role) + " is not known to this version",
                 reader.path(), name};
  const auto scheme = static_cast<Scheme>(operand.scheme);
  if (model::scheme_name(scheme) == "?")
    return Error{ErrorKind::kUnsupportedVersion,
                 "scheme " + std::to_string(operand.scheme) + " is not known to this version",
                 reader.path(), name};
  if (operand.stored_as > static_cast<uint32_t>(model::kLastStoredAs))
    return Error{
        ErrorKind::kUnsupportedVersion,
        "stored as " + std::to_string(operand.stored_as) + ", which is not known to this version",
        reader.path(), name};
  // Larger than any tensor, small enough that no size computed from it can wrap.
  constexpr uint64_t kMaxDim = uint64_t{1} << 40;
  const bool gemm = (operand.flags & artifact::kOperandGemm) != 0;
  if (operand.n > kMaxDim || operand.k > kMaxDim || (gemm && (operand.n == 0 || operand.k == 0)))
    return Error{ErrorKind::kBadShape,
                 "is " + std::to_string(operand.n) + " x " + std::to_string(operand.k) +
                     ", expected 1 to 2^40 each way",
                 reader.path(), name};
  IMP_TRY(check_groups(reader, operand));
  for (const artifact::PartRecord& part : reader.parts_of(operand)) {
    const uint64_t multipliers = expected_multipliers(operand);
    const bool unscaled = part.multiplier_count == 0 && may_lack_multiplier(operand);
    if ((part.multiplier_count != multipliers && !unscaled) ||
        (part.input_scale_count != 0 && part.input_scale_count != operand.experts))
      return Error{ErrorKind::kBadRecord,
                   "a part has " + std::to_string(part.multiplier_count) +
                       " multipliers, expected " + std::to_string(multipliers),
                   reader.path(), name};
  }
  return {};
}

Status check_form(const FormView& view, const PlaneTable& planes) {
  IMP_TRY(check_layout(view, planes));
  if ((view.operand.flags & artifact::kOperandGemm) == 0) return {};
  if (const auto* bias = view.reader.find_component(view.form, ComponentKind::kBias))
    IMP_TRY(check_component(
        view, {ComponentKind::kBias, static_cast<Dtype>(bias->dtype), {view.operand.n}}));
  const bool one = view.is_engine() && model::has_two_levels(view.scheme());
  IMP_TRY(one || has_folded_multiplier(view)
              ? check_multipliers(view)
              : check_vector(view, ComponentKind::kMultiplier, "multiplier"));
  return check_vector(view, ComponentKind::kInputScale, "input scale");
}

}  // namespace

void check_meaning(const artifact::Reader& reader, Problems& problems) {
  const PlaneTable planes(reader);
  for (const artifact::OperandRecord& operand : reader.operands()) {
    Status status = check_operand(reader, operand);
    if (!status.ok()) {
      problems.add(std::move(status));
      continue;
    }
    for (const artifact::FormRecord& form : reader.forms_of(operand))
      if (reader.form_is_usable(form)) problems.add(check_form({reader, operand, form}, planes));
  }
}

}  // namespace imp::verify
