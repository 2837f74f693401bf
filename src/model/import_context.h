// What every step of an import looks at, and what it counts for one warning at the end.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/base/log.h"
#include "src/model/architecture.h"
#include "src/model/model.h"
#include "src/model/quant_config.h"

namespace imp::model {

/// How often something happened, and the tensor where it was met first.
struct Occurrences {
  uint64_t count = 0;
  std::string first;
  void add(const std::string& name) {
    if (count++ == 0) first = name;
  }
};

/// Oddities that are worth one line a checkpoint, not one a tensor.
struct ImportCounts {
  Occurrences unused_inputs;      ///< input scales of routed experts that are no numbers (T5)
  Occurrences missing_inputs;     ///< experts without the input scale that others have (T5)
  Occurrences unused_globals;     ///< global scales of codes that are all zero (T32)
  Occurrences large_multipliers;  ///< ModelOpt multipliers above 1 (T1)
  Occurrences small_divisors;     ///< compressed-tensors divisors below 1 (T1)
  Occurrences fake_quantized;     ///< float weights with the scales of a fake quantiser (dense)
  Occurrences group_order;        ///< weight_g_idx of -1 everywhere: columns in order
};

/// Sizes of one expert as the configuration has them, to check stacks of experts with; empty where
/// it does not say.
struct ExpertSizes {
  std::optional<uint64_t> hidden;
  std::optional<uint64_t> intermediate;
};
/// From config.json, its text_config or llm_config where there is one.
ExpertSizes read_expert_sizes(const nlohmann::json& config);

struct ImportContext {
  const Source& source;
  const QuantConfig& config;
  const Architecture& architecture;
  ExpertSizes sizes;
  Log& log;
  ImportCounts counts;
};

/// One warning a kind of oddity.
void warn_of_counts(const ImportCounts& counts, Log& log);

}  // namespace imp::model
