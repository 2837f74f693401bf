// Where imp-verify's numerics level runs, what it says of it, and the arithmetic of its
// comparisons.
#include "src/verify/backend.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>

#include "src/verify/comparisons.h"
#include "src/verify/device_slab.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/conversion.h"

namespace imp::testing {
namespace {

using verify::Backend;
using verify::Level;
using verify::Verdict;

verify::Report verify_with(Backend backend, const std::string& bytes, const TempFolder& folder) {
  verify::Options options;
  options.artifact = folder.write("subject.imp", bytes);
  options.backend = backend;
  options.threads = 1;
  CollectingLog log;
  return verify::run(options, log);
}

TEST(VerifyBackend, CpuIsWhatWasAskedFor) {
  const TempFolder folder;
  const auto report =
      verify_with(Backend::kCpu, artifact_of(fixture("modelopt-nvfp4-llama-odd"), {89}), folder);
  EXPECT_TRUE(report.passed());
  EXPECT_EQ(report.backend, "cpu");
  const std::string& summary = report.at(Level::kNumerics).summary;
  EXPECT_NE(summary.find("on the CPU backend (asked for)"), std::string::npos) << summary;
}

TEST(VerifyBackend, WithoutADeviceCudaIsRefusedAndAutoIsTheCpu) {
  const auto device = cuda::current_device();
  if (device.ok()) GTEST_SKIP() << "there is a device";
  const TempFolder folder;
  const std::string bytes = artifact_of(fixture("modelopt-nvfp4-llama-odd"), {89});

  const auto refused = verify_with(Backend::kCuda, bytes, folder);
  EXPECT_EQ(refused.exit_code(), 6);
  const auto& problems = refused.at(Level::kStructure).problems;
  ASSERT_EQ(problems.size(), 1u);
  EXPECT_EQ(problems[0].kind, ErrorKind::kNoDevice);
  EXPECT_EQ(problems[0].message, "backend 'cuda' was asked for, but: " + device.error().message +
                                     "; the file serves sm_80 sm_86 sm_87 sm_88 sm_89 sm_90");
  for (const Level level : {Level::kContent, Level::kNumerics, Level::kControls})
    EXPECT_EQ(refused.at(level).verdict, Verdict::kNotRun);

  const auto chosen = verify_with(Backend::kAuto, bytes, folder);
  EXPECT_TRUE(chosen.passed());
  EXPECT_EQ(chosen.backend, "cpu");
  EXPECT_EQ(chosen.backend_why, device.error().message);
}

TEST(VerifyBackend, SummaryCountsWhatRanWhere) {
  verify::NumericsCounts counts;
  counts.operands = 1012;
  counts.forms_total = 2000;
  counts.cuda_forms = 1000;
  counts.tuned_forms = 940;
  counts.cpu_forms = 12;
  counts.identity_weights = 48000000;
  counts.sparse_sums = 5;
  counts.random_sums = 6;
  counts.kernel_shapes = 70;
  counts.content_only = 3;
  verify::BackendChoice cpu;
  cpu.why = "no CUDA device";
  EXPECT_EQ(verify::numerics_summary(counts, cpu),
            "1,012 of 2,000 GEMM forms on the CPU backend (no CUDA device): 48,000,000 weights ==, "
            "5 sparse sums, 6 random sums, 70 kernels x rows x types forced; 3 forms content only");
  verify::BackendChoice cuda;
  cuda.cuda = verify::make_cpu_backend();  // any backend: only its presence is looked at
  cuda.why = "Test card, sm_90";
  EXPECT_EQ(
      verify::numerics_summary(counts, cuda),
      "1,012 of 2,000 GEMM forms on cuda (Test card, sm_90), 940 on tuned kernels, 60 on the "
      "scalar kernel, and 12 on the CPU: 48,000,000 weights ==, 5 sparse sums, 6 random sums, 70 "
      "kernels x rows x types forced; 3 forms content only");
}

TEST(VerifyBounds, AreTheDerivedOnes) {
  EXPECT_DOUBLE_EQ(verify::sum_bound(14, 1000, 0.5, verify::kTensorCoreUnit),
                   16 * (0x1p-22 * 500 + 0x1p-149 * 1.5));
  EXPECT_EQ(verify::kRoundingUnit, 0x1p-23);
}

/// Every window of the diagonal must be the identity, for K below and above the rows of a window.
TEST(VerifyIdentity, EveryWindowOfTheDiagonalIsTheIdentity) {
  for (const uint64_t k : {uint64_t{16}, uint64_t{48}, uint64_t{80}, uint64_t{272}})
    for (const uint64_t rows : {uint64_t{8}, uint64_t{32}, uint64_t{256}}) {
      const verify::IdentityPlan plan = verify::IdentityPlan::make(k, rows);
      EXPECT_EQ(plan.stride % 8, 0u);
      std::vector<int> memory(plan.elements, 0);
      for (uint64_t i = 0; i < plan.ones; ++i) memory.at(plan.origin + i * (plan.stride + 1)) = 1;
      for (uint64_t column0 = 0; column0 < k; column0 += 8)
        for (uint64_t i = 0; i < std::min(rows, k - column0); ++i)
          for (uint64_t c = 0; c < k; ++c)
            ASSERT_EQ(memory.at(plan.origin - column0 + i * plan.stride + c), c == column0 + i)
                << k << " " << rows << " " << column0 << " " << i << " " << c;
    }
}

/// A comparison that lets a wrong number pass would let a wrong kernel pass.
class VerifyComparisons : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = open_bytes(folder_, artifact_of(fixture("modelopt-nvfp4-llama-odd"), {89}));
    ASSERT_TRUE(opened.ok());
    reader_.emplace(std::move(opened).take());
    const auto& operand =
        reader_->operands()[*reader_->find_operand("model.layers.0.mlp.down_proj")];
    view_.emplace(verify::FormView{*reader_, operand, reader_->forms_of(operand)[0]});
    auto stored = verify::read_slab(*view_, 0, 0, 128);
    ASSERT_TRUE(stored.ok());
    stored_ = std::move(stored).take();
    auto canonical = verify::invert(*view_, stored_);
    ASSERT_TRUE(canonical.ok());
    canonical_ = std::move(canonical).take();
  }
  verify::SlabUnderTest slab() const { return {*view_, stored_, canonical_}; }

  TempFolder folder_;
  std::optional<artifact::Reader> reader_;
  std::optional<verify::FormView> view_;
  verify::StoredSlab stored_;
  verify::CanonicalSlab canonical_;
};

TEST_F(VerifyComparisons, SumsJustInsidePassAndJustOutsideFail) {
  std::mt19937_64 random(1);
  constexpr uint64_t kM = 3, kRows = 5;
  const auto x = verify::random_activations(kM, view_->operand.k, true, random);
  const auto want = verify::reference_sums(slab(), 64, kRows, x);
  const std::vector<float> multipliers(128, 1.0f);
  for (const double share : {0.0, 0.9, -0.9, 1.1, -1.1}) {
    std::vector<float> y(kM * 128, std::numeric_limits<float>::quiet_NaN());
    for (uint64_t r = 0; r < kRows; ++r)
      for (uint64_t i = 0; i < kM; ++i)
        y[i * 128 + 64 + r] = static_cast<float>(want.exact[r * kM + i]);
    const uint64_t at = 2 * kM + 1;
    y[128 + 64 + 2] = static_cast<float>(
        want.exact[at] + share * verify::sum_bound(view_->operand.k, want.magnitude[at], 1.0,
                                                   verify::kTensorCoreUnit));
    const Status status = verify::compare_sums(slab(), {"random activations"}, want, kM,
                                               multipliers, verify::Tolerance::kBound,
                                               verify::kTensorCoreUnit, {y.data(), 128, 1});
    EXPECT_EQ(status.ok(), std::fabs(share) < 1) << share;
    if (!status.ok()) {
      EXPECT_EQ(status.error().kind, ErrorKind::kNumericsMismatch);
      EXPECT_EQ(status.error().tensor, "model.layers.0.mlp.down_proj");
      EXPECT_NE(status.error().message.find("row 66, X row 1"), std::string::npos)
          << status.error().message;
    }
  }
}

TEST_F(VerifyComparisons, ColumnsAreComparedWithEquality) {
  const std::vector<float> weights{1.0f, -0.5f, 6.0f};
  const std::vector<uint64_t> columns{2, 0};
  std::vector<float> y{6.0f * 0.3f, 1.0f * 0.3f};
  const auto compare = [&] {
    return verify::compare_columns(slab(), {"identity activations"}, 9, weights, 0.3f, columns,
                                   {y.data(), 1, 1, 9});
  };
  EXPECT_TRUE(compare().ok());
  y[1] = std::nextafter(y[1], 1.0f);
  ASSERT_FALSE(compare().ok());
  EXPECT_NE(compare().error().message.find("row 9, column 0"), std::string::npos);
  y[1] = std::numeric_limits<float>::quiet_NaN();  // never written
  EXPECT_FALSE(compare().ok());
}

}  // namespace
}  // namespace imp::testing
