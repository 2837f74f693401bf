// The plan as people and programs see it.
#include <gtest/gtest.h>

#include <sstream>

#include "src/base/text.h"
#include "src/plan/print.h"
#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using nlohmann::json;
using testing::Planned;

constexpr uint64_t kThreads = 4;

std::string text_of(const Planned& planned, const std::string& folder) {
  std::ostringstream out;
  // Where the fixture lies differs from machine to machine.
  testing::Imported copy("modelopt-nvfp4-llama-odd");
  copy.model->source.folder = folder;
  print_plan(out, *copy.model, planned.plan, kThreads);
  return out.str();
}

json json_of(const Planned& planned) {
  std::ostringstream out;
  print_plan_json(out, planned.model(), planned.plan, kThreads);
  return json::parse(out.str());
}

// Every number was recomputed apart from this project: bytes from the shapes (mma64 2304 a block of
// 64 x 64; native rows of 16 bytes; scale tiles of 512; vectors once), the payload by laying them
// out, the index from the records of SPEC.md.
constexpr const char* kOddOnTwoTargets =
    R"(source   checkpoint (LlamaForCausalLM, modelopt 0.47.0, NVFP4)
targets  sm_89 sm_120   layout default

operand                                         role               scheme    layout        shape              padded                          bytes  fusion
model.embed_tokens                              token_embedding    bf16      plain         [130, 208]         -                              54,080  also the output head (tied)
model.layers.0.input_layernorm.weight           attn_norm          bf16      plain         [208]              -                                 416
model.layers.0.self_attn.q_proj                 attn_q             nvfp4     mma64+native  192 x 208          192x256+192x224                53,640  not fused: q_proj has 192 rows, native joins at multiples of 128
model.layers.0.self_attn.k_proj                 attn_k             nvfp4     mma64+native  96 x 208           128x256+96x224                 31,432  not fused: q_proj has 192 rows, native joins at multiples of 128
model.layers.0.self_attn.v_proj                 attn_v             nvfp4     mma64+native  96 x 208           128x256+96x224                 31,432  not fused: q_proj has 192 rows, native joins at multiples of 128
model.layers.0.self_attn.o_proj                 attn_o             nvfp4     mma64+native  208 x 192          256x192                        51,112
model.layers.0.post_attention_layernorm.weight  ffn_norm           bf16      plain         [208]              -                                 416
model.layers.0.mlp.gate_proj                    ffn_gate           nvfp4     mma64+native  400 x 208          448x256+400x224               118,312  not fused: gate_proj has 400 rows, mma64 joins at multiples of 64
model.layers.0.mlp.up_proj                      ffn_up             nvfp4     mma64+native  400 x 208          448x256+400x224               118,312  not fused: gate_proj has 400 rows, mma64 joins at multiples of 64
model.layers.0.mlp.down_proj                    ffn_down           nvfp4     mma64+native  208 x 400          256x448+208x416               115,368
model.layers.1.input_layernorm.weight           attn_norm          bf16      plain         [208]              -                                 416
model.layers.1.self_attn.q_proj                 attn_q             nvfp4     mma64+native  192 x 208          192x256+192x224                53,640  not fused: q_proj has 192 rows, native joins at multiples of 128
model.layers.1.self_attn.k_proj                 attn_k             nvfp4     mma64+native  96 x 208           128x256+96x224                 31,432  not fused: q_proj has 192 rows, native joins at multiples of 128
model.layers.1.self_attn.v_proj                 attn_v             nvfp4     mma64+native  96 x 208           128x256+96x224                 31,432  not fused: q_proj has 192 rows, native joins at multiples of 128
model.layers.1.self_attn.o_proj                 attn_o             nvfp4     mma64+native  208 x 192          256x192                        51,112
model.layers.1.post_attention_layernorm.weight  ffn_norm           bf16      plain         [208]              -                                 416
model.layers.1.mlp.gate_proj                    ffn_gate           nvfp4     mma64+native  400 x 208          448x256+400x224               118,312  not fused: gate_proj has 400 rows, mma64 joins at multiples of 64
model.layers.1.mlp.up_proj                      ffn_up             nvfp4     mma64+native  400 x 208          448x256+400x224               118,312  not fused: gate_proj has 400 rows, mma64 joins at multiples of 64
model.layers.1.mlp.down_proj                    ffn_down           nvfp4     mma64+native  208 x 400          256x448+208x416               115,368
model.norm.weight                               final_norm         bf16      plain         [208]              -                                 416

scheme     modules     source bytes
bf16             6           56,160
nvfp4           14          422,096

tensors  70 converted, 6 copied, 0 ignored; 478,256 bytes
operands 20
index    40,960 bytes (payload starts there)
payload  1,104,800 bytes
exceptions  at most 784,992 bytes
)";

TEST(Print, TheWholeText) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{120, 89}, {}});
  // The two bounds below depend on the buffers of the day.
  const std::string bounds =
      "tail     at most " + with_thousands(planned.plan.tail_bound_bytes) +
      " bytes (digests, manifest, companions)\nmemory   at most " +
      human_bytes(peak_memory_bytes(planned.model(), planned.plan, kThreads)) + "\n";
  EXPECT_EQ(text_of(planned, "checkpoint"), kOddOnTwoTargets + bounds);
}

TEST(Print, AFolderNameCannotTouchTheTerminal) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{89}, {}});
  EXPECT_TRUE(text_of(planned, "in\x1b[2J\n\xFF")
                  .starts_with("source   in\\x1b[2J\\x0a\\xff (LlamaForCausalLM"));
}

TEST(PrintJson, HeadAndTotals) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{120, 89}, {}});
  const json document = json_of(planned);
  EXPECT_EQ(document["source"], planned.model().source.folder.string());
  EXPECT_EQ(document["architecture"], "LlamaForCausalLM");
  EXPECT_EQ(document["producer"], "modelopt 0.47.0");
  EXPECT_EQ(document["quantization"], "NVFP4");
  EXPECT_EQ(document["targets"], "sm_89 sm_120");
  EXPECT_EQ(document["layout"], "default");
  EXPECT_EQ(document["inventory"],
            (json{{"converted", 70}, {"copied", 6}, {"ignored", 0}, {"source_bytes", 478256}}));
  EXPECT_EQ(
      document["schemes"],
      json::parse(
          R"({"bf16": {"modules": 6, "source_bytes": 56160}, "nvfp4": {"modules": 14, "source_bytes": 422096}})"));
  EXPECT_EQ(document["totals"]["payload_offset_bytes"], 40960);
  EXPECT_EQ(document["totals"]["index_bytes"], 40960);
  EXPECT_EQ(document["totals"]["payload_bytes"], 1104800);
  EXPECT_EQ(document["totals"]["exceptions_bound_bytes"], 784992);
  EXPECT_EQ(document["totals"]["tail_bound_bytes"], planned.plan.tail_bound_bytes);
  EXPECT_EQ(document["peak_memory_bytes"],
            peak_memory_bytes(planned.model(), planned.plan, kThreads));
  EXPECT_EQ(document["operands"].size(), 20u);
}

TEST(PrintJson, AnOperand) {
  const Planned planned("modelopt-nvfp4-qwen2moe", {{89}, {}});
  json found;
  const json document = json_of(planned);
  for (const json& operand : document["operands"])
    if (operand["name"] == "model.layers.1.mlp.experts.gate_up_proj") found = operand;
  EXPECT_EQ(found["role"], "expert_gate_up");
  EXPECT_EQ(found["scheme"], "nvfp4");
  EXPECT_EQ(found["layer"], 1);
  EXPECT_EQ(found["experts"], 4);
  EXPECT_EQ(found["n"], 128);
  EXPECT_EQ(found["k"], 128);
  EXPECT_EQ(found["fusion"], "fused: gate_proj, up_proj");
  EXPECT_EQ(found["parts"],
            json::parse(R"([{"module": "model.layers.1.mlp.experts.*.gate_proj", "n0": 0, "n": 64},
                                            {"module": "model.layers.1.mlp.experts.*.up_proj", "n0": 64, "n": 64}])"));
  EXPECT_FALSE(found.contains("tied_head"));
  ASSERT_EQ(found["forms"].size(), 1u);
  const json& form = found["forms"][0];
  EXPECT_EQ(form["layout"], "mma64");
  EXPECT_EQ(form["major"], 1);
  EXPECT_EQ(form["targets"], "sm_80 sm_86 sm_87 sm_88 sm_89 sm_90");
  EXPECT_EQ(form["padded_n"], 128);
  EXPECT_EQ(form["padded_k"], 128);
  ASSERT_EQ(form["components"].size(), 4u);
  const Component& blocks =
      planned.operand("model.layers.1.mlp.experts.gate_up_proj").forms[0].components[0];
  EXPECT_EQ(form["components"][0], (json{{"kind", 2},
                                         {"dtype", "U8"},
                                         {"shape", {4, 2, 2, 2304}},
                                         {"offset_bytes", planned.blob(blocks).offset_bytes},
                                         {"size_bytes", 36864}}));
  EXPECT_FALSE(form["components"][3].contains("offset_bytes"))
      << "exceptions: known only at the end";
  EXPECT_EQ(found["size_bytes"], 36864 + 32 + 32);
}

TEST(PrintJson, ATiedHeadAndALayoutByName) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{}, LayoutId::kNative});
  const json document = json_of(planned);
  EXPECT_EQ(document["targets"], "any");
  EXPECT_EQ(document["layout"], "native");
  EXPECT_EQ(document["operands"][0]["name"], "model.embed_tokens");
  EXPECT_EQ(document["operands"][0]["tied_head"], true);
  EXPECT_FALSE(document["operands"][0].contains("layer"));
}

TEST(PrintJson, BytesThatAreNoUtf8DoNotBreakTheDocument) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{89}, {}});
  testing::Imported copy("modelopt-nvfp4-llama-odd");
  copy.model->source.folder = "in\xFF\n\"";
  std::ostringstream out;
  print_plan_json(out, *copy.model, planned.plan, kThreads);
  EXPECT_EQ(json::parse(out.str())["source"], "in\xEF\xBF\xBD\n\"");
}

TEST(PrintJson, OneOperandAloneIsTheSame) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{89}, {}});
  const json document = json_of(planned);
  for (uint32_t o = 0; o < planned.plan.operands.size(); ++o)
    EXPECT_EQ(json::parse(operand_json(planned.model(), planned.plan, o)), document["operands"][o]);
}

}  // namespace
}  // namespace imp::plan
