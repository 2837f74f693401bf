// The files of tests/data/gguf-malformed whose defect is the model's: each ends as MANIFEST.tsv
// says.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "src/base/log.h"
#include "src/model/import.h"

namespace imp::model {
namespace {

const std::filesystem::path kCorpus = std::filesystem::path(IMP_TEST_DATA) / "gguf-malformed";

struct Row {
  std::string file, wanted;
};

std::vector<Row> rows_of_models() {
  std::ifstream in(kCorpus / "MANIFEST.tsv");
  std::vector<Row> rows;
  std::string line, defect;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    Row row;
    std::getline(cells, row.file, '\t');
    std::getline(cells, defect, '\t');
    std::getline(cells, row.wanted, '\t');
    // 54 is about the values, which no import reads.
    const std::string number = row.file.substr(0, 2);
    if (number == "12" || (number >= "50" && number != "54")) rows.push_back(row);
  }
  return rows;
}

class ModelFile : public ::testing::TestWithParam<Row> {};
std::string test_name(const ::testing::TestParamInfo<Row>& row) {
  std::string name = row.param.file;
  for (char& c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
  return name;
}
INSTANTIATE_TEST_SUITE_P(Corpus, ModelFile, ::testing::ValuesIn(rows_of_models()), test_name);

TEST_P(ModelFile, EndsAsTheManifestSays) {
  CollectingLog log;
  const auto model = import_checkpoint(kCorpus / GetParam().file, {}, log);
  const bool may_refuse = GetParam().wanted.find("refuse") != std::string::npos;
  const bool may_accept = GetParam().wanted.starts_with("accept") &&
                          GetParam().wanted.find("as a model") == std::string::npos;
  if (model.ok()) {
    EXPECT_TRUE(may_accept) << "accepted, wanted: " << GetParam().wanted;
    return;
  }
  EXPECT_TRUE(may_refuse) << model.error().to_line();
  const int code = exit_code(model.error().kind);
  EXPECT_TRUE(code == 3 || code == 4) << model.error().to_line();
  EXPECT_FALSE(model.error().message.empty());
}

struct Kind {
  const char* file;
  ErrorKind kind;
  const char* tensor;
};

class RefusedModel : public ::testing::TestWithParam<Kind> {};
INSTANTIATE_TEST_SUITE_P(
    Corpus, RefusedModel,
    ::testing::Values(
        Kind{"12-no-architecture", ErrorKind::kUnsupportedArchitecture, ""},
        Kind{"51-arch-unknown", ErrorKind::kUnsupportedArchitecture, ""},
        Kind{"51-type-adapter", ErrorKind::kUnsupportedFormat, ""},
        Kind{"51-quantization-version-1", ErrorKind::kUnsupportedVersion, ""},
        Kind{"52-block-count-2p31", ErrorKind::kBadConfig, ""},
        Kind{"52-block-count-missing", ErrorKind::kBadConfig, ""},
        Kind{"52-heads-3", ErrorKind::kShapeMismatch, "blk.0.attn_q.weight"},
        Kind{"52-heads-32", ErrorKind::kShapeMismatch, "blk.0.attn_q.weight"},
        Kind{"52-heads-kv-5", ErrorKind::kShapeMismatch, "blk.0.attn_k.weight"},
        Kind{"52-heads-negative", ErrorKind::kBadConfig, ""},
        Kind{"52-heads-array-long", ErrorKind::kBadConfig, ""},
        Kind{"53-tensor-unknown", ErrorKind::kUnknownTensor, "blk.0.mystery.weight"},
        Kind{"53-block-index-4096", ErrorKind::kUnknownTensor, "blk.4096.attn_norm.weight"},
        Kind{"53-block-index-plus", ErrorKind::kUnknownTensor, "blk.00.attn_norm.weight"},
        Kind{"53-shape-wrong", ErrorKind::kShapeMismatch, "blk.0.attn_k.weight"},
        Kind{"53-scale-orphan", ErrorKind::kUnsupportedScheme, "blk.0.ffn_up.scale"}),
    [](const auto& row) {
      std::string name = row.param.file;
      std::replace(name.begin(), name.end(), '-', '_');
      return name;
    });

TEST_P(RefusedModel, KindAndTensor) {
  CollectingLog log;
  const auto model = import_checkpoint(kCorpus / (std::string(GetParam().file) + ".gguf"), {}, log);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(error_kind_name(model.error().kind), error_kind_name(GetParam().kind));
  EXPECT_EQ(model.error().tensor, GetParam().tensor);
}

}  // namespace
}  // namespace imp::model
