// Every checkpoint of tests/data: the closed inventory against the exporter's own list, or the
// reason of its refusal.
#include <gtest/gtest.h>

#include <fstream>
#include <set>

#include "tests/unit/model_import.h"

namespace imp::model {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using testing::Imported;

std::vector<std::string> fixtures_that_import() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(IMP_TEST_DATA)) {
    const std::string name = entry.path().filename().string();
    if (entry.is_directory() &&
        (name.starts_with("modelopt-nvfp4") || name.starts_with("modelopt-trap-nvfp4")))
      names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

json expected_of(const std::string& fixture) {
  std::ifstream in(fs::path(IMP_TEST_DATA) / (fixture + ".expected.json"));
  return json::parse(in);
}

std::string module_of(const std::string& tensor) { return tensor.substr(0, tensor.rfind('.')); }

class Fixture : public ::testing::TestWithParam<std::string> {};
std::string test_name(const ::testing::TestParamInfo<std::string>& fixture) {
  std::string name = fixture.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}
INSTANTIATE_TEST_SUITE_P(Data, Fixture, ::testing::ValuesIn(fixtures_that_import()), test_name);

TEST_P(Fixture, InventoryIsClosed) {
  const Imported imported(GetParam());
  ASSERT_TRUE(imported.ok()) << imported.error_line();
  const json expected = expected_of(GetParam());
  std::set<std::string> names, converted;
  for (const auto& [name, value] : expected["tensors"].items()) names.insert(name);
  for (const auto& [name, value] : expected["aux"].items()) names.insert(name);
  // What belongs to a module whose weight the exporter lists as nvfp4; scales of the KV cache are
  // values of their own.
  for (const std::string& name : names) {
    const std::string weight = module_of(name) + ".weight";
    if (name.ends_with(".k_scale") || name.ends_with(".v_scale")) continue;
    if (expected["tensors"].value(weight, json::object()).value("scheme", "") == "nvfp4")
      converted.insert(name);
  }
  ASSERT_GT(converted.size(), 0u);
  std::set<std::string> found;
  for (const SourceTensor& tensor : imported.model->source.tensors) {
    EXPECT_TRUE(found.insert(tensor.name).second) << tensor.name;
    EXPECT_EQ(tensor.disposition,
              converted.contains(tensor.name) ? Disposition::kConverted : Disposition::kCopied)
        << tensor.name;
    EXPECT_EQ(tensor.reason, "") << tensor.name;
  }
  EXPECT_EQ(found, names);
}

TEST_P(Fixture, EachTensorIsAPlaneOfExactlyOneWeight) {
  const Imported imported(GetParam());
  ASSERT_TRUE(imported.ok());
  std::vector<int> uses(imported.model->source.tensors.size(), 0);
  for (const Weight& weight : imported.model->weights)
    for (const PlaneSet& set : weight.planes) {
      EXPECT_EQ(set.tensors.size(), weight.experts) << weight.name;
      for (const uint32_t t : set.tensors)
        if (t != kNone) ++uses.at(t);
    }
  for (size_t t = 0; t < uses.size(); ++t)
    EXPECT_EQ(uses[t], 1) << imported.model->source.tensors[t].name;
}

TEST_P(Fixture, ShapesAndSchemesAreTheExporters) {
  const Imported imported(GetParam());
  ASSERT_TRUE(imported.ok());
  const json expected = expected_of(GetParam());
  size_t seen = 0;
  for (const Weight& weight : imported.model->weights) {
    if (weight.role == Role::kKvKScale || weight.role == Role::kKvVScale) continue;
    for (const uint32_t t : weight.find(ComponentKind::kCodes)->tensors) {
      const std::string& name = imported.model->source.tensors[t].name;
      ASSERT_TRUE(expected["tensors"].contains(name)) << name;
      const json& entry = expected["tensors"][name];
      EXPECT_EQ(scheme_name(weight.scheme), entry["scheme"].get<std::string>()) << name;
      std::vector<uint64_t> shape = {weight.n};
      if (entry["shape"].size() == 2) shape.push_back(weight.k);
      EXPECT_EQ(shape, entry["shape"].get<std::vector<uint64_t>>()) << name;
      EXPECT_EQ(weight.group_size, weight.scheme == Scheme::kNvfp4 ? 16u : 0u);
      ++seen;
    }
  }
  const auto biases = [](const json& tensors) {
    size_t count = 0;
    for (const auto& [name, value] : tensors.items()) count += name.ends_with(".bias");
    return count;
  };
  EXPECT_EQ(seen + biases(expected["tensors"]), expected["tensors"].size());
}

/// "8661883a": the four bytes of an f32 in memory order.
uint32_t bits_of(const json& aux) {
  const auto text = aux["value"].get<std::string>();
  uint32_t bits = 0;
  for (int i = 3; i >= 0; --i)
    bits = bits << 8 | static_cast<uint32_t>(
                           std::stoul(text.substr(2 * static_cast<size_t>(i), 2), nullptr, 16));
  return bits;
}

TEST_P(Fixture, ScalarsKeepTheirBits) {
  const Imported imported(GetParam());
  ASSERT_TRUE(imported.ok());
  const json expected = expected_of(GetParam());
  size_t seen = 0;
  for (const Weight& weight : imported.model->weights) {
    EXPECT_EQ(weight.multipliers.size(), weight.scheme == Scheme::kNvfp4 ? weight.experts : 0u)
        << weight.name;
    for (const auto& [kind, list] : {std::pair(ComponentKind::kMultiplier, &weight.multipliers),
                                     std::pair(ComponentKind::kInputScale, &weight.input_scales)})
      for (size_t e = 0; e < list->size(); ++e) {
        const std::string& name =
            imported.model->source.tensors[weight.find(kind)->tensors[e]].name;
        EXPECT_EQ((*list)[e].bits, bits_of(expected["aux"][name])) << name;
        EXPECT_EQ((*list)[e].state, ScalarState::kMultiplier) << name;
        ++seen;
      }
  }
  size_t listed = 0;
  for (const auto& [name, value] : expected["aux"].items())
    listed += name.ends_with(".weight_scale_2") || name.ends_with(".input_scale");
  EXPECT_EQ(seen, listed);
}

TEST_P(Fixture, WeightsAreInExecutionOrder) {
  const Imported imported(GetParam());
  ASSERT_TRUE(imported.ok());
  const auto& weights = imported.model->weights;
  EXPECT_EQ(weights.front().role, Role::kTokenEmbedding);
  const auto place = [](const Weight& w) {
    const uint64_t layer = w.role == Role::kTokenEmbedding ? 0
                           : w.layer == kNone              ? ~uint64_t{0}
                                                           : w.layer + 1;
    return std::pair(layer, execution_rank(w.role));
  };
  for (size_t i = 1; i < weights.size(); ++i)
    EXPECT_LE(place(weights[i - 1]), place(weights[i])) << weights[i].name;
}

TEST_P(Fixture, SourceRecordsWhatThereIs) {
  const Imported imported(GetParam());
  ASSERT_TRUE(imported.ok());
  const Source& source = imported.model->source;
  std::set<std::string> shards;
  for (const SourceFile& file : source.files) shards.insert(file.name);
  const json files = expected_of(GetParam())["files"];
  for (const auto& [name, digest] : files.items()) {
    const bool companion = std::find(source.companions.begin(), source.companions.end(), name) !=
                           source.companions.end();
    EXPECT_EQ(companion, name.ends_with(".json") && !name.ends_with(".index.json")) << name;
    EXPECT_EQ(shards.contains(name), name.ends_with(".safetensors")) << name;
  }
  for (const SourceFile& file : source.files) {
    EXPECT_TRUE(file.has_metadata);
    EXPECT_EQ(file.metadata, (std::vector<std::pair<std::string, std::string>>{{"format", "pt"}}));
  }
  for (size_t t = 1; t < source.tensors.size(); ++t)
    EXPECT_LT(std::pair(source.tensors[t - 1].file, source.tensors[t - 1].offset_bytes),
              std::pair(source.tensors[t].file, source.tensors[t].offset_bytes));
  EXPECT_EQ(imported.model->producer, "modelopt 0.47.0");
  EXPECT_EQ(imported.model->quantization, "NVFP4");
}

TEST(Fixtures, ThereAreAllOfThem) { EXPECT_EQ(fixtures_that_import().size(), 16u); }

TEST(Fixtures, TrapsAreRefusedAsTheExporterRecorded) {
  size_t seen = 0;
  for (const auto& entry : fs::directory_iterator(IMP_TEST_DATA)) {
    const std::string name = entry.path().filename().string();
    if (!entry.is_directory() || !fs::exists(entry.path() / "config.json")) continue;
    if (!fs::exists(fs::path(IMP_TEST_DATA) / (name + ".expected.json"))) continue;
    const bool refused = expected_of(name).value("expect", "") == "refuse";
    const Imported imported(name);
    // Its block scales are NaN: what is wrong shows when the planes are read.
    const bool later = name == "modelopt-trap-nvfp4-zerotensor-llama";
    EXPECT_EQ(imported.ok(), !refused || later) << name << ": " << imported.error_line();
    if (!imported.ok()) {
      EXPECT_EQ(exit_code(imported.model.error().kind), 4) << name;
    }
    ++seen;
  }
  EXPECT_GT(seen, 40u);
}

}  // namespace
}  // namespace imp::model
