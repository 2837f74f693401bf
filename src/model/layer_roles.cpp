#include "src/model/layer_roles.h"

namespace imp::model {

void LayerTraits::add(std::string_view leaf) {
  if (leaf == "pre_feedforward_layernorm" || leaf == "post_feedforward_layernorm")
    feed_forward_norms_ = true;
  const auto role = role_of_leaf(leaf);
  if (role && role->role == Role::kMlaKvA) latent_kv_ = true;
}

Role LayerTraits::settle(std::string_view leaf, Role role) const {
  if (feed_forward_norms_ && leaf == "post_attention_layernorm") return Role::kPostAttnNorm;
  if (latent_kv_ && role == Role::kAttnQ) return Role::kMlaQ;
  return role;
}

}  // namespace imp::model
