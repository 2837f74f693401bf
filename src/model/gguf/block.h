// One block of a GGUF file on its way to a layer of the hub checkpoint.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/gguf/facts.h"
#include "src/model/gguf/linear.h"
#include "src/model/gguf/stored_modules.h"
#include "src/model/gguf/view_writer.h"

namespace imp::model {

struct BlockJob {
  const Facts& facts;
  const StoredBlock& stored;
  uint32_t number;
  std::string prefix;  ///< of its layer's names: "model.layers.0."
  bool assume_unpermuted_qk;
  ViewWriter& writer;
  Log& log;

  const Source& source() const { return writer.source(); }
  std::string layer(std::string_view leaf) const { return prefix + std::string(leaf); }
  /// nullptr unless the block has this module, with its weight.
  const StoredModule* find(std::string_view name) const {
    const auto it = stored.find(name);
    return it == stored.end() || it->second.weight == kNone ? nullptr : &it->second;
  }
  const StoredTensor& weight(const StoredModule& module) const {
    return source().stored[module.weight];
  }
};

/// [N, K]: leading dimensions of one only. `hidden` is the end that has the model's hidden size.
/// Errors: kShapeMismatch.
Status check_matrix(const Facts& facts, const Source& source, uint32_t stored, Hidden hidden);

/// attn_q and attn_k with their rows in the hub's order (5.1). Errors: kShapeMismatch where heads
/// do not divide the rows, or have an odd number of them.
Status add_rotated(const BlockJob& job, const std::string& hub, const StoredModule& module,
                   uint64_t heads);
/// attn_qkv as q_proj, k_proj and v_proj.
Status add_split_qkv(const BlockJob& job, const StoredModule& module);
/// attn_k_b and attn_v_b as kv_b_proj; where they are quantized, as two tensors (StoredAs).
Status add_latent_key_value(const BlockJob& job);

/// ffn_*_exps and legacy ffn_*.E as experts one by one, or as the stacks that the hub has.
Status add_experts(const BlockJob& job);

/// The modules of Gated DeltaNet (5.3). Does nothing where the block has none.
Status add_delta(const BlockJob& job);

}  // namespace imp::model
