// Models in GGUF that are refused, each a valid one with one thing changed, and oddities that are
// none. The changes are those of the fixtures gguf-malformed, 50 to 53, and more.
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "tests/unit/gguf_model.h"

namespace imp::model {
namespace {

using testing::expect_refused;
using testing::GgufModel;
using testing::ImportedGguf;
using testing::small_llama;

struct Case {
  const char* name;
  std::function<void(GgufModel&)> change;
  ErrorKind kind = ErrorKind::kInternal;
  const char* tensor = "";
  const char* fragment = "";
  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }
};

void fuse(GgufModel& gguf, uint64_t rows) {
  for (const char* name : {"blk.0.attn_q.weight", "blk.0.attn_k.weight", "blk.0.attn_v.weight"})
    gguf.remove(name);
  gguf.f32("blk.0.attn_qkv.weight", {8, rows});
}

const Case kRefused[] = {
    {"TypeAdapter", [](GgufModel& g) { g.text("general.type", "adapter"); },
     ErrorKind::kUnsupportedFormat, "", "'adapter'"},
    {"TypeMmproj", [](GgufModel& g) { g.text("general.type", "mmproj"); },
     ErrorKind::kUnsupportedFormat, "", "'mmproj'"},
    {"OldBlocks",
     [](GgufModel& g) {
       g.blocks("blk.0.attn_sinks.weight", {32}, testing::kGgmlQ8_0, 34);
       g.file.add("general.quantization_version", testing::kGgufU32,
                  g.file.encoder.num<uint32_t>(1));
     },
     ErrorKind::kUnsupportedVersion, "", "quantization_version"},
    {"NoBlockCount", [](GgufModel& g) { g.remove_key("block_count"); }, ErrorKind::kBadConfig, "",
     "llama.block_count"},
    {"NoBlocks", [](GgufModel& g) { g.number("block_count", 0); }, ErrorKind::kBadConfig, "",
     "is 0"},
    {"BillionsOfBlocks", [](GgufModel& g) { g.number("block_count", 1u << 31); },
     ErrorKind::kBadConfig, "", "2147483648"},
    {"OneBlockOfTwo", [](GgufModel& g) { g.number("block_count", 2); }, ErrorKind::kMissingTensor,
     "model.layers.1.input_layernorm.weight", "missing"},
    {"NoHeads", [](GgufModel& g) { g.number("attention.head_count", 0); }, ErrorKind::kBadConfig,
     "", "head_count"},
    {"HeadsAreMissing", [](GgufModel& g) { g.remove_key("attention.head_count"); },
     ErrorKind::kBadConfig, "", "head_count"},
    {"HeadsDoNotDivide", [](GgufModel& g) { g.number("attention.head_count", 3); },
     ErrorKind::kShapeMismatch, "blk.0.attn_q.weight", "3 heads"},
    {"HeadsOfOneRow", [](GgufModel& g) { g.number("attention.head_count", 8); },
     ErrorKind::kShapeMismatch, "blk.0.attn_q.weight", "even"},
    {"KeyHeadsDoNotDivide", [](GgufModel& g) { g.number("attention.head_count_kv", 3); },
     ErrorKind::kShapeMismatch, "blk.0.attn_k.weight", "3 heads"},
    {"HeadsNegative",
     [](GgufModel& g) {
       g.value("attention.head_count", testing::kGgufI32, g.file.encoder.num<int32_t>(-2));
     },
     ErrorKind::kBadConfig, "", "head_count"},
    {"HeadsAreText",
     [](GgufModel& g) {
       g.value("attention.head_count", testing::kGgufString, g.file.encoder.str("2"));
     },
     ErrorKind::kBadConfig, "", "head_count"},
    {"MoreHeadsThanBlocks",
     [](GgufModel& g) {
       g.numbers("attention.head_count", {2, 2, 2});
     },
     ErrorKind::kBadConfig, "", "3 elements"},
    {"OtherHiddenSize", [](GgufModel& g) { g.number("embedding_length", 16); },
     ErrorKind::kShapeMismatch, "output.weight", "hidden size 16"},
    {"TensorIsMissing", [](GgufModel& g) { g.remove("blk.0.ffn_up.weight"); },
     ErrorKind::kMissingTensor, "model.layers.0.mlp.up_proj.weight", "missing"},
    {"TensorWithoutAPlace", [](GgufModel& g) { g.f32("blk.0.attn_q_norm.weight", {4}); },
     ErrorKind::kUnknownTensor, "blk.0.attn_q_norm.weight", "--as-is"},
    {"BlockBehindTheLast", [](GgufModel& g) { g.f32("blk.1.attn_norm.weight", {8}); },
     ErrorKind::kUnknownTensor, "blk.1.attn_norm.weight", "1 blocks"},
    {"BlockNumberIsJunk", [](GgufModel& g) { g.f32("blk.0x.attn_norm.weight", {8}); },
     ErrorKind::kUnknownTensor, "blk.0x.attn_norm.weight", "block number"},
    {"BlockNumberTwice", [](GgufModel& g) { g.f32("blk.00.attn_norm.weight", {8}); },
     ErrorKind::kUnknownTensor, "blk.00.attn_norm.weight", "block number"},
    {"ProjectionTransposed",
     [](GgufModel& g) {
       g.remove("blk.0.attn_k.weight");
       g.f32("blk.0.attn_k.weight", {4, 8});
     },
     ErrorKind::kShapeMismatch, "blk.0.attn_k.weight", "hidden size"},
    {"ProjectionOfThreeDimensions",
     [](GgufModel& g) {
       g.remove("blk.0.attn_v.weight");
       g.f32("blk.0.attn_v.weight", {8, 2, 2});
     },
     ErrorKind::kShapeMismatch, "blk.0.attn_v.weight", "a matrix"},
    {"NormIsAMatrix",
     [](GgufModel& g) {
       g.remove("output_norm.weight");
       g.f32("output_norm.weight", {8, 2});
     },
     ErrorKind::kShapeMismatch, "output_norm.weight", "a vector"},
    {"NormOfBlocks",
     [](GgufModel& g) {
       g.remove("output_norm.weight");
       g.blocks("output_norm.weight", {32}, testing::kGgmlQ8_0, 34);
     },
     ErrorKind::kUnsupportedScheme, "output_norm.weight", "Q8_0"},
    {"BiasOfAnotherLength", [](GgufModel& g) { g.f32("blk.0.attn_q.bias", {7}); },
     ErrorKind::kShapeMismatch, "blk.0.attn_q.bias", "each of 8 rows"},
    {"BiasWithoutAWeight",
     [](GgufModel& g) {
       g.remove("blk.0.attn_q.weight");
       g.f32("blk.0.attn_q.bias", {8});
     },
     ErrorKind::kMissingTensor, "blk.0.attn_q.bias", "weight is missing"},
    {"ScaleTwice",
     [](GgufModel& g) {
       g.f32("blk.0.attn_q.scale", {1});
       g.f32("blk.0.attn_q.weight.scale", {1});
     },
     ErrorKind::kDuplicateName, "blk.0.attn_q.weight.scale", "blk.0.attn_q.scale"},
    {"FusedRowsDoNotDivide", [](GgufModel& g) { fuse(g, 18); }, ErrorKind::kShapeMismatch,
     "blk.0.attn_qkv.weight", "4 heads"},
    {"FusedAndSplit",
     [](GgufModel& g) {
       g.f32("blk.0.attn_qkv.weight", {8, 16});
     },
     ErrorKind::kDuplicateName, "model.layers.0.self_attn.q_proj.weight", "means the same"},
};

class Refused : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Gguf, Refused, ::testing::ValuesIn(kRefused),
                         [](const auto& c) { return std::string(c.param.name); });

TEST_P(Refused, KindTensorAndSentence) {
  GgufModel gguf = small_llama();
  ASSERT_TRUE(ImportedGguf(gguf).model.ok());
  GetParam().change(gguf);
  expect_refused(gguf, GetParam().kind, GetParam().tensor, GetParam().fragment);
}

TEST(GgufRefusals, UnknownArchitecturesNameTheOption) {
  expect_refused(small_llama("no-such-model"), ErrorKind::kUnsupportedArchitecture, "", "--as-is");
}

TEST(GgufRefusals, NoArchitectureAtAll) {
  GgufModel gguf = small_llama();
  gguf.file.entries.erase(gguf.file.entries.begin());
  expect_refused(gguf, ErrorKind::kUnsupportedArchitecture, "", "general.architecture");
}

TEST(GgufRefusals, FamiliesWhoseRowsSomeConvertersMove) {
  GgufModel gguf = small_llama("glm4");
  gguf.numbers("rope.dimension_sections", {1, 1, 0, 0});
  expect_refused(gguf, ErrorKind::kUnsupportedArchitecture, "", "glm4");
}

const Case kAccepted[] = {
    {"HeadsOfEachBlock", [](GgufModel& g) { g.numbers("attention.head_count", {2}); }},
    {"HeadsOf64Bits",
     [](GgufModel& g) {
       g.value("attention.head_count", testing::kGgufI64, g.file.encoder.num<int64_t>(2));
     }},
    {"NormWithATrailingOne",
     [](GgufModel& g) {
       g.file.tensor("output_norm.weight").ne = {8, 1};
     }},
    {"LabelOfAnotherType",
     [](GgufModel& g) {
       g.file.add("general.file_type", testing::kGgufU32, g.file.encoder.num<uint32_t>(15));
     }},
    {"TypeModel", [](GgufModel& g) { g.text("general.type", "model"); }},
    {"VisionTowerBeside",
     [](GgufModel& g) {
       g.f32("v.blk.0.attn_q.weight", {4, 4});
     }},
};

class Accepted : public ::testing::TestWithParam<Case> {};
INSTANTIATE_TEST_SUITE_P(Gguf, Accepted, ::testing::ValuesIn(kAccepted),
                         [](const auto& c) { return std::string(c.param.name); });

TEST_P(Accepted, LikeTheModelWithout) {
  GgufModel gguf = small_llama();
  GetParam().change(gguf);
  const ImportedGguf imported(gguf);
  ASSERT_TRUE(imported.model.ok()) << imported.error_line();
  EXPECT_EQ(imported.values("model.layers.0.self_attn.q_proj.weight"),
            gguf.rows("blk.0.attn_q.weight", 8, {0, 2, 1, 3, 4, 6, 5, 7}));
  EXPECT_EQ(imported.tensor("model.norm.weight")->shape, Shape{8});
}

// Sets of tests/data/gguf-malformed that hold a whole model, and one that lacks a tensor.
TEST(GgufSets, AreOneModel) {
  const std::filesystem::path corpus = std::filesystem::path(IMP_TEST_DATA) / "gguf-malformed";
  for (const char* set : {"60-split-valid", "60-split-valid-empty-first"}) {
    CollectingLog log;
    const auto model = import_checkpoint(corpus / set / "m-00002-of-00002.gguf", {}, log);
    ASSERT_TRUE(model.ok()) << model.error().to_line();
    EXPECT_EQ(model->source.files.size(), 2u);
    EXPECT_EQ(model->weights.size(), 12u);
  }
  CollectingLog log;
  const auto model = import_checkpoint(corpus / "61-split-tensor-missing", {}, log);
  ASSERT_FALSE(model.ok());
  EXPECT_EQ(model.error().kind, ErrorKind::kMissingTensor);
  EXPECT_EQ(model.error().tensor, "model.layers.0.self_attn.o_proj.weight");
}

}  // namespace
}  // namespace imp::model
