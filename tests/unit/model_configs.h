// The configurations of real checkpoints without their weights (tests/data/configurations.json),
// and reading a configuration that a test writes down.
#pragma once

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "src/model/module_table.h"
#include "src/model/quant_config.h"

namespace imp::testing {

using nlohmann::json;

/// Fixture name to {config, hf_quant_config, schemes: {exporter's word: [modules]}, tensors,
/// refuse}.
inline const json& configurations() {
  static const json all = [] {
    std::ifstream file(std::string(IMP_TEST_DATA) + "/configurations.json");
    return json::parse(file);
  }();
  return all;
}

inline model::ConfigDocuments documents_of(const std::string& fixture) {
  const json& entry = configurations().at(fixture);
  model::ConfigDocuments documents;
  documents.config = entry.at("config");
  if (entry.contains("hf_quant_config")) documents.hf_quant_config = entry.at("hf_quant_config");
  return documents;
}

/// A configuration with this section as its quantization_config.
inline model::ConfigDocuments with_section(json section) {
  model::ConfigDocuments documents;
  documents.config = json{{"quantization_config", std::move(section)}};
  return documents;
}

/// A configuration that must be readable, with what was logged meanwhile.
struct ReadConfig {
  CollectingLog log;
  Result<std::unique_ptr<model::QuantConfig>> result;

  explicit ReadConfig(const model::ConfigDocuments& documents)
      : result(model::read_quant_config(documents, "in", log)) {
    EXPECT_TRUE(result.ok()) << (result.ok() ? "" : result.error().to_line());
  }
  const model::QuantConfig* operator->() const { return result->get(); }
};

inline void expect_config_refused(const model::ConfigDocuments& documents, ErrorKind kind,
                                  const std::string& file, const std::string& fragment) {
  CollectingLog log;
  const auto result = model::read_quant_config(documents, "in", log);
  ASSERT_FALSE(result.ok()) << "was read, expected a refusal saying: " << fragment;
  const Error& error = result.error();
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
  EXPECT_EQ(error.file, file) << error.to_line();
  EXPECT_NE(error.message.find(fragment), std::string::npos) << error.message;
}

/// Modules of tensors of which only the names are known.
inline std::map<std::string, model::Module> modules_of(const std::vector<std::string>& names) {
  model::Source source;
  for (const std::string& name : names) {
    model::SourceTensor tensor;
    tensor.name = name;
    source.tensors.push_back(std::move(tensor));
  }
  auto modules = model::sort_into_modules(source);
  EXPECT_TRUE(modules.ok());
  return modules.ok() ? std::move(modules).take() : std::map<std::string, model::Module>{};
}

inline std::vector<std::string> tensors_of(const std::string& fixture) {
  return configurations().at(fixture).at("tensors").get<std::vector<std::string>>();
}

}  // namespace imp::testing
