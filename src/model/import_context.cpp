#include "src/model/import_context.h"

#include "src/base/text.h"
#include "src/model/json_fields.h"

namespace imp::model {
namespace {

void warn(const Occurrences& seen, const std::string& what, Log& log) {
  if (seen.count != 0)
    log.warn(with_thousands(seen.count) + " " + what + " (first '" + seen.first + "')");
}

}  // namespace

ExpertSizes read_expert_sizes(const nlohmann::json& config) {
  const nlohmann::json& text = text_part(config);
  const auto of_experts = number_at(text, "moe_intermediate_size");
  return {number_at(text, "hidden_size"),
          of_experts ? of_experts : number_at(text, "intermediate_size")};
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
