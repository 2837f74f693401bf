// An artifact that was transcoded: the same bytes from any number of threads, said so by its
// manifest and by imp-inspect, checked against its source by imp-verify.
#include <gtest/gtest.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <sstream>

#include "src/inspect/inspect.h"
#include "src/verify/verify.h"
#include "tests/unit/transcode_run.h"
#include "tests/unit/verify_run.h"

namespace imp::testing {
namespace {

using nlohmann::json;

constexpr const char* kBase = "other-bf16-qwen3next";
const std::string kUp = "model.layers.0.mlp.shared_expert.up_proj";

TEST(TranscodedArtifact, ThreadsDoNotShow) {
  for (const char* target : {"nvfp4", "int8"}) {
    const std::string rule = std::string(".*=") + target;
    const std::string one = transcoded_artifact(fixture(kBase), {rule}, {89}, 1);
    ASSERT_FALSE(one.empty());
    EXPECT_TRUE(transcoded_artifact(fixture(kBase), {rule}, {89}, 4) == one) << target;
  }
}

std::string inspected(const std::filesystem::path& artifact, bool as_json) {
  std::ostringstream out;
  CollectingLog log;
  const Status status = inspect::report(artifact, {as_json, false}, out, log);
  EXPECT_TRUE(status.ok()) << status.error().to_line();
  return out.str();
}

TEST(TranscodedArtifact, InspectHasALineAWeight) {
  const TempFolder folder;
  const auto path =
      folder.write("a.imp", transcoded_artifact(fixture(kBase), {"down_proj=nvfp4"}, {89}));
  const json list = json::parse(inspected(path, true)).at("manifest").at("transcoded");
  ASSERT_GE(list.size(), 2u);
  const std::string text = inspected(path, false);
  for (const json& entry : list) {
    const std::string start = "\ntranscoded " + entry.at("module").get<std::string>() +
                              ": bf16 to nvfp4, relative RMS error ";
    const size_t at = text.find(start);
    ASSERT_NE(at, std::string::npos) << start << "\n" << text;
    const std::string rest = text.substr(at + start.size());
    const double rms = entry.at("relative_rms_error");
    EXPECT_NEAR(std::stod(rest) / rms, 1.0, 0.01);
    EXPECT_NE(rest.substr(0, rest.find('\n')).find(" dB, largest error 0.0"), std::string::npos)
        << rest.substr(0, rest.find('\n'));
  }
  const auto plain = folder.write("b.imp", artifact_of(fixture(kBase), {89}));
  EXPECT_EQ(inspected(plain, false).find("\ntranscoded"), std::string::npos);
  EXPECT_FALSE(json::parse(inspected(plain, true)).at("manifest").contains("transcoded"));
}

TEST(TranscodedArtifact, AWeightWithoutErrorHasAnInfiniteRatio) {
  CheckpointEditor editor(kBase);
  editor.tensor(kUp + ".weight").bytes.assign(editor.tensor(kUp + ".weight").bytes.size(), '\0');
  const TempFolder folder;
  const auto input = editor.write(folder.path() / "in");
  const auto path =
      folder.write("a.imp", transcoded_artifact(input, {"layers\\.0\\..*shared.*up=nvfp4"}, {89}));
  const json entry = json::parse(inspected(path, true)).at("manifest").at("transcoded").at(0);
  EXPECT_TRUE(entry.at("snr_db").is_null());
  EXPECT_EQ(entry.at("relative_rms_error"), 0.0);
  EXPECT_NE(
      inspected(path, false).find(kUp + ": bf16 to nvfp4, relative RMS error 0, SNR infinite"),
      std::string::npos);
  expect_verified(path, input);
}

/// imp-verify on an artifact and a source of one's choice.
verify::Report verified(const std::filesystem::path& artifact,
                        const std::filesystem::path& source) {
  verify::Options options;
  options.artifact = artifact;
  options.source = source;
  options.backend = verify::Backend::kCpu;
  options.threads = 1;
  CollectingLog log;
  return verify::run(options, log);
}

struct SourceCase {
  CheckpointEditor editor{kBase};
  TempFolder folder;
  std::filesystem::path input, artifact;

  explicit SourceCase(const std::vector<std::string>& rules,
                      const std::vector<std::string>& include = {}) {
    input = editor.write(folder.path() / "in");
    convert::Options options = options_for(input, {89});
    options.transcode = rules_of(rules);
    options.include = include;
    CollectingLog log;
    const auto bytes = convert_to_memory(options, log);
    if (!bytes.ok()) throw std::runtime_error(bytes.error().to_line());
    artifact = folder.write("a.imp", *bytes);
  }

  /// Problems of the source level, one a line.
  std::string problems() const {
    const verify::Report report = verified(artifact, input);
    const auto& level = report.at(verify::Level::kSource);
    EXPECT_EQ(level.verdict == verify::Verdict::kPassed, level.problems.empty());
    std::string text;
    for (const Error& problem : level.problems) {
      EXPECT_EQ(problem.kind, ErrorKind::kSourceMismatch) << problem.to_line();
      text += problem.to_line() + "\n";
    }
    return text;
  }
};

TEST(TranscodedSource, OfTheArtifactPasses) {
  EXPECT_EQ(SourceCase({"down_proj=nvfp4", "up_proj=int8"}).problems(), "");
}

TEST(TranscodedSource, SelectionOfTheConversionIsFollowed) {
  const SourceCase only({"down_proj=nvfp4"}, {"layers\\.0\\..*down_proj"});
  EXPECT_EQ(only.problems(), "");
}

TEST(TranscodedSource, AChangedWeightIsNoticedInFileAndComputedPlanes) {
  SourceCase source({"layers\\.0\\..*shared.*up=nvfp4"});
  // The largest magnitude, so that the global scale moves too.
  source.editor.tensor(kUp + ".weight").bytes.replace(0, 2, "\x80\x40", 2);
  source.editor.write(source.input);
  const std::string problems = source.problems();
  EXPECT_NE(problems.find("SHA-256 or size"), std::string::npos) << problems;
  for (const char* suffix : {".weight", ".weight_scale", ".weight_scale_2"})
    EXPECT_NE(problems.find(kUp + suffix), std::string::npos) << suffix << "\n" << problems;
  EXPECT_NE(problems.find("bytes are not those the artifact was made from"), std::string::npos);
}

TEST(TranscodedSource, AChangedTensorBesideItIsNoticed) {
  SourceCase source({"layers\\.0\\..*shared.*up=nvfp4"});
  source.editor.tensor("model.norm.weight").bytes[0] ^= 1;
  source.editor.write(source.input);
  const std::string problems = source.problems();
  EXPECT_NE(problems.find("model.norm.weight"), std::string::npos) << problems;
  EXPECT_EQ(problems.find(kUp), std::string::npos) << problems;
}

TEST(TranscodedSource, AnotherSetOfTensorsIsNoticed) {
  SourceCase source({"layers\\.0\\..*shared.*up=nvfp4"});
  source.editor.remove("lm_head.weight");
  source.editor.config()["tie_word_embeddings"] = true;
  std::filesystem::remove_all(source.input);
  source.editor.write(source.input);
  EXPECT_NE(source.problems().find("tensors, the artifact"), std::string::npos);
}

}  // namespace
}  // namespace imp::testing
