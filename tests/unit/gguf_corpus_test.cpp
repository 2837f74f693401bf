// The malformed files of tests/data/gguf-malformed: each ends as MANIFEST.tsv says a strict reader
// should. Files whose defect is the model's (51 and up, without the sets) are the importer's.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "formats/gguf/checkpoint.h"

namespace imp::gguf {
namespace {

namespace fs = std::filesystem;

const fs::path kCorpus = fs::path(IMP_TEST_DATA) / "gguf-malformed";

struct Row {
  std::string file, defect, wanted;
};

std::vector<Row> manifest() {
  std::ifstream in(kCorpus / "MANIFEST.tsv");
  std::vector<Row> rows;
  std::string line;
  std::getline(in, line);
  while (std::getline(in, line)) {
    std::istringstream cells(line);
    Row row;
    std::getline(cells, row.file, '\t');
    std::getline(cells, row.defect, '\t');
    std::getline(cells, row.wanted, '\t');
    rows.push_back(row);
  }
  return rows;
}

/// A tensor that lies in no shard is missing to the model, not to the container.
bool is_of_the_container(const Row& row) {
  return row.file < "50" ||
         (row.file.starts_with("6") && !row.defect.starts_with("one tensor in no"));
}

TEST(GgufCorpus, EndsAsTheManifestSays) {
  size_t accepted = 0, refused = 0, free = 0;
  for (const Row& row : manifest()) {
    if (!is_of_the_container(row)) continue;
    SCOPED_TRACE(row.file + ": " + row.defect);
    ASSERT_TRUE(fs::exists(kCorpus / row.file));
    CollectingLog log;
    const auto opened = open_checkpoint(kCorpus / row.file, log);
    if (!opened.ok()) {
      EXPECT_GE(exit_code(opened.error().kind), 3) << opened.error().to_line();
      EXPECT_LE(exit_code(opened.error().kind), 4) << opened.error().to_line();
    }
    if (row.wanted.starts_with("accept") && !row.wanted.starts_with("accept or refuse")) {
      EXPECT_TRUE(opened.ok()) << opened.error().to_line();
      EXPECT_EQ(log.warnings.empty(), row.wanted != "accept with warning");
      ++accepted;
    } else if (row.wanted == "refuse") {
      EXPECT_FALSE(opened.ok());
      ++refused;
    } else {
      EXPECT_TRUE(!opened.ok() || !log.warnings.empty() || row.wanted == "accept or refuse");
      ++free;
    }
  }
  EXPECT_EQ(accepted, 21u);
  EXPECT_EQ(refused, 117u);
  EXPECT_EQ(free, 5u);
}

TEST(GgufCorpus, KindsOfErrors) {
  const std::map<std::string, ErrorKind> kinds = {
      {"01-bad-magic.gguf", ErrorKind::kBadMagic},
      {"01-empty-file.gguf", ErrorKind::kTruncated},
      {"01-version-1.gguf", ErrorKind::kUnsupportedVersion},
      {"02-ntensors-huge.gguf", ErrorKind::kHeaderSize},
      {"02-ntensors-1e6.gguf", ErrorKind::kTruncated},
      {"03-key-nul.gguf", ErrorKind::kBadName},
      {"03-key-duplicate.gguf", ErrorKind::kDuplicateName},
      {"03-bool-2.gguf", ErrorKind::kHeaderSyntax},
      {"04-array-nested.gguf", ErrorKind::kUnsupportedFormat},
      {"04-bool-array-count-2p63.gguf", ErrorKind::kHeaderSize},
      {"04-array-count-past-end.gguf", ErrorKind::kTruncated},
      {"05-alignment-24.gguf", ErrorKind::kHeaderSyntax},
      {"06-name-path.gguf", ErrorKind::kBadName},
      {"06-name-duplicate.gguf", ErrorKind::kDuplicateName},
      {"07-dim-2p32-squared.gguf", ErrorKind::kBadShape},
      {"07-dim-past-end.gguf", ErrorKind::kTruncated},
      {"08-row-not-multiple-q4_0.gguf", ErrorKind::kBadShape},
      {"09-type-4-removed.gguf", ErrorKind::kUnknownDtype},
      {"10-offset-overlap.gguf", ErrorKind::kOverlap},
      {"10-offset-misaligned.gguf", ErrorKind::kHeaderSyntax},
      {"10-offset-2p63.gguf", ErrorKind::kTruncated},
      {"11-data-truncated-1.gguf", ErrorKind::kTruncated},
      {"61-split-missing-shard/m-00001-of-00002.gguf", ErrorKind::kTruncated},
      {"61-split-count-mismatch/m-00001-of-00002.gguf", ErrorKind::kBadIndex},
      {"61-split-duplicate-tensor/m-00001-of-00002.gguf", ErrorKind::kDuplicateName},
  };
  for (const auto& [name, kind] : kinds) {
    CollectingLog log;
    const auto opened = open_checkpoint(kCorpus / name, log);
    ASSERT_FALSE(opened.ok()) << name;
    EXPECT_EQ(error_kind_name(opened.error().kind), error_kind_name(kind))
        << opened.error().to_line();
  }
}

TEST(GgufCorpus, TheBaseFileSaysWhatItsWriterPutThere) {
  CollectingLog log;
  const auto opened = open_checkpoint(kCorpus / "00-valid.gguf", log);
  ASSERT_TRUE(opened.ok()) << opened.error().to_line();
  const Header& header = opened->shards[0].header;
  EXPECT_EQ(header.metadata.size(), 18u);
  EXPECT_EQ(header.find("general.architecture")->as_string(), "llama");
  EXPECT_EQ(header.find("test.u16")->as_uint(), 700u);
  EXPECT_EQ(header.find("test.f32")->as_double(), 1.5);
  EXPECT_EQ(header.find("test.f64")->as_double(), 0.25);
  EXPECT_EQ(header.find("test.arr_str")->strings, (std::vector<std::string>{"a", "", "bc"}));
  ASSERT_EQ(header.tensors.size(), 3u);
  EXPECT_EQ(header.tensors[0].type, GgmlType::kQ8_0);
  EXPECT_EQ(header.tensors[1].size_bytes, 72u);
  EXPECT_EQ(header.tensors[2].name, "c.bias");
}

}  // namespace
}  // namespace imp::gguf
