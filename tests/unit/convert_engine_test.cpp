// Layouts of other engines through the conversion: every byte of every form against the generators
// of tests/reference.
#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <random>

#include "formats/imp/reader.h"
#include "src/plan/engine_forms.h"
#include "tests/unit/checkpoint_editor.h"
#include "tests/unit/conversion.h"
#include "tests/unit/engine_expected.h"

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

}  // namespace
}  // namespace imp::testing
