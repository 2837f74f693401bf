// Between the checks (quantize_activation.cpp) and the kernels: everything checked, m at least 1.
#pragma once

#include "kernels/activation/quantize_activation.h"

namespace imp::kernels::activation {

Status launch(const QuantizeActivationCall& call, cuda::StreamHandle stream);

}  // namespace imp::kernels::activation
