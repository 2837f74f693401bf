#include "src/model/gguf/facts.h"

#include <algorithm>
#include <string>
#include <utility>

#include "src/base/text.h"

namespace imp::model {
namespace {

/// Far beyond any model; llama.cpp's own limit is 512.
constexpr uint64_t kMaxBlocks = 4096;
/// Keeps every product of sizes below 2^64.
constexpr uint64_t kMaxSize = 1u << 24;

constexpr uint64_t kSigmoid = 2;

Result<const GgufArchitecture*> read_family(const Metadata& metadata, bool has_experts) {
  IMP_ASSIGN(const auto gating, metadata.find_number("expert_gating_func"));
  const GgufArchitecture* family = find_gguf_architecture(
      metadata.architecture(), {has_experts, gating.value_or(0) == kSigmoid,
                                metadata.find("attention.sliding_window") != nullptr,
                                metadata.find("rope.dimension_sections") != nullptr});
  if (family != nullptr) return family;
  const std::string name = metadata.architecture().empty()
                               ? "metadata has no string 'general.architecture'"
                               : "names and order of rows of architecture '" +
                                     printable(metadata.architecture()) +
                                     (has_experts ? "' with experts" : "'") + " are not known here";
  return Error{ErrorKind::kUnsupportedArchitecture,
               name + "; --as-is keeps the names and the order of the file", metadata.file(), ""};
}

Result<uint64_t> size_at(const Metadata& metadata, std::string_view key) {
  IMP_ASSIGN(const uint64_t size, metadata.number(key));
  if (size != 0 && size <= kMaxSize) return size;
  return metadata.error("metadata '" + metadata.full_key(key) + "' is " + std::to_string(size));
}

Result<std::vector<uint64_t>> read_heads(const Metadata& metadata, std::string_view key,
                                         uint64_t blocks) {
  IMP_ASSIGN(std::vector<uint64_t> heads, metadata.numbers_of_layers(key, blocks));
  for (const uint64_t count : heads)
    if (count == 0 || count > kMaxSize)
      return metadata.error("metadata '" + metadata.full_key(key) + "' is " +
                            std::to_string(count) + ", expected heads in every block");
  return heads;
}

Status read_attention(const Metadata& metadata, Facts& facts) {
  IMP_ASSIGN(facts.heads, read_heads(metadata, "attention.head_count", facts.blocks));
  if (facts.heads.empty())
    return metadata.error("metadata has no '" + metadata.full_key("attention.head_count") + "'");
  IMP_ASSIGN(facts.kv_heads, read_heads(metadata, "attention.head_count_kv", facts.blocks));
  if (facts.kv_heads.empty()) facts.kv_heads = facts.heads;
  return {};
}

Status read_delta(const Metadata& metadata, DeltaHeads& delta) {
  IMP_ASSIGN(delta.keys, size_at(metadata, "ssm.group_count"));
  IMP_ASSIGN(delta.values, size_at(metadata, "ssm.time_step_rank"));
  IMP_ASSIGN(delta.key_dim, size_at(metadata, "ssm.state_size"));
  IMP_ASSIGN(const uint64_t inner, size_at(metadata, "ssm.inner_size"));
  if (delta.values % delta.keys != 0 || inner % delta.values != 0)
    return metadata.error("metadata '" + metadata.full_key("ssm.*") +
                          "': " + std::to_string(inner) + " columns, " +
                          std::to_string(delta.values) + " value heads and " +
                          std::to_string(delta.keys) + " key heads do not divide each other");
  delta.value_dim = inner / delta.values;
  return {};
}

}  // namespace

uint64_t num_layers(const Facts& facts, const StoredModules& stored) {
  const auto last = stored.blocks.find(static_cast<uint32_t>(facts.blocks - 1));
  const bool held = last != stored.blocks.end() && last->second.contains("nextn.eh_proj");
  return held && facts.drafts < facts.blocks ? facts.blocks - facts.drafts : facts.blocks;
}

Result<Facts> read_facts(const Metadata& metadata) {
  Facts facts;
  IMP_ASSIGN(const auto experts, metadata.find_number("expert_count"));
  facts.experts = experts.value_or(0);
  IMP_ASSIGN(facts.family, read_family(metadata, facts.experts != 0));
  IMP_ASSIGN(facts.blocks, metadata.number("block_count"));
  if (facts.blocks == 0 || facts.blocks > kMaxBlocks)
    return metadata.error("metadata '" + metadata.full_key("block_count") + "' is " +
                          std::to_string(facts.blocks));
  IMP_ASSIGN(const auto drafts, metadata.find_number("nextn_predict_layers"));
  facts.drafts = drafts.value_or(0);
  if (facts.experts > kMaxSize)
    return metadata.error("metadata '" + metadata.full_key("expert_count") + "' is " +
                          std::to_string(facts.experts));
  IMP_ASSIGN(facts.hidden, size_at(metadata, "embedding_length"));
  IMP_TRY(read_attention(metadata, facts));
  if (facts.family->has(kDeltaFused) || facts.family->has(kDeltaTiled))
    IMP_TRY(read_delta(metadata, facts.delta));
  return facts;
}

}  // namespace imp::model
