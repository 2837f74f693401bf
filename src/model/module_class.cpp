#include "src/model/module_class.h"

#include "src/model/names.h"

namespace imp::model {

ModuleClass class_of_module(const std::string& module) {
  const auto name = parse_name(module + ".weight");
  if (!name || is_tower(name->module)) return ModuleClass::kUnknown;
  const auto role = role_of_leaf(name->leaf);
  if (!role) return ModuleClass::kUnknown;
  if (role->kind == ModuleKind::kEmbedding) return ModuleClass::kEmbedding;
  if (role->kind != ModuleKind::kLinear || role->role == Role::kRouter ||
      role->role == Role::kSharedGateScalar)
    return ModuleClass::kNoLinear;
  const bool routed = role->role == Role::kExpertGateUp || role->role == Role::kExpertGate ||
                      role->role == Role::kExpertUp || role->role == Role::kExpertDown;
  return routed && name->expert == 0xFFFFFFFFu ? ModuleClass::kStack : ModuleClass::kLinear;
}

}  // namespace imp::model
