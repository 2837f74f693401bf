// A small llama in GGUF whose linear layers are random blocks of one type.
#pragma once

#include "tests/unit/gguf_model.h"
#include "tests/unit/gguf_tensors.h"

namespace imp::testing {

inline constexpr GgmlType kTypesThatStayBlocks[] = {
    GgmlType::kIq2Xxs, GgmlType::kIq2Xs, GgmlType::kIq2S, GgmlType::kIq3Xxs, GgmlType::kIq3S,
    GgmlType::kIq1S,   GgmlType::kIq1M,  GgmlType::kQ1_0, GgmlType::kQ2_0};

inline GgufFile llama_of_blocks(GgmlType type) {
  GgufModel gguf("llama");
  gguf.number("embedding_length", 256);
  gguf.number("attention.head_count", 2);
  gguf.number("attention.head_count_kv", 1);
  gguf.number("feed_forward_length", 512);
  gguf.f32("token_embd.weight", {256, 5});
  gguf.f32("output.weight", {256, 5});
  for (const char* norm : {"output_norm.weight", "blk.0.attn_norm.weight", "blk.0.ffn_norm.weight"})
    gguf.f32(norm, {256});
  const auto add = [&](const char* name, uint64_t n, uint64_t k) {
    add_blocks(gguf.file, name, type, n, k);
  };
  add("blk.0.attn_q.weight", 256, 256);
  add("blk.0.attn_k.weight", 128, 256);
  add("blk.0.attn_v.weight", 128, 256);
  add("blk.0.attn_output.weight", 256, 256);
  add("blk.0.ffn_gate.weight", 512, 256);
  add("blk.0.ffn_up.weight", 512, 256);
  add("blk.0.ffn_down.weight", 256, 512);
  return gguf.file;
}

}  // namespace imp::testing
