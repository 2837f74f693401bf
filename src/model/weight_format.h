// From a scheme to how its codes are decoded.
#pragma once

#include "formats/imp/ondisk.h"
#include "src/model/schemes.h"
#include "src/quant/decode.h"

namespace imp::model {

/// What the scheme fixes of the format: kind and bits of the codes, table, super group. Codes of
/// unquantised schemes are kFloat with the 32 bits of an F32. REQUIRES: no blocks_type.
quant::WeightFormat weight_format(Scheme scheme);

/// A plane of scales (group_planes.h) of this scheme can have this dtype. Those of GGUF's codes are
/// F16, and under super scales bytes: beside mins unsigned, else signed.
bool is_scale_dtype(Scheme scheme, artifact::ComponentKind plane, Dtype dtype);

}  // namespace imp::model
