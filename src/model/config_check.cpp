#include "src/model/config_check.h"

#include <algorithm>
#include <bit>
#include <set>
#include <vector>

#include "src/model/scalars.h"

namespace imp::model {
namespace {

/// Names by which a configuration can mean this weight: one an expert.
std::vector<std::string> names_of(const Weight& weight) {
  const size_t star = weight.stacked ? std::string::npos : weight.name.find('*');
  if (star == std::string::npos) return {weight.name};
  std::vector<std::string> names;
  for (uint64_t e = 0; e < weight.experts; ++e)
    names.push_back(weight.name.substr(0, star) + std::to_string(e) + weight.name.substr(star + 1));
  return names;
}

/// Modules that recipes leave alone without saying so: routers before ModelOpt 0.45, heads and
/// draft layers of third parties.
bool is_often_unlisted(const Weight& weight, const Architecture& architecture) {
  const bool draft = weight.layer != kNone && weight.layer >= architecture.num_layers;
  switch (weight.role) {
    case Role::kRouter:
    case Role::kSharedGateScalar:
    case Role::kTokenEmbedding:
      return true;
    default:
      return draft || weight.role == Role::kOther;
  }
}

/// A partition of the linear layers is promised only by the producer itself: the file's version
/// shows that it wrote it. Its heads are the one exception that occurs.
bool promises_partition(const ImportContext& context, const Expectation& expected,
                        const Weight& weight) {
  return context.config.dialect == Dialect::kCompressedTensors && !context.config.version.empty() &&
         expected.word != "dense" && context.config.quantization != "dense" &&
         weight.role != Role::kLmHead;
}

Status compare(const Model& model, const Weight& weight, const ImportContext& context) {
  const bool quantized = is_quantized(weight.scheme);
  bool excluded = false, missing = false;
  Expectation first;
  for (const std::string& name : names_of(weight)) {
    const Expectation expected = context.config.expect(name);
    if (quantized && !expected.quantized) excluded = true;
    if (!quantized && expected.quantized && !missing) {
      missing = true;
      first = expected;
    }
  }
  if (excluded)
    context.log.warn("module '" + weight.name + "' is quantized although " + context.config.file +
                     " excludes it");
  if (!missing || is_often_unlisted(weight, context.architecture)) return {};
  const uint32_t codes = weight.find(ComponentKind::kCodes)->tensors.front();
  if (promises_partition(context, first, weight))
    return tensor_error(model.source, codes, ErrorKind::kMissingTensor,
                        shape_text(model.source.tensors[codes]) + " is not quantized, but " +
                            context.config.file + " asks for " + first.word +
                            " and does not ignore it: its packed weight is lost");
  if (first.word != "dense" && context.config.quantization != "dense")
    context.log.warn("module '" + weight.name + "' is not quantized although " +
                     context.config.file + " does not exclude it");
  return {};
}

}  // namespace

Status compare_with_config(const Model& model, const std::map<std::string, Module>& modules,
                           const ImportContext& context) {
  if (context.config.dialect == Dialect::kUnquantized) return {};
  for (const Weight& weight : model.weights)
    if (weight.gemm) IMP_TRY(compare(model, weight, context));
  // Patterns can also name what no GEMM takes: ask, so that they count as matched.
  for (const auto& [name, module] : modules) {
    (void)context.config.expect(name);
    (void)context.config.expect(name.substr(0, name.rfind('.')));
  }
  for (const std::string& name : context.config.ambiguous())
    context.log.warn("two groups of " + context.config.file + " claim module '" + name +
                     "' for different schemes; the tensors decide");
  for (const std::string& pattern : context.config.unmatched())
    if (!(context.architecture.tied_embeddings && pattern == "lm_head"))
      context.log.note("exclude pattern '" + pattern + "' in " + context.config.file +
                       " matches no module");
  return {};
}

}  // namespace imp::model
