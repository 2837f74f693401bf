#include "kernels/activation/quantize_activation.h"

#include <string>

#include "kernels/activation/launch.h"
#include "kernels/gemm/refusals.h"

namespace imp::kernels {
namespace {

constexpr uint64_t kMaxExtent = uint64_t{1} << 31;

Status check_shape(const QuantizeActivationCall& call) {
  if (call.x_type == Float::kF32) return bad_shape("activations are f32, expected bf16 or f16");
  if (call.k == 0 || call.k % 16 != 0 || call.k > kMaxExtent || call.m > kMaxExtent)
    return bad_shape("activations [" + std::to_string(call.m) + ", " + std::to_string(call.k) +
                     "], expected at most 2^31 rows and K a multiple of 16");
  if (call.x_stride < call.k || call.x_stride % 8 != 0 || call.x_stride > kMaxExtent)
    return bad_shape("rows of activations are " + std::to_string(call.x_stride) +
                     " elements apart, expected a multiple of 8 from " + std::to_string(call.k));
  return {};
}

}  // namespace

Status quantize_activation(const QuantizeActivationCall& call, cuda::StreamHandle stream) {
  IMP_TRY(check_shape(call));
  if (call.m == 0) return {};
  IMP_TRY(check_pointer("x", call.x, 16));
  IMP_TRY(check_pointer("codes", call.codes, 16));
  IMP_TRY(check_pointer("scales", call.scales, 16));
  IMP_TRY(check_pointer("multiplier", call.multiplier, 4));
  if (call.scale == ActivationScale::kDynamic)
    IMP_TRY(check_pointer("workspace", call.workspace, 4));
  return activation::launch(call, stream);
}

}  // namespace imp::kernels
