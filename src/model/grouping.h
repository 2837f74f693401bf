// Execution order and fusion groups: which weights meet the same activations.
#pragma once

#include "src/model/model.h"

namespace imp::model {

/// Give each weight the role that it has in its layer (layer_roles.h), sort model.weights into
/// execution order and list the groups: (q, k, v), (gate, up), the same for routed and shared
/// experts, (q_a, kv_a) of latent attention. kv_b is in none: engines absorb it. A group has at
/// least two weights, all modules of one parent; whether it becomes one operand is the plan's
/// decision. An architecture that is not known (is_known_architecture) has no groups.
void order_and_group(Model& model);

}  // namespace imp::model
