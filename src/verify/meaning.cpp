#include "src/verify/meaning.h"

#include <bit>
#include <cmath>
#include <string>
#include <vector>

#include "kernels/layouts/mma64_nvfp4.h"
#include "kernels/layouts/native_bytes.h"
#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/registry.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/base/shape.h"
#include "src/model/roles.h"
#include "src/model/schemes.h"
#include "src/verify/planes.h"
#include "src/verify/reference.h"
#include "src/verify/slab.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::ScalarRecord;
using artifact::ScalarState;
using layouts::LayoutId;
using model::Scheme;

Error fault(const FormView& view, ErrorKind kind, const std::string& what) {
  return Error{kind, what, view.reader.path(), view.name()};
}

struct Expected {
  ComponentKind kind;
  Dtype dtype;
  Shape of_expert;
};

bool is_scale_dtype(Dtype dtype) {
  switch (dtype) {
    case Dtype::kF32:
    case Dtype::kBF16:
    case Dtype::kF16:
    case Dtype::kF8E4M3:
    case Dtype::kF8E8M0:
    case Dtype::kU8:  // an e8m0 byte
      return true;
    default:
      return false;
  }
}

/// Components that hold weights in an order of the layout, as its specification has them.
std::vector<Expected> expected_components(const FormView& view) {
  const uint64_t n = view.operand.n, k = view.operand.k, groups = view.groups();
  namespace mma64 = layouts::mma64_nvfp4;
  namespace sf = layouts::sf128x4;
  if (view.layout() == LayoutId::kNative) {
    const bool nibbles = model::code_bits(view.scheme()) == 4;
    return {{ComponentKind::kCodes,
             nibbles ? Dtype::kU8 : Dtype::kF8E4M3,
             {n, nibbles ? layouts::native_rows::pitch_bytes(k)
                         : layouts::native_bytes::pitch_bytes(k)}},
            {ComponentKind::kBlockScale,
             model::has_two_levels(view.scheme()) ? Dtype::kF8E4M3 : Dtype::kF8E8M0,
             {div_up(n, sf::kTileRows), sf::group_tiles(groups), sf::kTileBytes}}};
  }
  const uint64_t n_tiles = div_up(n, mma64::kTileN);
  std::vector<Expected> expected = {
      {ComponentKind::kBlocks,
       Dtype::kU8,
       {n_tiles, div_up(k, mma64::kTileK), mma64_block_bytes(view.scheme())}}};
  if (groups == 0 || view.has_scales_in_blocks() || !view.is_packed(ComponentKind::kBlockScale))
    return expected;
  const auto* scales = view.reader.find_component(view.form, ComponentKind::kBlockScale);
  expected.push_back({ComponentKind::kBlockScale,
                      scales == nullptr ? Dtype::kF32 : static_cast<Dtype>(scales->dtype),
                      {n_tiles, groups, uint64_t{mma64::kTileN}}});
  if (view.reader.find_component(view.form, ComponentKind::kZeroPoint) != nullptr)
    expected.push_back(
        {ComponentKind::kZeroPoint, Dtype::kU8, {n_tiles, groups, uint64_t{mma64::kTileN}}});
  return expected;
}

bool shape_is(const ComponentRecord& component, uint64_t experts, const Shape& of_expert) {
  Shape have;
  have.rank = component.rank;
  for (uint32_t i = 0; i < component.rank; ++i) have.dims[i] = component.dims[i];
  Shape want;
  if (experts > 1) want.dims[want.rank++] = experts;
  for (uint32_t i = 0; i < of_expert.rank; ++i) want.dims[want.rank++] = of_expert[i];
  return have == want;
}

Status check_component(const FormView& view, const Expected& expected) {
  const ComponentRecord* component = view.reader.find_component(view.form, expected.kind);
  const std::string kind = "component of kind " + std::to_string(static_cast<int>(expected.kind));
  if (component == nullptr) return fault(view, ErrorKind::kBadRecord, kind + " is missing");
  if (static_cast<Dtype>(component->dtype) != expected.dtype)
    return fault(view, ErrorKind::kBadRecord,
                 kind + " has another dtype than its layout prescribes");
  if (!shape_is(*component, view.operand.experts, expected.of_expert))
    return fault(view, ErrorKind::kBadShape,
                 kind + " has another shape than its layout prescribes");
  const uint64_t bytes =
      expected.of_expert.num_elems().value_or(0) * dtype_bits(expected.dtype) / 8;
  if (view.operand.experts > 1 && component->expert_stride_bytes != bytes)
    return fault(view, ErrorKind::kBadShape,
                 kind + " has another expert stride than its layout prescribes");
  return {};
}

/// A component that holds the source's bytes: those of its parts' rows, in their encoding.
Status check_as_in_source(const FormView& view, const PlaneTable& planes, ComponentKind kind) {
  const std::string text = "component of kind " + std::to_string(static_cast<int>(kind));
  const ComponentRecord* component = view.reader.find_component(view.form, kind);
  if (component == nullptr) return fault(view, ErrorKind::kBadRecord, text + " is missing");
  const auto index = static_cast<uint32_t>(&view.operand - view.reader.operands().data());
  const auto* tensor = planes.find_for(index, 0, 0, kind);
  const auto encoding =
      tensor == nullptr ? quant::Encoding::kRows : static_cast<quant::Encoding>(tensor->encoding);
  if (quant::encoding_name(encoding) == "?")
    return fault(view, ErrorKind::kUnsupportedVersion,
                 "encoding " + std::to_string(tensor->encoding) + " is not known to this version");
  if (!quant::has_canonical(encoding)) return {};  // how many bytes depends on the bits
  uint64_t bytes = 0;
  for (const artifact::PartRecord& part : view.reader.parts_of(view.operand)) {
    const auto coding = plane_coding(view.operand, kind, static_cast<Dtype>(component->dtype),
                                     encoding, part.n_count);
    bytes = checked_add(bytes, quant::source_bytes(coding)).value_or(~uint64_t{0});
  }
  const bool experts = view.operand.experts > 1;
  const uint64_t have = experts ? component->expert_stride_bytes : component->size_bytes;
  if (have == bytes && bytes != ~uint64_t{0}) return {};
  return fault(view, ErrorKind::kBadShape,
               text + " has " + std::to_string(have) + " bytes" + (experts ? " an expert" : "") +
                   ", its rows take " + std::to_string(bytes));
}

Status check_weight_components(const FormView& view, const PlaneTable& planes) {
  if (view.layout() != LayoutId::kPlain)
    for (const Expected& expected : expected_components(view))
      IMP_TRY(check_component(view, expected));
  if (!view.is_gemm()) return {};
  for (const ComponentKind kind :
       {ComponentKind::kCodes, ComponentKind::kBlockScale, ComponentKind::kZeroPoint}) {
    const bool wanted = kind == ComponentKind::kCodes ||
                        (kind == ComponentKind::kBlockScale && view.operand.group_size != 0 &&
                         !view.has_scales_in_blocks());
    const ComponentRecord* component = view.reader.find_component(view.form, kind);
    if (kind == ComponentKind::kBlockScale && component != nullptr &&
        !is_scale_dtype(static_cast<Dtype>(component->dtype)))
      return fault(view, ErrorKind::kBadRecord, "the block scales have a dtype that no scale has");
    if (!view.is_packed(kind) && (wanted || component != nullptr))
      IMP_TRY(check_as_in_source(view, planes, kind));
  }
  return {};
}

/// "1", or "0 to 1" where an older major has the same bytes.
std::string majors_of(const layouts::LayoutVariant& variant) {
  const std::string newest = std::to_string(variant.major);
  return variant.oldest_major == variant.major
             ? newest
             : std::to_string(variant.oldest_major) + " to " + newest;
}

/// The dialect of plain is the encoding of its codes; no other layout has dialects.
bool reads_dialect(const FormView& view) {
  if (view.layout() != LayoutId::kPlain) return view.form.dialect == 0;
  return quant::encoding_name(static_cast<quant::Encoding>(view.form.dialect)) != "?";
}

Status check_layout(const FormView& view, const PlaneTable& planes) {
  const layouts::LayoutInfo* layout = layouts::find_layout(view.form.layout);
  if (layout == nullptr)
    return fault(view, ErrorKind::kUnsupportedVersion,
                 "layout " + std::to_string(view.form.layout) + " is not known to this version");
  const layouts::LayoutVariant* variant = layouts::find_variant(layout->id, view.operand.scheme);
  if (variant == nullptr || !can_invert(view))
    return fault(view, ErrorKind::kUnsupportedScheme,
                 std::string("layout ") + layout->name + " has no variant for this scheme");
  if (!variant->reads(view.form.major) || !reads_dialect(view))
    return fault(view, ErrorKind::kUnsupportedVersion,
                 std::string("layout ") + layout->name + " has major version " +
                     std::to_string(view.form.major) + " and dialect " +
                     std::to_string(view.form.dialect) + ", this version reads " +
                     majors_of(*variant) +
                     (layout->id == LayoutId::kPlain ? " and the encodings of its registry"
                                                     : " and dialect 0"));
  if (view.form.padded_n != round_up(view.operand.n, layout->pad_n) ||
      view.form.padded_k != round_up(view.operand.k, layout->pad_k))
    return fault(view, ErrorKind::kBadShape,
                 std::string("padded shape is not what layout ") + layout->name + " prescribes");
  return check_weight_components(view, planes);
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
  if (!model::is_quantized(scheme)) return 0;
  return model::has_two_levels(scheme) || operand.group_size == 0 ? operand.experts : 0;
}

Status check_groups(const artifact::Reader& reader, const artifact::OperandRecord& operand) {
  const auto scheme = static_cast<Scheme>(operand.scheme);
  const uint32_t fixed = model::group_size_of(scheme);
  // Integers and fp8 have groups of any size; the last, or only, one may be short.
  if (model::is_integer(scheme) || scheme == Scheme::kFp8) return {};
  const bool fits = operand.group_size == fixed && operand.group_rows == 0 &&
                    (fixed == 0 || operand.k % fixed == 0);
  if (fits) return {};
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
    if (part.multiplier_count != multipliers ||
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
  IMP_TRY(check_vector(view, ComponentKind::kMultiplier, "multiplier"));
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
