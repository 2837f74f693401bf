// Layouts of other engines through the conversion: every byte of every form against the generators
// of tests/reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <random>

#include "formats/imp/reader.h"
#include "src/plan/engine_forms.h"
#include "tests/unit/checkpoint_editor.h"
#include "tests/unit/conversion.h"
#include "tests/unit/engine_expected.h"
#include "tests/unit/ragged_checkpoint.h"

namespace imp::testing {
namespace {

using model::ComponentKind;
using plan::LayoutId;

convert::Options options_of(const std::filesystem::path& input, LayoutId layout) {
  convert::Options options = options_for(input, {});
  options.plan.layout = layout;
  return options;
}

struct Converted {
  std::string bytes;
  convert::Report report;
  std::optional<convert::Prepared> made;
  CollectingLog log;
  const convert::Prepared& prepared() const { return *made; }
};

/// REQUIRES: converts.
std::unique_ptr<Converted> convert_all(const convert::Options& options) {
  auto all = std::make_unique<Converted>();
  auto prepared = convert::prepare(options, all->log);
  if (!prepared.ok()) throw std::runtime_error(prepared.error().to_line());
  all->made = std::move(prepared).take();
  MemoryFile file;
  const auto report = convert::run_into(file, *all->made, options, ::testing::TempDir(), all->log);
  if (!report.ok()) throw std::runtime_error(report.error().to_line());
  all->report = *report;
  all->bytes = file.bytes();
  return all;
}

const plan::Form* engine_form(const plan::Operand& operand) {
  for (const plan::Form& form : operand.forms)
    if (plan::is_engine_layout(form.layout)) return &form;
  return nullptr;
}

void expect_components(const Converted& all, const plan::Operand& operand, const plan::Form& form) {
  const EngineOracle oracle(all.prepared(), operand, form);
  EXPECT_EQ(form.padded_n, oracle.padded_n());
  EXPECT_EQ(form.padded_k, oracle.padded_k());
  for (const plan::Component& c : form.components)
    for (uint64_t e = 0; e < operand.experts; ++e) {
      const reference::Buffer want = oracle.component(c.kind, e);
      if (want.empty()) continue;
      const uint64_t at =
          all.prepared().plan.blobs[c.blob].offset_bytes + e * c.expert_stride_bytes;
      EXPECT_EQ(c.size_bytes, want.size() * operand.experts);
      const auto* have = reinterpret_cast<const uint8_t*>(all.bytes.data()) + at;
      EXPECT_TRUE(std::equal(want.begin(), want.end(), have))
          << "component of kind " << static_cast<int>(c.kind) << " of expert " << e;
    }
}

std::vector<repack::LostGroup> exceptions_in(const Converted& all, const std::string& name) {
  const TempFolder folder;
  const auto path = folder.write("a.imp", all.bytes);
  const auto reader = artifact::Reader::open(path);
  if (!reader.ok()) throw std::runtime_error(reader.error().to_line());
  const auto& operand = reader->operands()[*reader->find_operand(name)];
  std::vector<repack::LostGroup> groups;
  for (const auto& form : reader->forms_of(operand)) {
    const auto* component = reader->find_component(form, ComponentKind::kExceptions);
    if (component == nullptr) continue;
    std::vector<std::byte> bytes(component->size_bytes);
    if (!reader->read_component(*component, 0, bytes).ok()) throw std::runtime_error("unreadable");
    for (size_t at = 0; at < bytes.size(); at += repack::kLostGroupBytes)
      groups.push_back(repack::parse_record(bytes.data() + at));
  }
  return groups;
}

/// Every byte of every engine form; returns how many operands have one.
size_t expect_converts(const convert::Options& options) {
  const auto all = convert_all(options);
  size_t forms = 0;
  uint64_t flushed = 0;
  for (const plan::Operand& operand : all->prepared().plan.operands) {
    SCOPED_TRACE(operand.name);
    const plan::Form* form = engine_form(operand);
    if (form == nullptr) continue;
    ++forms;
    expect_components(*all, operand, *form);
    if (operand.scheme != model::Scheme::kNvfp4) continue;
    const EngineOracle oracle(all->prepared(), operand, *form);
    EXPECT_TRUE(exceptions_in(*all, operand.name) == oracle.lost());
    flushed += oracle.flushed();
  }
  EXPECT_EQ(all->report.flushed_scales, flushed);
  return forms;
}

struct Case {
  const char* fixture;
  LayoutId layout;
  size_t operands;  ///< that the layout holds
};

constexpr Case kCases[] = {
    {"modelopt-nvfp4-llama", LayoutId::kMarlin, 8},
    {"modelopt-nvfp4-llama", LayoutId::kMarlinA0, 8},
    {"modelopt-nvfp4-llama", LayoutId::kMaxSm8x, 8},
    {"modelopt-nvfp4-llama-odd", LayoutId::kMarlin, 14},
    {"modelopt-nvfp4-llama-odd", LayoutId::kMarlinA0, 14},
    {"modelopt-nvfp4-qwen3moe", LayoutId::kMarlin, 8},
    {"modelopt-nvfp4-qwen3moe", LayoutId::kMaxSm8x, 6},
    {"ct-v012-nvfp4-llama-small", LayoutId::kMarlin, 4},
    {"modelopt-other-nvfp4-gptoss", LayoutId::kMarlin, 8},
    {"modelopt-mxfp4-qwen3moe", LayoutId::kMarlin, 4},
    {"ct-mxfp4a16-llama-odd", LayoutId::kMarlin, 7},
    {"ct-autoround-w4a16-llama-small", LayoutId::kMarlin, 4},
    {"ct-autoround-w4a16-llama-small", LayoutId::kMachete4, 4},
    {"ct-w4a8-llama-small", LayoutId::kMarlin, 4},
    {"ct-w4a8-llama-small", LayoutId::kMachete4, 4},
    {"ct-v012-w4a16-g32-actordergroup-qwen3moe", LayoutId::kMarlin, 4},
    {"ct-v012-w4a16asym-g32-actordergroup-llama-small", LayoutId::kMarlin, 4},
    {"ct-w4a16asym-llama", LayoutId::kMarlin, 4},
    {"ct-w4a16asym-llama", LayoutId::kMachete4, 4},
    {"ct-autoround-int8w8a8-llama-small", LayoutId::kMarlin, 4},
    {"ct-autoround-int8w8a8-llama-small", LayoutId::kMachete8, 4},
    {"ct-w8a8asym-static-llama-odd", LayoutId::kMarlin, 7},
    {"other-mxfp4-gptoss", LayoutId::kMarlin, 4},
    {"modelopt-fp8-llama-odd", LayoutId::kMarlin, 7},
    {"modelopt-fp8-gptoss", LayoutId::kMarlin, 4},
    {"modelopt-fp8block-edge-llama", LayoutId::kMarlin, 7},
    {"ct-fp8block-llama-odd", LayoutId::kMarlin, 7},
    {"ct-fp8-weightonly-naive-llama-small", LayoutId::kMarlin, 4},
    {"other-fp8block-ue8m0-qwen3", LayoutId::kMarlin, 4},
};

TEST(ConvertEngine, BytesOfEveryFixture) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(std::string(one.fixture) + " in layout " +
                 layouts::find_layout(static_cast<uint16_t>(one.layout))->name);
    EXPECT_EQ(expect_converts(options_of(fixture(one.fixture), one.layout)), one.operands);
  }
}

const LayoutId kNvfp4Layouts[] = {LayoutId::kMarlin, LayoutId::kMarlinA0};

// Rows in many slabs and in one, whole words and the index map: the same bytes. Scales of every
// kind: zero, minus zero, subnormal, large.
TEST(ConvertEngine, SlabsThreadsAndPathsDoNotMatter) {
  const TempFolder folder;
  const auto input = write_ragged_checkpoint(folder.path() / "in");
  for (const LayoutId layout : kNvfp4Layouts) {
    convert::Options options = options_of(input, layout);
    EXPECT_EQ(expect_converts(options), 14u);
    const std::string reference = convert_all(options)->bytes;
    for (const uint64_t threads : {4, 200}) {  // slabs of 80 KiB with 200
      options.threads = threads;
      EXPECT_TRUE(convert_all(options)->bytes == reference) << threads << " threads";
    }
    options.path = repack::Path::kMap;
    EXPECT_TRUE(convert_all(options)->bytes == reference) << "through the index map";
  }
}

void set_rows(CheckpointEditor& editor, const std::string& tensor, uint64_t rows,
              uint64_t columns) {
  EditedTensor& t = editor.tensor(tensor);
  t.shape = {rows, columns};
  t.bytes.resize(rows * columns, '\x31');
}

/// Experts of this intermediate size.
void set_intermediate(CheckpointEditor& editor, uint64_t rows) {
  for (int layer = 0; layer < 2; ++layer)
    for (int expert = 0; expert < 4; ++expert) {
      const std::string at =
          "model.layers." + std::to_string(layer) + ".mlp.experts." + std::to_string(expert) + ".";
      for (const char* name : {"gate_proj", "up_proj"}) {
        set_rows(editor, at + name + ".weight", rows, 64);
        set_rows(editor, at + name + ".weight_scale", rows, 8);
      }
      set_rows(editor, at + "down_proj.weight", 128, rows / 2);
      set_rows(editor, at + "down_proj.weight_scale", 128, rows / 16);
    }
  editor.config()["moe_intermediate_size"] = rows;
}

TEST(ConvertEngine, GateAndUpOfExpertsArePaddedEachForItself) {
  const TempFolder folder;
  CheckpointEditor editor("modelopt-nvfp4-qwen3moe");
  set_intermediate(editor, 48);
  const auto input = editor.write(folder.path());
  for (const LayoutId layout : kNvfp4Layouts) {
    const convert::Options options = options_of(input, layout);
    EXPECT_EQ(expect_converts(options), 8u);
    const auto all = convert_all(options);
    for (const plan::Operand& o : all->prepared().plan.operands) {
      if (o.name == "model.layers.0.mlp.experts.gate_up_proj") {
        EXPECT_EQ(o.n, 96u);
        EXPECT_EQ(engine_form(o)->padded_n, 128u);
      }
      if (o.name == "model.layers.0.mlp.experts.down_proj") {
        EXPECT_EQ(o.k, 48u);
        EXPECT_EQ(engine_form(o)->padded_k, 64u);
      }
    }
  }
}

TEST(ConvertEngine, WeightsThatAreQuantisedAnew) {
  convert::Options options = options_of(fixture("other-bf16-gptoss"), LayoutId::kMarlin);
  const auto rule = transcode::parse_rule("self_attn=nvfp4");
  ASSERT_TRUE(rule.ok());
  options.transcode = {*rule};
  EXPECT_GE(expect_converts(options), 2u);
}

TEST(ConvertEngine, FlushedScalesAreCountedAndMayBeRefused) {
  convert::Options options = options_of(fixture("modelopt-nvfp4-llama"), LayoutId::kMarlin);
  const auto all = convert_all(options);
  EXPECT_EQ(all->report.flushed_scales, 256u);
  EXPECT_EQ(all->report.exceptions, 256u);
  ASSERT_EQ(all->log.warnings.size(), 1u);
  EXPECT_NE(all->log.warnings[0].find("256 block scales in 8 operands"), std::string::npos);

  options.max_flushed = 256;
  EXPECT_EQ(convert_all(options)->report.flushed_scales, 256u);
  options.max_flushed = 255;
  MemoryFile file;
  CollectingLog log;
  const auto report = convert::run_into(file, all->prepared(), options, ::testing::TempDir(), log);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::kUnsupportedScheme);
  EXPECT_NE(report.error().message.find("256 block scales are flushed by the layout, 255"),
            std::string::npos)
      << report.error().message;
  EXPECT_FALSE(file.committed());
}

TEST(ConvertEngine, SizesAreThoseOfThePlan) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.fixture);
    const auto all = convert_all(options_of(fixture(one.fixture), one.layout));
    const plan::Plan& plan = all->prepared().plan;
    EXPECT_EQ(all->report.payload_offset_bytes, plan.payload_offset_bytes);
    EXPECT_EQ(all->report.payload_bytes, plan.payload_end_bytes - plan.payload_offset_bytes);
    EXPECT_LE(all->report.exceptions * repack::kLostGroupBytes, plan.exceptions_bound_bytes);
    EXPECT_GT(all->report.total_bytes, plan.payload_end_bytes);
    EXPECT_LE(all->report.total_bytes,
              plan.payload_end_bytes + plan.exceptions_bound_bytes + plan.tail_bound_bytes);
  }
}

// ---- what cannot be written

struct Refusal {
  const char* what;
  const char* fixture;
  LayoutId layout;
  std::function<void(CheckpointEditor&)> edit;
  const char* tensor;
  const char* fragment;
};

constexpr const char* kDown = "model.layers.0.mlp.down_proj.";

void set_first_scale(CheckpointEditor& editor, const std::string& tensor,
                     const std::string& bytes) {
  std::string& all = editor.tensor(tensor).bytes;
  std::copy(bytes.begin(), bytes.end(), all.begin());
}

TEST(ConvertEngine, NumbersThatLeaveTheRange) {
  const std::string down = kDown;
  const Refusal refusals[] = {
      {"multiplier above what 2^119 leaves room for", "modelopt-nvfp4-llama", LayoutId::kMarlin,
       [&](CheckpointEditor& e) { e.set_f32(down + "weight_scale_2", 1000.0f); },
       "model.layers.0.mlp.down_proj.weight_scale_2", "no normal f32, which marlin needs"},
      {"fp8 multiplier", "modelopt-fp8-llama-odd", LayoutId::kMarlin,
       [&](CheckpointEditor& e) { e.set_f32(down + "weight_scale", 256.0f); },
       "model.layers.0.mlp.down_proj.weight_scale", "is 256 or more"},
      {"fp8 scale of a row", "ct-fp8-weightonly-naive-llama-small", LayoutId::kMarlin,
       [&](CheckpointEditor& e) {
         set_first_scale(e, down + "weight_scale",
                         e.tensor(down + "weight_scale").dtype == "BF16"
                             ? std::string("\x80\x43", 2)
                             : f32_bytes({256.0f}));
       },
       "model.layers.0.mlp.down_proj.weight_scale", "marlin's fp8 kernels take less than 256"},
      {"scale that its zero point takes beyond bf16", "ct-w4a16asym-llama", LayoutId::kMachete4,
       [&](CheckpointEditor& e) {
         set_first_scale(e, down + "weight_scale", std::string("\x7F\x7F", 2));
       },
       "model.layers.0.mlp.down_proj.weight_zero_point", "overflows once it is multiplied"},
  };
  for (const Refusal& refusal : refusals) {
    SCOPED_TRACE(refusal.what);
    const TempFolder folder;
    CheckpointEditor editor(refusal.fixture);
    EXPECT_NO_THROW(convert_all(options_of(
        CheckpointEditor(refusal.fixture).write(folder.path() / "good"), refusal.layout)));
    refusal.edit(editor);
    const convert::Options options =
        options_of(editor.write(folder.path() / "bad"), refusal.layout);
    CollectingLog log;
    const auto result = convert_to_memory(options, log);
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(error_kind_name(result.error().kind), error_kind_name(ErrorKind::kBadScale));
    EXPECT_EQ(result.error().tensor, refusal.tensor);
    EXPECT_NE(result.error().message.find(refusal.fragment), std::string::npos)
        << result.error().message;
  }
}

}  // namespace
}  // namespace imp::testing
