// From a scheme to how its codes are decoded.
#pragma once

#include "src/model/schemes.h"
#include "src/quant/decode.h"

namespace imp::model {

/// What the scheme fixes of the format: kind and bits of the codes, table, super group. Codes of
/// unquantised schemes are kFloat with the 32 bits of an F32. REQUIRES: no blocks_type.
quant::WeightFormat weight_format(Scheme scheme);

}  // namespace imp::model
