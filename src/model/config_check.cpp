#include "src/model/config_check.h"

#include <optional>
#include <vector>

#include "src/base/text.h"
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
    case Role::kDsaWeights:
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

/// Modules of which the configuration says something else, by what it is.
struct Differences {
  std::vector<std::string> excluded;   ///< quantized, but excluded
  std::vector<std::string> plain;      ///< not quantized, but not excluded
  std::vector<std::string> other;      ///< of another width or kind of number (trap T12)
  std::vector<std::string> sensitive;  ///< quantized at all (trap T51)
};

/// Small matrices whose errors reach everything behind them: the producers' recipes leave them
/// alone, third parties do not always (trap T51).
bool is_sensitive(Role role) {
  switch (role) {
    case Role::kRouter:
    case Role::kGdnA:
    case Role::kGdnB:
    case Role::kGdnBa:
      return true;
    default:
      return false;
  }
}

bool is_other_scheme(const Weight& weight, const Expectation& expected) {
  const bool bits = expected.bits && *expected.bits != code_bits(weight.scheme);
  return bits || (expected.is_float && *expected.is_float == is_integer(weight.scheme));
}

Status compare(const Model& model, const Weight& weight, const ImportContext& context,
               Differences& found) {
  const bool quantized = is_quantized(weight.scheme);
  bool excluded = false, other = false;
  std::optional<Expectation> missing;
  for (const std::string& name : names_of(weight)) {
    const Expectation expected = context.config.expect(name);
    excluded = excluded || (quantized && !expected.quantized);
    other = other || (quantized && expected.quantized && is_other_scheme(weight, expected));
    if (!quantized && expected.quantized && !missing) missing = expected;
  }
  // Of a module that nobody named the configuration need not say anything either.
  if (excluded && weight.role != Role::kOther) found.excluded.push_back(weight.name);
  if (other) found.other.push_back(weight.name);
  if (quantized && is_sensitive(weight.role)) found.sensitive.push_back(weight.name);
  if (!missing || is_often_unlisted(weight, context.architecture)) return {};
  const uint32_t codes = weight.find(ComponentKind::kCodes)->tensors.front();
  if (promises_partition(context, *missing, weight))
    return tensor_error(model.source, codes, ErrorKind::kMissingTensor,
                        shape_text(model.source.tensors[codes]) + " is not quantized, but " +
                            context.config.file + " asks for " + missing->word +
                            " and does not ignore it: its packed weight is lost");
  if (missing->word != "dense" && context.config.quantization != "dense")
    found.plain.push_back(weight.name);
  return {};
}

/// A line a module, or one for all where there are many.
void warn_of(const std::vector<std::string>& modules, const std::string& one,
             const std::string& many, Log& log) {
  constexpr size_t kFew = 3;
  if (modules.size() > kFew) {
    log.warn(with_thousands(modules.size()) + " modules are " + many + " (first '" +
             modules.front() + "')");
    return;
  }
  for (const std::string& name : modules) log.warn("module '" + name + "' is " + one);
}

void warn_of_differences(const Differences& found, const std::string& file, Log& log) {
  warn_of(found.excluded, "quantized although " + file + " excludes it",
          "quantized although " + file + " excludes them", log);
  warn_of(found.plain, "not quantized although " + file + " does not exclude it",
          "not quantized although " + file + " does not exclude them", log);
  const std::string sensitive = "quantized, which is unusual: recipes keep such modules in 16 bits";
  warn_of(found.sensitive, sensitive, sensitive, log);
  warn_of(found.other, "of another scheme than " + file + " says; the tensors decide",
          "of another scheme than " + file + " says; the tensors decide", log);
}

}  // namespace

Status compare_with_config(const Model& model, const std::map<std::string, Module>& modules,
                           const ImportContext& context) {
  if (context.config.dialect == Dialect::kUnquantized) return {};
  Differences found;
  for (const Weight& weight : model.weights)
    if (weight.gemm) IMP_TRY(compare(model, weight, context, found));
  warn_of_differences(found, context.config.file, context.log);
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
