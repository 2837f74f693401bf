// The whole line over random shapes, groups and widths: what is converted verifies, by every path
// the same bytes, and comes back bit for bit.
#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "src/plan/engine_forms.h"
#include "tests/unit/random_checkpoint.h"
#include "tests/unit/unpack_run.h"
#include "tests/unit/verify_run.h"

namespace imp::testing {
namespace {

class RandomLine : public ::testing::TestWithParam<RandomFamily> {};

void expect_comes_back(const std::string& artifact, const CheckpointEditor& source,
                       const std::filesystem::path& folder, std::optional<uint32_t> sm) {
  UnpackCase unpacked(artifact);
  unpacked.options.form_sm = sm;
  expect_same_tensors(unpacked.checkpoint(), source);
  if (!sm) expect_verified(unpacked.options.artifact, folder);
}

TEST_P(RandomLine, ComesBackFromEveryForm) {
  std::mt19937 random(20261121);
  for (int round = 0; round < 25; ++round) {
    RandomCheckpoint made = GetParam().make(random);
    SCOPED_TRACE(made.text);
    const TempFolder folder;
    const auto path = made.editor.write(folder.path() / "in");
    const CheckpointEditor source(path);
    const std::string artifact = artifact_of(path, {75, 89, 120});
    ASSERT_FALSE(artifact.empty());
    for (const auto sm : {std::optional<uint32_t>(), std::optional<uint32_t>(75),
                          std::optional<uint32_t>(89), std::optional<uint32_t>(120)})
      expect_comes_back(artifact, source, path, sm);
    convert::Options by_map = options_for(path, {75, 89, 120});
    by_map.path = repack::Path::kMap;
    CollectingLog log;
    const auto slow = convert_to_memory(by_map, log);
    ASSERT_TRUE(slow.ok()) << slow.error().to_line();
    EXPECT_TRUE(*slow == artifact) << "the index map and the word path differ";
  }
}

// Layouts of other engines hold some of these; where they refuse, the form is plain.
TEST_P(RandomLine, ComesBackFromOtherEnginesLayouts) {
  std::mt19937 random(20261122);
  for (int round = 0; round < 12; ++round) {
    RandomCheckpoint made = GetParam().make(random);
    const TempFolder folder;
    const auto path = made.editor.write(folder.path() / "in");
    const CheckpointEditor source(path);
    for (const layouts::LayoutInfo& layout : layouts::kLayouts) {
      if (!plan::is_engine_layout(layout.id)) continue;
      SCOPED_TRACE(made.text + " in " + layout.name);
      convert::Options options = options_for(path, {});
      options.plan.layout = layout.id;
      CollectingLog log;
      const auto artifact = convert_to_memory(options, log);
      ASSERT_TRUE(artifact.ok()) << artifact.error().to_line();
      expect_comes_back(*artifact, source, path, {});
      options.path = repack::Path::kMap;
      options.threads = 3;
      const auto slow = convert_to_memory(options, log);
      ASSERT_TRUE(slow.ok()) << slow.error().to_line();
      EXPECT_TRUE(*slow == *artifact) << "the index map and the word path differ";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, RandomLine, ::testing::ValuesIn(random_families()),
                         [](const auto& made) { return made.param.name; });

}  // namespace
}  // namespace imp::testing
