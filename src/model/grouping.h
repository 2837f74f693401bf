// Execution order and fusion groups: which weights meet the same activations.
#pragma once

#include "src/model/model.h"

namespace imp::model {

/// Sort model.weights into execution order and list the groups: (q, k, v), (gate, up), the same for
/// routed and shared experts. A group has at least two weights; whether it becomes one operand is
/// the plan's decision.
void order_and_group(Model& model);

}  // namespace imp::model
