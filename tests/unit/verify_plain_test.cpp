// imp-verify's numerics on plain forms: every encoding and GGUF's blocks run through the kernels'
// readers, nothing is judged by content alone, and what a slab holds wrongly is named.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <optional>

#include "src/verify/numerics.h"
#include "tests/unit/llama_of_blocks.h"
#include "tests/unit/verify_subject.h"

namespace imp::testing {
namespace {

constexpr uint16_t kPlain = 1;

std::string plain_artifact(const std::string& name) {
  convert::Options options = options_for(fixture(name), {89});
  options.plan.layout = layouts::LayoutId::kPlain;
  CollectingLog log;
  Result<std::string> bytes = convert_to_memory(options, log);
  if (!bytes.ok()) ADD_FAILURE() << bytes.error().to_line();
  return bytes.ok() ? *bytes : std::string();
}

/// Every level passes, and numerics and controls had something to look at.
void expect_judged(const std::string& bytes) {
  const TempFolder folder;
  verify::Options options;
  options.artifact = folder.write("a.imp", bytes);
  options.threads = 1;
  options.all = true;
  CollectingLog log;
  const verify::Report report = verify::run(options, log);
  for (const verify::LevelReport& level : report.levels)
    for (const Error& error : level.problems) ADD_FAILURE() << error.to_line();
  const std::string& summary = report.at(Level::kNumerics).summary;
  EXPECT_EQ(summary.find("content only"), std::string::npos) << summary;
  EXPECT_NE(summary.find(" weights =="), std::string::npos) << summary;
  EXPECT_EQ(summary.find(" 0 weights =="), std::string::npos) << summary;
  const std::string& controls = report.at(Level::kControls).summary;
  EXPECT_EQ(controls.rfind("1 damages", 0), std::string::npos) << controls;
}

class VerifyPlain : public ::testing::TestWithParam<const char*> {};

TEST_P(VerifyPlain, NothingIsJudgedByContentAlone) { expect_judged(plain_artifact(GetParam())); }

INSTANTIATE_TEST_SUITE_P(
    Fixtures, VerifyPlain,
    ::testing::Values("ct-w2a16-llama-small", "ct-w3a16asym-channel-llama-odd",
                      "ct-v012-w5a16-padded-llama-small", "ct-w4a8-llama-small",
                      "ct-w8a8asym-static-llama-odd", "ct-fp8block-llama-odd",
                      "ct-v012-sparse24-w8a8-llama-small", "ct-v012-sparse24-bf16-llama-small",
                      "ct-v012-sparse24-fp8dynamic-llama-small",
                      "ct-v012-sparsebitmask-bf16-llama-small",
                      "ct-v012-w4a16asym-g32-actordergroup-llama-small",
                      "ct-v012-w4a16-g32-actordergroup-qwen3moe", "modelopt-int4-llama",
                      "modelopt-fp8-gptoss", "modelopt-other-nvfp4-gptoss", "other-mxfp4-gptoss",
                      "other-bf16-gptoss", "ct-mxfp8a16-llama-small"),
    [](const auto& test) {
      std::string name = test.param;
      std::ranges::replace(name, '-', '_');
      return name;
    });

class VerifyBlocks : public ::testing::TestWithParam<GgmlType> {};

TEST_P(VerifyBlocks, OfEveryTypeThatStaysInBlocks) {
  const std::string bytes = artifact_of(llama_of_blocks(GetParam()), {89}, false);
  expect_judged(bytes);
  TempFolder folder;
  const auto reader = open_bytes(folder, bytes);
  ASSERT_TRUE(reader.ok());
  const auto down = reader->find_operand("model.layers.0.mlp.down_proj");
  ASSERT_TRUE(down);
  EXPECT_EQ(reader->operands()[*down].scheme, 64 + static_cast<uint16_t>(GetParam()));
  EXPECT_NE(reader->operands()[*down].flags & artifact::kOperandGemm, 0u);
}

INSTANTIATE_TEST_SUITE_P(Types, VerifyBlocks, ::testing::ValuesIn(kTypesThatStayBlocks),
                         [](const auto& test) {
                           return std::string(ggml_type_info(test.param).name);
                         });

/// One operand of a plain artifact as a slab.
class PlainSlab {
 public:
  PlainSlab(const std::string& fixture_name, const std::string& operand)
      : reader_(open_bytes(folder_, plain_artifact(fixture_name))) {
    const auto& record = reader_->operands()[*reader_->find_operand(operand)];
    for (const auto& form : reader_->forms_of(record))
      if (form.layout == kPlain) view_.emplace(verify::FormView{*reader_, record, form});
    auto read =
        verify::read_slab(*view_, 0, 0, verify::slab_end(*view_, 0, verify::slab_rows(*view_, 0)));
    EXPECT_TRUE(read.ok());
    stored = std::move(read).take();
  }
  const verify::FormView& view() const { return *view_; }
  Result<verify::CanonicalSlab> invert() const { return verify::invert(*view_, stored); }
  /// Kernels on what is stored now, against the planes of before.
  Status check(const verify::CanonicalSlab& canonical) const {
    verify::NumericsCounts counts;
    return verify::check_slab(*view_, stored, canonical, counts);
  }
  verify::StoredSlab stored;

 private:
  TempFolder folder_;
  Result<artifact::Reader> reader_;
  std::optional<verify::FormView> view_;
};

constexpr char kDown[] = "model.layers.0.mlp.down_proj";
constexpr char kActOrder[] = "ct-v012-w4a16asym-g32-actordergroup-llama-small";

TEST(VerifyPlainSlab, AChangedBitOfEachPlaneIsSeenByTheKernels) {
  for (const char* name : {kActOrder, "ct-v012-w5a16-padded-llama-small", "ct-w2a16-llama-small",
                           "ct-v012-sparse24-w8a8-llama-small"}) {
    PlainSlab slab(name, kDown);
    const auto canonical = slab.invert();
    ASSERT_TRUE(canonical.ok()) << canonical.error().to_line();
    ASSERT_TRUE(slab.check(*canonical).ok()) << name;
    for (std::vector<std::byte>* plane : {&slab.stored.codes, &slab.stored.scales,
                                          &slab.stored.zero_points, &slab.stored.group_index}) {
      if (plane->empty()) continue;
      // Bit 0 of an element in the middle.
      std::byte& byte = (*plane)[plane->size() / 8 * 4];
      byte ^= std::byte{1};
      const Status seen = slab.check(*canonical);
      ASSERT_FALSE(seen.ok()) << name;
      EXPECT_EQ(seen.error().kind, ErrorKind::kNumericsMismatch) << seen.error().to_line();
      EXPECT_EQ(seen.error().tensor, kDown);
      byte ^= std::byte{1};
    }
  }
}

/// Kernels look places up by these planes: what names none must not reach them.
TEST(VerifyPlainSlab, PlanesThatNameNoPlaceAreRefused) {
  PlainSlab act_order(kActOrder, kDown);
  const uint32_t group = 4000;
  std::memcpy(&act_order.stored.group_index[4 * 7], &group, 4);
  auto refused = act_order.invert();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kBadShape);
  EXPECT_EQ(refused.error().tensor, kDown);
  EXPECT_NE(refused.error().message.find("the group index of column 7 is 4000"), std::string::npos)
      << refused.error().message;

  act_order.stored.group_index.assign(4, std::byte{0xFF});
  refused = act_order.invert();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kBadShape);
  EXPECT_NE(refused.error().message.find("the group index has 4 bytes"), std::string::npos)
      << refused.error().message;

  PlainSlab half("ct-v012-sparse24-w8a8-llama-small", kDown);
  half.stored.bitmask[3] |= std::byte{0xFF};
  refused = half.invert();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kBadShape);
  EXPECT_NE(refused.error().message.find("row 0 has "), std::string::npos)
      << refused.error().message;

  PlainSlab offsets("ct-v012-sparsebitmask-bf16-llama-small", kDown);
  const uint64_t far = uint64_t{1} << 40;
  std::memcpy(&offsets.stored.row_offsets[8 * 5], &far, 8);
  refused = offsets.invert();
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kBadShape);
  EXPECT_NE(refused.error().message.find("row 5 has "), std::string::npos)
      << refused.error().message;
}

}  // namespace
}  // namespace imp::testing
