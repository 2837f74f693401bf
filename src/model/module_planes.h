// The planes of a weight: which of a module's tensors is what.
#pragma once

#include <optional>

#include "src/base/result.h"
#include "src/model/detect.h"

namespace imp::model {

/// Check the tensors beside codes and scales that a weight of this form can have (bias,
/// pre_quant_scale, SVD factors, ...): shapes, dtypes and what each needs. Errors: kShapeMismatch,
/// kMissingTensor, and kUnknownTensor for a tensor that means nothing beside such codes.
Status check_companions(const Siblings& s, const WeightForm& form);

/// Add the planes of all experts to `weight`. Errors: kMissingTensor for a plane that only some
/// experts have (input scales excepted), kShapeMismatch for experts whose planes differ.
Status add_planes(const ImportContext& context, const Module& module, const WeightForm& form,
                  Weight& weight);

/// What a tensor of the module is to a weight of this form; nullopt for one that is no part of the
/// GEMM (scales of the KV cache, leftovers of a simulated quantiser) or means nothing.
std::optional<ComponentKind> plane_of(Suffix suffix, const WeightForm& form);

/// True for the tensors that belong to the KV cache, not to the module's GEMM.
bool is_kv_suffix(Suffix suffix);

/// Digest of each expert's pre_quant_scale. Errors: kBadScale for NaN and infinities, kIo.
Status add_k_scale_digests(const ImportContext& context, Weight& weight);

}  // namespace imp::model
