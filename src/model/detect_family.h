// The families that detect_form chooses between; each sees a module whose codes it can mean.
#pragma once

#include "src/model/detect.h"

namespace imp::model {

/// `weight` or `weight_packed` U8 or I8 [N, K/2]: NVFP4 by e4m3 scales, MXFP4 by e8m0 scales.
Result<WeightForm> detect_fp4(const Siblings& s, Suffix codes, Suffix scale);
/// `weight` F8_E4M3 [N, K].
Result<WeightForm> detect_fp8(const Siblings& s, std::optional<Suffix> scale);
/// `weight_packed` I32: compressed-tensors pack-quantized.
Result<WeightForm> detect_packed_integers(const Siblings& s, std::optional<Suffix> scale);
/// `weight` I8 [N, K].
Result<WeightForm> detect_byte_integers(const Siblings& s, Suffix scale);
/// `weight` U8 [N/2, K] with float scales: ModelOpt's INT4.
Result<WeightForm> detect_modelopt_int4(const Siblings& s, Suffix scale);
/// `.compressed` and `.bitmask`.
Result<WeightForm> detect_sparse(const Siblings& s, std::optional<Suffix> scale);
/// The bitmask holds as many places as there are stored elements, each row as many as its form
/// says. Errors: kShapeMismatch.
Status check_bitmask_counts(const Siblings& s, const WeightForm& form);
/// `*_blocks` U8 [E, R, G, 16] and `*_scales` [E, R, G].
Result<WeightForm> detect_blocks(const Siblings& s, std::optional<Suffix> scale);
/// A weight of rank 3: all experts in one tensor.
Result<WeightForm> detect_stack(const Siblings& s, Suffix codes, std::optional<Suffix> scale);
/// A view on blocks of GGUF: whole rows of them, or their codes beside the other planes.
Result<WeightForm> detect_ggml(const Siblings& s);
/// Float weight [N, K].
Result<WeightForm> detect_float(const Siblings& s, std::optional<Suffix> scale);

/// Place float (or e8m0) scales over codes of form.n x form.k: one number, a row, groups along K or
/// a grid of blocks. `scale_shape` is that of one expert. Sets group_size, group_rows,
/// scale_is_multiplier and warning. Errors: kShapeMismatch.
Status fit_scales(const Siblings& s, Suffix scale, const Shape& scale_shape, WeightForm& form);
/// "one scale", "a scale a row", "groups of 32", "blocks of 128x128". REQUIRES: fit_scales.
std::string reach_of_scales(const WeightForm& form);
/// kUnsupportedScheme for mxfp4 scales that a release of compressed-tensors wrote two too small
/// (T20).
Status check_mxfp4_release(const Siblings& s, Suffix scale);
/// U8 or F8_E8M0: bytes that are exponents.
bool is_e8m0(Dtype dtype);

}  // namespace imp::model
