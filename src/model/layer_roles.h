// Roles that depend on what else a layer has.
#pragma once

#include <string_view>

#include "src/model/names.h"

namespace imp::model {

/// What the leaves of one layer show together.
class LayerTraits {
 public:
  /// Tell of a module of the layer.
  void add(std::string_view leaf);

  /// The role of `leaf`, which by its name alone is `role`. Llama's post_attention_layernorm is
  /// before the feed-forward part; where the layer has a norm of its own for that (Gemma 2 and
  /// later) or norms only what its parts give (OLMo 2), it is behind attention. q_proj beside a
  /// latent kv_a is that kind's q (DeepSeek-V2-Lite).
  Role settle(std::string_view leaf, Role role) const;

 private:
  bool feed_forward_norms_ = false;
  bool latent_kv_ = false;
};

}  // namespace imp::model
