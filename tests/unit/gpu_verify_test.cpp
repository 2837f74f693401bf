// imp-verify on a card: every fixture through the bundled GPU GEMM, and what it must not let pass.
#include <optional>

#include "kernels/gemm/gemm.h"
#include "src/verify/backend.h"
#include "src/verify/numerics.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/conversion.h"
#include "tests/unit/gpu.h"
#include "tests/unit/llama_of_blocks.h"

namespace imp::testing {
namespace {

using verify::Backend;
using verify::Level;
using verify::Verdict;

constexpr uint16_t kMma64 = 2;

/// A checkpoint of each scheme and encoding beside NVFP4.
constexpr const char* kFixturesOfOtherSchemes[] = {
    "ct-autoround-int8w8a8-llama-small",
    "ct-autoround-w4a16-llama-small",
    "ct-dense-fakequant-llama-small",
    "ct-fp8-kvfp8-llama-small",
    "ct-fp8-weightonly-naive-llama-small",
    "ct-fp8block-llama-odd",
    "ct-mxfp4a16-llama-odd",
    "ct-mxfp8a16-llama-small",
    "ct-v012-sparse24-bf16-llama-small",
    "ct-v012-sparse24-fp8dynamic-llama-small",
    "ct-v012-sparse24-w8a8-llama-small",
    "ct-v012-sparsebitmask-bf16-llama-small",
    "ct-v012-w4a16-g32-actordergroup-qwen3moe",
    "ct-v012-w4a16asym-g32-actordergroup-llama-small",
    "ct-v012-w5a16-padded-llama-small",
    "ct-w2a16-llama-small",
    "ct-w3a16asym-channel-llama-odd",
    "ct-w4a8-llama-small",
    "ct-w8a8asym-static-llama-odd",
    "modelopt-fp8-gptoss",
    "modelopt-fp8-llama-odd",
    "modelopt-fp8block-edge-llama",
    "modelopt-int4-llama",
    "modelopt-int8wo-qwen3moe",
    "modelopt-mxfp4-qwen3moe",
    "modelopt-mxfp8-qwen3moe",
    "modelopt-w4a8awq-llama",
    "other-bf16-gptoss",
    "other-fp8block-ue8m0-qwen3",
    "other-fp8block64-1block-qwen3moe",
    "other-mxfp4-gptoss",
};

class GpuVerify : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    // Newer cards have kernels for mma64 too, but files serve them with native forms by default.
    if (device().sm < 80 || device().sm > 90)
      GTEST_SKIP() << "NOT RUN: mma64 forms are written for sm_80 to sm_90, this is sm_"
                   << device().sm;
    auto made = verify::make_cuda_backend(device());
    ASSERT_TRUE(made.ok()) << made.error().to_line();
    backend_ = std::move(made).take();
  }

  verify::Report verify(const std::string& bytes, Backend backend, bool all = false) const {
    verify::Options options;
    options.artifact = folder_.write("subject.imp", bytes);
    options.backend = backend;
    options.all = all;
    options.threads = 4;
    CollectingLog log;
    return verify::run(options, log);
  }

  TempFolder folder_;
  std::unique_ptr<verify::GemmBackend> backend_;
};

void expect_passed(const verify::Report& report, const std::string& what) {
  for (size_t l = 0; l < verify::kLevelCount; ++l)
    for (const Error& error : report.levels[l].problems)
      ADD_FAILURE() << what << ", " << verify::level_name(static_cast<Level>(l)) << ": "
                    << error.to_line();
  EXPECT_TRUE(report.passed()) << what;
}

TEST_F(GpuVerify, EveryFixturePassesOnTheCard) {
  for (const char* name :
       {"modelopt-nvfp4-llama", "modelopt-nvfp4-llama-odd", "modelopt-nvfp4-qwen3moe",
        "modelopt-nvfp4-qwen2moe", "modelopt-nvfp4-sharded-llama", "modelopt-nvfp4-lmhead-llama",
        "modelopt-nvfp4-f16-llama", "modelopt-nvfp4static-fouroversix-llama",
        "modelopt-w4a8nvfp4-llama", "modelopt-other-nvfp4-gptoss", "ct-v012-nvfp4-llama-small"}) {
    const auto report = verify(artifact_of(fixture(name), {90}), Backend::kCuda, true);
    expect_passed(report, name);
    EXPECT_EQ(report.backend, "cuda");
    const std::string& summary = report.at(Level::kNumerics).summary;
    EXPECT_NE(summary.find(" on cuda (" + device().name), std::string::npos) << summary;
    EXPECT_NE(summary.find("kernels x rows x types forced"), std::string::npos) << summary;
  }
}

/// Native forms have no tuned kernel on these cards: the scalar one judges them.
TEST_F(GpuVerify, AFileOfTwoTargetsRunsOnTheCardAsAWhole) {
  for (const Backend backend : {Backend::kAuto, Backend::kCuda}) {
    const auto report =
        verify(artifact_of(fixture("modelopt-nvfp4-llama-odd"), {90, 120}), backend, true);
    expect_passed(report, "two targets");
    EXPECT_EQ(report.backend, "cuda");
    const std::string& summary = report.at(Level::kNumerics).summary;
    EXPECT_NE(summary.find("on the scalar kernel: "), std::string::npos) << summary;
    EXPECT_EQ(summary.find(" 0 on the scalar kernel"), std::string::npos) << summary;
    EXPECT_EQ(summary.find(" 0 on tuned kernels"), std::string::npos) << summary;
    EXPECT_EQ(summary.find("on the CPU"), std::string::npos) << summary;
  }
}

TEST_F(GpuVerify, AFileForOtherCardsIsJudgedByTheScalarKernel) {
  const std::string bytes = artifact_of(fixture("modelopt-nvfp4-llama-odd"), {120});
  const auto report = verify(bytes, Backend::kCuda, true);
  expect_passed(report, "sm_120");
  EXPECT_EQ(report.backend, "cuda");
  const std::string& summary = report.at(Level::kNumerics).summary;
  EXPECT_NE(summary.find(", 0 on tuned kernels, "), std::string::npos) << summary;
}

/// Every form that a converter writes for this card runs on it, whatever its scheme.
TEST_F(GpuVerify, NoSchemeIsLeftToTheCpu) {
  for (const char* name : kFixturesOfOtherSchemes) {
    const auto report = verify(artifact_of(fixture(name), {90}), Backend::kCuda, true);
    expect_passed(report, name);
    const std::string& summary = report.at(Level::kNumerics).summary;
    EXPECT_EQ(summary.find("content only"), std::string::npos) << name << ": " << summary;
    EXPECT_EQ(summary.find("on the CPU"), std::string::npos) << name << ": " << summary;
  }
}

TEST_F(GpuVerify, FlippedBitInTheFileNamesTheOperand) {
  const std::string operand = "model.layers.0.mlp.gate_up_proj";
  Damaged damaged(artifact_of(fixture("modelopt-nvfp4-llama"), {90}));
  uint64_t offset = 0;
  {
    const auto reader = open_bytes(folder_, damaged.bytes);
    ASSERT_TRUE(reader.ok());
    const auto& record = reader->operands()[*reader->find_operand(operand)];
    const auto* blocks =
        reader->find_component(reader->forms_of(record)[0], artifact::ComponentKind::kBlocks);
    ASSERT_NE(blocks, nullptr);
    offset = blocks->offset_bytes;
  }
  damaged.bytes[offset + 100] ^= 1;
  const auto report = verify(damaged.bytes, Backend::kCuda);
  EXPECT_EQ(report.exit_code(), 5);
  ASSERT_FALSE(report.at(Level::kContent).problems.empty());
  EXPECT_EQ(report.at(Level::kContent).problems[0].tensor, operand);
}

/// What the kernels alone must see: the bytes on the card differ from those that the reference was
/// made of.
class GpuVerifySlab : public GpuVerify {
 protected:
  void SetUp() override {
    GpuVerify::SetUp();
    if (IsSkipped() || HasFatalFailure()) return;
    auto opened = open_bytes(folder_, artifact_of(fixture("modelopt-nvfp4-llama-odd"), {90}));
    ASSERT_TRUE(opened.ok());
    reader_.emplace(std::move(opened).take());
    const auto& operand = reader_->operands()[*reader_->find_operand(kOperand)];
    for (const auto& form : reader_->forms_of(operand))
      if (form.layout == kMma64) view_.emplace(verify::FormView{*reader_, operand, form});
    ASSERT_TRUE(view_);
    ASSERT_TRUE(backend_->serves(*view_));
    auto stored = verify::read_slab(*view_, 0, 128, 80);  // rows 128..207, the last of [208, 400]
    ASSERT_TRUE(stored.ok());
    stored_ = std::move(stored).take();
    auto canonical = verify::invert(*view_, stored_);
    ASSERT_TRUE(canonical.ok());
    canonical_ = std::move(canonical).take();
  }
  verify::SlabUnderTest slab() const { return {*view_, stored_, canonical_}; }

  void expect_seen(const Status& status, const std::string& fragment) const {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kNumericsMismatch) << status.error().to_line();
    EXPECT_EQ(status.error().tensor, kOperand);
    EXPECT_NE(status.error().message.find(fragment), std::string::npos) << status.error().message;
  }

  static constexpr char kOperand[] = "model.layers.0.mlp.down_proj";
  std::optional<artifact::Reader> reader_;
  std::optional<verify::FormView> view_;
  verify::StoredSlab stored_;
  verify::CanonicalSlab canonical_;
};

TEST_F(GpuVerifySlab, SoundSlabPassesEveryCheck) {
  verify::NumericsCounts counts;
  EXPECT_TRUE(backend_->check_identity(slab(), counts).ok());
  EXPECT_EQ(counts.identity_weights, 80u * 400u);
  EXPECT_TRUE(backend_->check_sums(slab(), counts).ok());
  const Status regimes = backend_->check_regimes(slab(), counts);
  EXPECT_TRUE(regimes.ok()) << regimes.error().to_line();
  // 11 numbers of rows, auto and tiled for all, wgmma on sm_90, decode for its few; two types.
  const uint64_t decode = kernels::kMaxDecodeRows == 16 ? 3 : 5;
  EXPECT_EQ(counts.kernel_shapes, 2 * (11 * (device().sm == 90 ? 3u : 2u) + decode));
}

TEST_F(GpuVerify, BlocksOfGgufRunOnTheCard) {
  for (const GgmlType type : kTypesThatStayBlocks) {
    const auto report =
        verify(artifact_of(llama_of_blocks(type), {90}, false), Backend::kCuda, true);
    expect_passed(report, std::string(ggml_type_info(type).name));
  }
}

/// Other engines' layouts and plain, asked for by name: the scalar kernel reads them.
TEST_F(GpuVerify, LayoutsByNameRunOnTheCard) {
  using enum layouts::LayoutId;
  constexpr std::pair<const char*, layouts::LayoutId> kCases[] = {
      {"modelopt-nvfp4-llama", kMarlin},
      {"modelopt-nvfp4-llama", kMarlinA0},
      {"modelopt-nvfp4-llama", kMaxSm8x},
      {"modelopt-nvfp4-qwen3moe", kMarlin},
      {"ct-autoround-w4a16-llama-small", kMarlin},
      {"ct-autoround-w4a16-llama-small", kMachete4},
      {"ct-mxfp4a16-llama-odd", kMarlin},
      {"ct-w2a16-llama-small", kPlain},
      {"ct-v012-w5a16-padded-llama-small", kPlain},
      {"ct-v012-w4a16asym-g32-actordergroup-llama-small", kPlain},
      {"other-mxfp4-gptoss", kPlain},
      {"modelopt-other-nvfp4-gptoss", kPlain}};
  for (const auto& [name, layout] : kCases) {
    const uint32_t sm = layout == kMaxSm8x ? 89 : 90;
    convert::Options options = options_for(fixture(name), {sm});
    options.plan.layout = layout;
    CollectingLog log;
    const Result<std::string> bytes = convert_to_memory(options, log);
    ASSERT_TRUE(bytes.ok()) << bytes.error().to_line();
    const auto report = verify(*bytes, Backend::kCuda, true);
    expect_passed(report,
                  std::string(name) + ", layout " + std::to_string(static_cast<int>(layout)));
    const std::string& summary = report.at(Level::kNumerics).summary;
    EXPECT_EQ(summary.find("on the CPU"), std::string::npos) << summary;
  }
}

/// The same checks on a form that has no tuned kernel.
TEST_F(GpuVerify, NativeSlabIsJudgedByTheScalarKernel) {
  const auto reader = open_bytes(folder_, artifact_of(fixture("modelopt-nvfp4-llama-odd"), {120}));
  ASSERT_TRUE(reader.ok());
  const auto& operand = reader->operands()[*reader->find_operand("model.layers.0.mlp.down_proj")];
  const verify::FormView view{*reader, operand, reader->forms_of(operand)[0]};
  ASSERT_TRUE(backend_->serves(view));
  EXPECT_FALSE(backend_->is_tuned_for(view));
  auto stored = verify::read_slab(view, 0, 128, 80);
  ASSERT_TRUE(stored.ok());
  const auto canonical = verify::invert(view, *stored);
  ASSERT_TRUE(canonical.ok());
  verify::NumericsCounts counts;
  EXPECT_TRUE(backend_->check_identity({view, *stored, *canonical}, counts).ok());
  const Status regimes = backend_->check_regimes({view, *stored, *canonical}, counts);
  EXPECT_TRUE(regimes.ok()) << regimes.error().to_line();
  EXPECT_EQ(counts.kernel_shapes, 2u * 4);  // four numbers of rows, two types
  stored->codes[0] ^= std::byte{1};
  for (const Status& status : {backend_->check_identity({view, *stored, *canonical}, counts),
                               backend_->check_regimes({view, *stored, *canonical}, counts)}) {
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.error().kind, ErrorKind::kNumericsMismatch) << status.error().to_line();
    EXPECT_NE(status.error().message.find("(scalar, "), std::string::npos)
        << status.error().message;
  }
}

TEST_F(GpuVerifySlab, FlippedBitOnTheCardIsSeenByEveryCheck) {
  // Bit 0 of the first word: a magnitude bit of code (row 128, k 4).
  stored_.codes[0] ^= std::byte{1};
  verify::NumericsCounts counts;
  expect_seen(backend_->check_identity(slab(), counts), "row 128, column 4");
  expect_seen(backend_->check_regimes(slab(), counts), "row 128");
}

TEST_F(GpuVerifySlab, WrongScaleByteOnTheCardIsSeen) {
  stored_.codes[2048] ^= std::byte{1};  // lane 0, j 0: row 128, columns 0..15
  verify::NumericsCounts counts;
  expect_seen(backend_->check_identity(slab(), counts), "row 128, column ");
}

TEST_F(GpuVerifySlab, WrongReferenceRowIsSeenAtItsPlace) {
  canonical_.scales[79 * 25 + 24] ^= std::byte{1};
  verify::NumericsCounts counts;
  expect_seen(backend_->check_identity(slab(), counts), "row 207, column 3");
}

}  // namespace
}  // namespace imp::testing
