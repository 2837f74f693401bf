#include "src/model/import_context.h"

#include <initializer_list>

#include "src/base/text.h"

namespace imp::model {
namespace {

using nlohmann::json;

std::optional<uint64_t> number(const json& config, std::initializer_list<const char*> keys) {
  for (const char* key : keys)
    if (const auto it = config.find(key); it != config.end() && it->is_number_unsigned())
      return it->get<uint64_t>();
  return std::nullopt;
}

void warn(const Occurrences& seen, const std::string& what, Log& log) {
  if (seen.count != 0)
    log.warn(with_thousands(seen.count) + " " + what + " (first '" + seen.first + "')");
}

}  // namespace

ExpertSizes read_expert_sizes(const json& config) {
  const json* text = &config;
  for (const char* key : {"text_config", "llm_config"})
    if (const auto it = config.find(key); it != config.end() && it->is_object()) text = &*it;
  return {number(*text, {"hidden_size"}),
          number(*text, {"moe_intermediate_size", "intermediate_size"})};
}

void warn_of_counts(const ImportCounts& counts, Log& log) {
  warn(counts.unused_inputs,
       "input scales of routed experts are no usable numbers: the experts were never reached in "
       "calibration; the bits are kept, the scales count as absent",
       log);
  warn(counts.missing_inputs,
       "routed experts have no input scale though others of their layer have one; they stay absent",
       log);
  warn(counts.unused_globals,
       "global scales are no usable numbers, but every code that they scale is zero; the bits are "
       "kept",
       log);
  warn(counts.large_multipliers,
       "values of weight_scale_2 are above 1, about 0.0001 is usual: was a reciprocal lost?", log);
  warn(counts.small_divisors,
       "values of weight_global_scale are below 1, about 1000 is usual: was a reciprocal lost?",
       log);
  warn(counts.fake_quantized,
       "weights are floats with the scales of a quantiser that was only simulated; the float "
       "values "
       "are converted, the scales are copied",
       log);
  if (counts.group_order.count != 0)
    log.note(with_thousands(counts.group_order.count) + " weight_g_idx hold -1 only (first '" +
             counts.group_order.first + "'): columns are in the order of their groups");
}

}  // namespace imp::model
