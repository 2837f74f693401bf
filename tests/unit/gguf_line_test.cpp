// The whole line over random blocks of every GGUF type: what is converted verifies, by every path
// the same bytes, comes back block for block, and has ggml's values bit for bit.
#include <gtest/gtest.h>

#include <bit>
#include <optional>
#include <random>

#include "src/quant/ggml_blocks.h"
#include "tests/reference/ggml_values.h"
#include "tests/unit/gguf_tensors.h"
#include "tests/unit/unpack_run.h"
#include "tests/unit/verify_run.h"

namespace imp::testing {
namespace {

using layouts::LayoutId;

/// [n, k] of one type, as the only tensor of a file of an architecture that nobody knows.
struct OneTensor {
  GgmlTypeInfo info;
  uint64_t n, k;
  std::vector<std::byte> blocks;

  std::string file() const {
    GgufFile gguf = fixture_gguf();
    const auto* data = reinterpret_cast<const char*>(blocks.data());
    gguf.tensors.push_back(
        {"w.weight", {k, n}, static_cast<uint32_t>(info.type), std::string(data, blocks.size())});
    return gguf.bytes();
  }
  std::string text() const {
    return std::string(info.name) + " " + std::to_string(n) + " x " + std::to_string(k);
  }
};

OneTensor random_tensor(const GgmlTypeInfo& info, std::mt19937& random) {
  OneTensor made{info, 1 + random() % 140, 0, {}};
  made.k = info.block_elems * (1 + random() % (info.block_elems == 256 ? 3 : 9));
  made.blocks = random_blocks(info, made.n * made.k / info.block_elems, random);
  return made;
}

convert::Options options_of(const std::filesystem::path& input, std::optional<LayoutId> layout) {
  convert::Options options = options_for(input, {75, 89, 120});
  options.import.as_is = true;
  options.plan.layout = layout;
  return options;
}

std::string converted(const convert::Options& options) {
  CollectingLog log;
  Result<std::string> bytes = convert_to_memory(options, log);
  if (!bytes.ok()) ADD_FAILURE() << bytes.error().to_line();
  return bytes.ok() ? *bytes : std::string();
}

/// The blocks again, from the tensors that an artifact gives back.
std::vector<std::byte> joined(const OneTensor& made, CheckpointEditor& unpacked) {
  const auto bytes_of = [&](const char* name) -> Bytes {
    if (!unpacked.has(name)) return {};
    return std::as_bytes(std::span(unpacked.tensor(name).bytes));
  };
  const quant::BlockPlanes* planes = quant::block_planes(made.info.type);
  const Bytes codes = bytes_of(unpacked.has("w.weight") ? "w.weight" : "w.weight_packed");
  // Of types that come apart the importer may keep the blocks all the same (TQ1_0).
  if (planes == nullptr || !unpacked.has("w.weight_scale")) return {codes.begin(), codes.end()};
  std::vector<std::byte> blocks(made.blocks.size());
  const Status status =
      quant::join_fields(*planes, made.n, made.k,
                         {codes, bytes_of("w.weight_scale"), bytes_of("w.weight_min"),
                          bytes_of("w.weight_super_scale"), bytes_of("w.weight_super_min")},
                         blocks);
  EXPECT_TRUE(status.ok()) << made.text();
  return blocks;
}

/// ggml's values. Those of types that stay blocks are the decoder's, which has tests of its own.
std::vector<float> values_of(const OneTensor& made) {
  std::vector<float> values(made.n * made.k);
  if (quant::block_planes(made.info.type) == nullptr) {
    quant::decode_blocks(made.info.type, made.blocks, values);
    return values;
  }
  const auto* bytes = reinterpret_cast<const uint8_t*>(made.blocks.data());
  for (uint64_t i = 0; i < values.size(); ++i)
    values[i] = static_cast<float>(
        reference::ggml_value(static_cast<uint32_t>(made.info.type),
                              bytes + i / made.info.block_elems * made.info.block_bytes,
                              static_cast<uint32_t>(i % made.info.block_elems), {}));
  return values;
}

void expect_values(const OneTensor& made, const std::string& artifact, uint32_t sm) {
  UnpackCase unpacked(artifact);
  unpacked.options.mode = unpack::Mode::kDequantizeF32;
  unpacked.options.form_sm = sm;
  CheckpointEditor checkpoint = unpacked.checkpoint();
  const EditedTensor& weight = checkpoint.tensor("w.weight");
  EXPECT_EQ(weight.dtype, "F32");
  EXPECT_EQ(weight.shape, (std::vector<uint64_t>{made.n, made.k}));
  const std::vector<float> want = values_of(made);
  ASSERT_EQ(weight.bytes.size(), want.size() * sizeof(float));
  // Code 8 of e2m1 is -0; ggml alone makes it +0.
  const bool is_e2m1 = made.info.type == GgmlType::kMxfp4 || made.info.type == GgmlType::kNvfp4;
  size_t differing = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    uint32_t bits = 0;
    std::memcpy(&bits, weight.bytes.data() + 4 * i, sizeof bits);
    const bool zeros = is_e2m1 && std::bit_cast<float>(bits) == 0 && want[i] == 0;
    differing += bits == std::bit_cast<uint32_t>(want[i]) || zeros ? 0 : 1;
  }
  EXPECT_EQ(differing, 0u) << made.text();
}

class GgufLine : public ::testing::TestWithParam<GgmlTypeInfo> {};

TEST_P(GgufLine, ComesBackFromEveryForm) {
  std::mt19937 random(20261122 + static_cast<uint32_t>(GetParam().type));
  for (int round = 0; round < 3; ++round) {
    const OneTensor made = random_tensor(GetParam(), random);
    SCOPED_TRACE(made.text());
    const TempFolder folder;
    const auto path = folder.write("m.gguf", made.file());
    for (const auto layout : {std::optional<LayoutId>(), std::optional(LayoutId::kPlain)}) {
      const std::string artifact = converted(options_of(path, layout));
      ASSERT_FALSE(artifact.empty());
      expect_verified(folder.write("a.imp", artifact), path);
      for (const uint32_t sm : {75u, 89u, 120u}) {
        if (layout && sm != 89) continue;  // one form for all
        UnpackCase unpacked(artifact);
        unpacked.options.form_sm = sm;
        CheckpointEditor checkpoint = unpacked.checkpoint();
        EXPECT_TRUE(joined(made, checkpoint) == made.blocks);
        if (sm == 89) expect_values(made, artifact, sm);
      }
    }
    convert::Options by_map = options_of(path, std::nullopt);
    const std::string fast = converted(by_map);
    by_map.path = repack::Path::kMap;
    EXPECT_TRUE(converted(by_map) == fast) << "the index map and the word path differ";
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GgufLine, ::testing::ValuesIn(block_types()),
                         [](const auto& type) { return std::string(type.param.name); });

}  // namespace
}  // namespace imp::testing
