// imp-unpack --as gguf-blocks: the files come back byte for byte.
#include <gtest/gtest.h>

#include <functional>

#include "src/unpack/gguf_scatter.h"
#include "tests/unit/gguf_model.h"
#include "tests/unit/unpack_run.h"

namespace imp::testing {
namespace {

using model::GgufManifest;
using model::RowOrder;
using model::TensorView;

using Files = std::map<std::string, std::string>;

struct Way {
  std::vector<uint32_t> sms = {89, 120};
  bool as_is = false;
  std::optional<layouts::LayoutId> layout = std::nullopt;
};

Result<std::string> convert(const Files& files, const Way& way,
                            const std::vector<std::string>& exclude = {}) {
  const TempFolder folder;
  for (const auto& [name, bytes] : files) folder.write(name, bytes);
  convert::Options options = options_for(folder.path() / files.begin()->first, way.sms);
  options.import.as_is = way.as_is;
  options.plan.layout = way.layout;
  options.exclude = exclude;
  CollectingLog log;
  return convert_to_memory(options, log);
}

void expect_back(const Files& files, const Way& way = {}) {
  const auto artifact = convert(files, way);
  ASSERT_TRUE(artifact.ok()) << artifact.error().to_line();
  UnpackCase unpacking(*artifact);
  unpacking.options.mode = unpack::Mode::kGgufBlocks;
  const auto report = unpacking.run();
  ASSERT_TRUE(report.ok()) << report.error().to_line();
  EXPECT_TRUE(unpacking.files() == files);
  EXPECT_EQ(report->files, files.size());
}

std::string fixture_bytes(const std::string& name) {
  std::ifstream in(fixture(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

TEST(UnpackGguf, BlocksOfEveryType) {
  const Files files = {{"m.gguf", fixture_bytes("gguf-fuzzblocks.gguf")}};
  expect_back(files, {{89, 120}, true});
  expect_back(files, {{89}, true});
  expect_back(files, {{120}, true});
  expect_back(files, {{}, true, layouts::LayoutId::kPlain});
}

/// Q8_0 [rows, columns]: scales near 1, codes that count.
GgufTensor counting_q8(const GgufEncoder& encoder, const std::string& name, uint64_t columns,
                       uint64_t rows) {
  std::string data;
  for (uint64_t block = 0; block < rows * columns / 32; ++block) {
    data += encoder.num(static_cast<uint16_t>(0x3C00 + block));
    for (uint64_t i = 0; i < 32; ++i) data += static_cast<char>(block * 7 + i);
  }
  return {name, {columns, rows}, kGgmlQ8_0, data};
}

/// Llama in which q, k and up are of Q8_0; 2 heads of 32 rows, 1 of k.
GgufModel quantized_llama() {
  GgufModel gguf = small_llama();
  gguf.number("embedding_length", 64);
  gguf.number("feed_forward_length", 64);
  gguf.file.tensors.clear();
  gguf.f32("token_embd.weight", {64, 5});
  gguf.f32("output_norm.weight", {64});
  gguf.f32("blk.0.attn_norm.weight", {64});
  gguf.file.tensors.push_back(counting_q8(gguf.file.encoder, "blk.0.attn_q.weight", 64, 64));
  gguf.file.tensors.push_back(counting_q8(gguf.file.encoder, "blk.0.attn_k.weight", 64, 32));
  gguf.f32("blk.0.attn_v.weight", {64, 32});
  gguf.f32("blk.0.attn_output.weight", {64, 64});
  gguf.f32("blk.0.ffn_norm.weight", {64});
  gguf.f32("blk.0.ffn_gate.weight", {64, 64});
  gguf.file.tensors.push_back(counting_q8(gguf.file.encoder, "blk.0.ffn_up.weight", 64, 64));
  gguf.f32("blk.0.ffn_down.weight", {64, 64});
  return gguf;
}

TEST(UnpackGguf, RowsThatTheImportMoved) {
  const Files files = {{"m.gguf", quantized_llama().file.bytes()}};
  expect_back(files);
  expect_back(files, {{}, false, layouts::LayoutId::kPlain});
}

TEST(UnpackGguf, BigEndianFiles) {
  GgufFile file;
  file.encoder.big_endian = true;
  file.add("general.architecture", kGgufString, file.encoder.str("made-up"));
  file.tensors.push_back(counting_q8(file.encoder, "x.weight", 64, 16));
  std::string numbers;
  for (int i = 0; i < 16; ++i) numbers += file.encoder.num(static_cast<float>(i) + 0.5f);
  file.tensors.push_back({"x.bias", {16}, kGgmlF32, numbers});
  expect_back({{"m.gguf", file.bytes()}}, {{89}, true});
}

TEST(UnpackGguf, WhatNoTensorOwns) {
  GgufModel gguf = quantized_llama();
  gguf.file.tensors.pop_back();
  gguf.f32("blk.0.ffn_down.weight", {64, 64});
  // The norm lies behind a gap, where its 256 bytes end the file but for what follows.
  GgufTensor& norm = gguf.file.tensor("output_norm.weight");
  uint64_t end = 0;
  for (const GgufTensor& t : gguf.file.tensors) end += (t.data.size() + 31) / 32 * 32;
  norm.offset = end + 64;
  gguf.file.trailing = std::string(64, 'g') + std::string(256, '\x3F') + "tail";
  const Files files = {{"m.gguf", gguf.file.bytes()}};
  expect_back(files);
  std::string padded = quantized_llama().file.bytes();
  const size_t head = quantized_llama().file.head().size();
  ASSERT_NE(head % 32, 0u);
  padded[head] = 'x';
  expect_back({{"m.gguf", padded}});
}

TEST(UnpackGguf, TwoTensorsThatAreTheSameBytes) {
  GgufModel gguf = quantized_llama();
  gguf.file.tensors.push_back({"output.weight", {64, 5}, kGgmlF32, "", 0});
  expect_back({{"m.gguf", gguf.file.bytes()}});
}

/// A set of three; shard s has the tensors for which `shard_of` says s.
Files split(const GgufModel& whole, const std::function<uint16_t(size_t tensor)>& shard_of) {
  Files files;
  for (uint16_t s = 0; s < 3; ++s) {
    GgufFile shard;
    if (s == 0) shard.entries = whole.file.entries;
    for (size_t t = 0; t < whole.file.tensors.size(); ++t)
      if (shard_of(t) == s) shard.tensors.push_back(whole.file.tensors[t]);
    shard.add("split.no", kGgufU16, shard.encoder.num(s));
    shard.add("split.count", kGgufU16, shard.encoder.num<uint16_t>(3));
    shard.add("split.tensors.count", kGgufI32,
              shard.encoder.num(static_cast<int32_t>(whole.file.tensors.size())));
    files["m-0000" + std::to_string(s + 1) + "-of-00003.gguf"] = shard.bytes();
  }
  return files;
}

TEST(UnpackGguf, SplitSets) {
  expect_back(
      split(quantized_llama(), [](size_t tensor) { return static_cast<uint16_t>(tensor % 3); }));
}

// kv_b_proj is made of both halves: the first one ends its shard, no tensor of which needs it.
TEST(UnpackGguf, OneTensorOutOfTwoShards) {
  GgufModel gguf = small_latent();
  const size_t last = gguf.file.tensors.size() - 1;
  expect_back(split(gguf, [=](size_t t) { return static_cast<uint16_t>(t == last); }));
}

TEST(UnpackGguf, OtherModesLeaveTheFramesOut) {
  const auto artifact = convert({{"m.gguf", quantized_llama().file.bytes()}}, {});
  ASSERT_TRUE(artifact.ok()) << artifact.error().to_line();
  UnpackCase unpacking(*artifact);
  ASSERT_TRUE(unpacking.run().ok());
  EXPECT_EQ(unpacking.files().count("m.gguf.frame"), 0u);
  EXPECT_EQ(unpacking.files().count("config.json"), 1u);
}

TEST(UnpackGguf, ArtifactsOfOtherSourcesAreRefused) {
  UnpackCase unpacking(artifact_of(fixture("modelopt-nvfp4-qwen3"), {89}));
  unpacking.options.mode = unpack::Mode::kGgufBlocks;
  expect_error(unpacking.refusal(), ErrorKind::kUsage, "was not made from GGUF");
  EXPECT_TRUE(unpacking.files().empty());
}

TEST(UnpackGguf, WeightsThatWereLeftOutAreNamed) {
  const auto artifact =
      convert({{"m.gguf", quantized_llama().file.bytes()}}, {}, {".*down_proj.*"});
  ASSERT_TRUE(artifact.ok()) << artifact.error().to_line();
  UnpackCase unpacking(*artifact);
  unpacking.options.mode = unpack::Mode::kGgufBlocks;
  const Error error = unpacking.refusal();
  expect_error(error, ErrorKind::kMissingTensor, "is not in the artifact");
  EXPECT_EQ(error.tensor, "model.layers.0.mlp.down_proj.weight");
  EXPECT_TRUE(unpacking.files().empty());
}

struct OrderCase {
  std::string name;
  TensorView view;
  uint64_t slab_rows;  ///< put at a time
};

/// Stored: 96 numbers in tensor 0, of any rows; Q8_0 [8, 128] in tensor 1.
class UnpackGgufOrder : public ::testing::TestWithParam<OrderCase> {};

// Read through the view, put back through the view, by slabs: the file is whole again.
TEST_P(UnpackGgufOrder, PutsRowsBack) {
  const TensorView& view = GetParam().view;
  for (const bool big_endian : {false, true}) {
    model::Source source;
    source.big_endian = big_endian;
    source.stored = {{"numbers", 0, GgmlType::kF32, Shape{96}, 32, 96 * 4},
                     {"blocks", 0, GgmlType::kQ8_0, Shape{8, 128}, 448, 8 * 4 * 34}};
    std::string bytes(448 + 8 * 4 * 34, '\0');
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 31 + i / 256);
    const TempFolder folder;
    source.files.push_back(
        {"m.gguf", ReadFile::open(folder.write("m.gguf", bytes)).take(), false, {}});
    std::vector<std::unique_ptr<AtomicFile>> outputs;
    outputs.push_back(AtomicFile::create(folder.path() / "out", false).take());
    unpack::GgufFiles files(std::move(outputs));
    const GgufManifest manifest{big_endian, source.stored, {view}};
    unpack::ViewScatter scatter(manifest, view, files);
    const uint64_t rows = view.rows_of_expert() * view.experts, step = GetParam().slab_rows;
    for (uint64_t row = 0; row < rows; row += step) {
      const uint64_t count = std::min(step, rows - row);
      std::vector<std::byte> slab(count * scatter.row_bytes());
      ASSERT_TRUE(model::read_view_rows(source, view, row, count, slab).ok());
      ASSERT_TRUE(scatter.put(row, count, slab).ok());
    }
    const model::StoredTensor& stored = source.stored[view.pieces[0].stored];
    std::string back(stored.size_bytes, '\0');
    ASSERT_TRUE(
        files.file(0).read_at(stored.offset_bytes, std::as_writable_bytes(std::span(back))).ok());
    EXPECT_TRUE(back == bytes.substr(stored.offset_bytes, stored.size_bytes));
    EXPECT_EQ(files.ranges_left(0, stored.offset_bytes + stored.size_bytes).size(), 1u);
  }
}

const GgmlType kF32 = GgmlType::kF32, kQ8 = GgmlType::kQ8_0;
INSTANTIATE_TEST_SUITE_P(
    Orders, UnpackGgufOrder,
    ::testing::Values(
        OrderCase{"as_stored", {kF32, 4, {{0, 0, 10}, {0, 10, 14}}}, 7},
        OrderCase{"experts", {kF32, 4, {{0, 12, 12}, {0, 0, 12}}, 2}, 5},
        OrderCase{"rope_pairs", {kQ8, 128, {{1, 0, 8}}, 1, RowOrder::kRopePairs, 4}, 3},
        OrderCase{"tiled_heads", {kF32, 4, {{0, 0, 24}}, 1, RowOrder::kTiledHeads, 6, 3, 2}, 4},
        OrderCase{"tiled_columns", {kQ8, 128, {{1, 0, 8}}, 1, RowOrder::kTiledColumns, 0, 2, 2}, 3},
        OrderCase{"interleaved",
                  {kF32,
                   2,
                   {{0, 0, 12}, {0, 12, 12}, {0, 24, 12}, {0, 36, 12}},
                   2,
                   RowOrder::kInterleaved},
                  9},
        OrderCase{"heads_together",
                  {kF32, 4, {{0, 0, 6}, {0, 6, 18}}, 1, RowOrder::kHeadsTogether, 3},
                  5},
        // Piece 0: 3 heads of [4 columns, 5 keys]; piece 1: 3 heads of 3 rows of 4.
        OrderCase{"mla_key_value",
                  {kF32, 4, {{0, 0, 12}, {0, 15, 9}}, 1, RowOrder::kMlaKeyValue, 3, 5},
                  4}),
    [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace imp::testing
