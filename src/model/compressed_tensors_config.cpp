#include "src/model/compressed_tensors_config.h"

#include <charconv>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "src/model/compressed_tensors_scheme.h"
#include "src/model/compressed_tensors_targets.h"
#include "src/model/json_fields.h"
#include "src/model/module_class.h"

namespace imp::model {
namespace {

using nlohmann::json;

struct Version {
  uint64_t major = 0;
  uint64_t minor = 0;
};

/// "0.13.0", "0.16.1.dev12+g0123": the first two numbers.
std::optional<Version> parse_version(const std::string& text) {
  Version version;
  const char* end = text.data() + text.size();
  const auto [dot, error] = std::from_chars(text.data(), end, version.major);
  if (error != std::errc{} || dot == end || *dot != '.') return std::nullopt;
  if (std::from_chars(dot + 1, end, version.minor).ec != std::errc{}) return std::nullopt;
  return version;
}

/// Transforms whose every application is at a weight are in the weights already; one that also
/// applies to activations leaves half of its work to the engine (trap T37).
Status check_transforms(const json& section) {
  const json* transforms = object_at(section, "transform_config");
  if (transforms == nullptr) return {};
  const json* groups = object_at(*transforms, "config_groups");
  if (groups == nullptr) {
    if (transforms->empty()) return {};
    return Error{ErrorKind::kUnsupportedFormat,
                 "transform_config is of an unknown form: the weights may be rotated", "", ""};
  }
  for (const auto& [name, group] : groups->items()) {
    const json* applications = value_at(group, "apply");
    if (applications == nullptr || !applications->is_array())
      return Error{ErrorKind::kBadConfig, "transform '" + name + "' has no list 'apply'", "", ""};
    for (const json& application : *applications) {
      const std::string location = string_at(application, "location");
      if (location != "weight_input" && location != "weight_output")
        return Error{ErrorKind::kUnsupportedFormat,
                     "online transform '" + name + "' (" + string_at(group, "type") +
                         ", transform_config) works on activations at '" + location +
                         "', which a GEMM on these weights does not do; expected transforms "
                         "that are merged into the weights",
                     "", ""};
    }
  }
  return {};
}

/// The sparse format beside or in place of the quantization; empty where there is none.
Result<std::string> sparse_format(const json& section) {
  const json* sparsity = object_at(section, "sparsity_config");
  if (sparsity == nullptr) return std::string();
  const std::string format = string_at(*sparsity, "format");
  if (format.empty() || format == "dense") return std::string();
  if (format == "sparse-24-bitmask" || format == "sparse-bitmask") return format;
  return Error{ErrorKind::kUnsupportedFormat,
               "sparsity_config's format is '" + format +
                   "'; supported are dense, sparse-24-bitmask and sparse-bitmask",
               "", ""};
}

struct Group {
  Targets targets;
  Expectation expectation;
};

bool same_scheme(const Expectation& a, const Expectation& b) {
  return a.bits == b.bits && a.is_float == b.is_float && a.group_size == b.group_size &&
         a.block_rows == b.block_rows && a.symmetric == b.symmetric;
}

/// A group is a scheme with targets, or a list of targets under a preset's name.
Result<Group> read_group(const std::string& name, const json& value, const std::string& format,
                         const std::string& file, Log& log) {
  if (value.is_array()) {
    const auto preset = expectation_of_preset(name, format);
    if (!preset)
      return Error{ErrorKind::kUnsupportedScheme,
                   "config_groups names preset '" + name + "', which is unknown", "", ""};
    return Group{Targets(strings_at(json{{"targets", value}}, "targets"), file, log), *preset};
  }
  if (!value.is_object())
    return Error{ErrorKind::kBadConfig, "config_groups '" + name + "' is no JSON object", "", ""};
  Result<Expectation> expectation = expectation_of_group(value, format);
  if (!expectation.ok()) {
    Error error = std::move(expectation).error();
    error.message = "config_groups '" + name + "': " + error.message;
    return error;
  }
  return Group{Targets(strings_at(value, "targets"), file, log), *expectation};
}

class CompressedTensorsConfig : public QuantConfig {
 public:
  CompressedTensorsConfig(const json& section, const std::string& config_file, Log& log)
      : ignore_(strings_at(section, "ignore"), config_file, log),
        plain_head_(string_at(section, "provider") == "auto-round") {
    dialect = Dialect::kCompressedTensors;
    version = string_at(section, "version");
    producer = "compressed-tensors" + (version.empty() ? "" : " " + version);
    if (const std::string provider = string_at(section, "provider"); !provider.empty())
      producer += " (" + provider + ")";
    file = config_file;
    if (const json* scheme = object_at(section, "kv_cache_scheme"))
      kv_cache = (string_at(*scheme, "type") == "float" ? "fp" : "int") +
                 std::to_string(number_at(*scheme, "num_bits").value_or(8));
    if (const auto v = parse_version(version)) {
      padded_words = v->major == 0 && v->minor < 17;
      is_v013_ = v->major == 0 && v->minor == 13;
    }
  }

  Status read(const json& section, Log& log) {
    IMP_TRY(check_transforms(section));
    IMP_ASSIGN(sparse_, sparse_format(section));
    const std::string format = string_at(section, "format");
    IMP_TRY(check_format_word(format));
    if (const json* groups = object_at(section, "config_groups"))
      for (const auto& [name, value] : groups->items()) {
        IMP_ASSIGN(Group group, read_group(name, value, format, file, log));
        groups_.push_back(std::move(group));
      }
    quantization = groups_.empty()  ? sparse_
                   : format.empty() ? groups_[0].expectation.word
                                    : format;
    for (const Group& group : groups_)
      mxfp4_scales_quarter |= is_v013_ && group.expectation.word == "mxfp4-pack-quantized";
    const std::string status = string_at(section, "quantization_status");
    may_be_plain_ = !status.empty() && status != "compressed";
    if (may_be_plain_ && format != "dense" && !groups_.empty())
      log.warn(file + ": quantization_status is '" + status +
               "', weights may not be compressed; the tensors decide");
    return {};
  }

  Expectation expect(const std::string& module) const override {
    const bool ignored = ignore_.match(module) != Closeness::kNone;
    const Group* closest = nullptr;
    const Group* rival = nullptr;
    Closeness best = Closeness::kNone;
    for (const Group& group : groups_) {
      const Closeness match = group.targets.match(module);
      if (match > best) {
        best = match;
        closest = &group;
        rival = nullptr;
      } else if (match == best && closest != nullptr &&
                 !same_scheme(closest->expectation, group.expectation)) {
        rival = &group;
      }
    }
    if (closest == nullptr) return plain();
    if (rival != nullptr) ambiguous_.insert(module);
    Expectation expectation = closest->expectation;
    // AutoRound keeps the head although its configuration says neither way.
    const bool kept = plain_head_ && best == Closeness::kClass && module == "lm_head";
    if (ignored || kept || may_be_plain_) expectation.quantized = false;
    return expectation;
  }

  std::vector<std::string> unmatched() const override {
    std::vector<std::string> list = ignore_.unmatched();
    for (const Group& group : groups_)
      for (std::string& text : group.targets.unmatched()) list.push_back(std::move(text));
    return list;
  }

  std::vector<std::string> ambiguous() const override {
    return {ambiguous_.begin(), ambiguous_.end()};
  }

 private:
  Expectation plain() const {
    Expectation expectation;
    expectation.word = sparse_;
    return expectation;
  }

  Targets ignore_;
  std::vector<Group> groups_;
  std::string sparse_;
  bool plain_head_;
  bool is_v013_ = false;
  bool may_be_plain_ = false;
  mutable std::set<std::string> ambiguous_;
};

}  // namespace

Result<std::unique_ptr<QuantConfig>> read_compressed_tensors_config(const json& section,
                                                                    const std::string& file,
                                                                    const std::string& folder,
                                                                    Log& log) {
  auto config = std::make_unique<CompressedTensorsConfig>(section, file, log);
  Status status = config->read(section, log);
  if (!status.ok()) return std::move(status).error().in_file(folder + "/" + file);
  return std::unique_ptr<QuantConfig>(std::move(config));
}

}  // namespace imp::model
