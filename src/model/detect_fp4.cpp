// 4-bit floats, one matrix a tensor: NVFP4 (e4m3 scales and a second level) and MXFP4 (e8m0).
#include "src/model/detect_family.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

constexpr uint64_t kNvfp4Group = 16;
constexpr uint64_t kWideGroup = 32;  ///< MXFP4, and NVFP4 of the W4A8 and MLP-only recipes

Error other_scale(const Siblings& s, Suffix codes, Suffix scale) {
  const Shape& shape = s.at(codes).shape;
  const uint64_t k = 2 * shape[1];
  const Shape nvfp4{shape[0], k / kNvfp4Group}, mxfp4{shape[0], k / kWideGroup};
  return s.error(scale, ErrorKind::kShapeMismatch,
                 shape_text(s.at(scale)) + ", expected F8_E4M3 " + nvfp4.to_string() + " beside " +
                     shape_text(s.at(codes)) + " (NVFP4), or U8 " + mxfp4.to_string() + " (MXFP4)");
}

/// One scale per 32 is a recipe only where the configuration says so; else it is the exporter
/// fault that leaves half of the scales out (T14).
Status check_group(const Siblings& s, Suffix scale, uint64_t group) {
  if (group == kNvfp4Group || s.expected.group_size == group) return {};
  return s.error(scale, ErrorKind::kUnsupportedScheme,
                 shape_text(s.at(scale)) +
                     " is one scale per 32 codes, but the configuration asks for no groups of 32: "
                     "NVFP4 has groups of 16 (half of the scales lost in the export?)");
}

Result<WeightForm> nvfp4(const Siblings& s, Suffix codes, Suffix scale, WeightForm form) {
  const SourceTensor& weight = s.at(codes);
  const bool packed = codes == Suffix::kWeightPacked;
  const Suffix global = packed ? Suffix::kGlobalScale : Suffix::kWeightScale2;
  // GGUF's format defines the second level as 1 where the file has none.
  const bool defined = weight.view.has_value();
  if (!s.has(global) && !defined)
    return s.missing(codes, packed ? "weight_global_scale" : "weight_scale_2",
                     "NVFP4 has two levels of scales");
  if (form.k % kNvfp4Group != 0)
    return s.error(codes, ErrorKind::kShapeMismatch,
                   shape_text(weight) + ": K is not a multiple of the group size 16");
  const Shape& have = s.at(scale).shape;
  const bool fits = have.rank == 2 && have[0] == form.n;
  const bool wide = fits && form.k % kWideGroup == 0 && have[1] == form.k / kWideGroup;
  if (!wide && !(fits && have[1] == form.k / kNvfp4Group)) return other_scale(s, codes, scale);
  const uint64_t group = wide ? kWideGroup : kNvfp4Group;
  IMP_TRY(check_group(s, scale, group));
  form.scheme = wide ? Scheme::kNvfp4G32 : Scheme::kNvfp4;
  form.group_size = static_cast<uint32_t>(group);
  if (s.has(global)) form.global = global;
  form.global_state = packed ? ScalarState::kDivisor : ScalarState::kMultiplier;
  const char* what = !form.global ? " is 1" : packed ? " divides" : " multiplies";
  form.why = s.explain({codes, scale, global},
                       "NVFP4, groups of " + std::to_string(group) + ", global scale" + what);
  return form;
}

Result<WeightForm> mxfp4(const Siblings& s, Suffix codes, Suffix scale, WeightForm form) {
  const SourceTensor& weight = s.at(codes);
  if (form.k % kWideGroup != 0)
    return s.error(codes, ErrorKind::kShapeMismatch,
                   shape_text(weight) + ": K is not a multiple of the group size 32");
  if (s.at(scale).shape != Shape{form.n, form.k / kWideGroup}) return other_scale(s, codes, scale);
  IMP_TRY(check_mxfp4_release(s, scale));
  form.scheme = Scheme::kMxfp4;
  form.group_size = kWideGroup;
  form.why = s.explain({codes, scale}, "MXFP4, groups of 32, scales are exponents");
  return form;
}

}  // namespace

bool is_e8m0(Dtype dtype) { return dtype == Dtype::kU8 || dtype == Dtype::kF8E8M0; }

Status check_mxfp4_release(const Siblings& s, Suffix scale) {
  if (!s.context.config.mxfp4_scales_quarter) return {};
  return s.error(scale, ErrorKind::kUnsupportedScheme,
                 "compressed-tensors " + s.context.config.version +
                     " wrote MXFP4 exponents that are 2 too small, the weights would come out as a "
                     "quarter; expected a file of 0.14 or later (compress it again)");
}

Result<WeightForm> detect_fp4(const Siblings& s, Suffix codes, Suffix scale) {
  const SourceTensor& weight = s.at(codes);
  if (weight.shape.rank != 2 || weight.shape[0] == 0 || weight.shape[1] == 0)
    return s.error(codes, ErrorKind::kShapeMismatch, shape_text(weight) + ", expected U8 [N, K/2]");
  WeightForm form;
  form.codes = codes;
  form.n = weight.shape[0];
  form.k = 2 * weight.shape[1];
  form.scale = scale;
  const Dtype dtype = s.at(scale).dtype;
  if (dtype == Dtype::kF8E4M3 && weight.dtype == Dtype::kU8) return nvfp4(s, codes, scale, form);
  if (is_e8m0(dtype)) return mxfp4(s, codes, scale, form);
  return other_scale(s, codes, scale);
}

}  // namespace imp::model
