// imp-verify's levels: what passes, and for each kind of damage the level, the kind and the place
// that it must name.
#include "src/verify/verify.h"

#include <gtest/gtest.h>

#include <bit>
#include <fstream>
#include <functional>
#include <stdexcept>

#include "src/base/little_endian.h"
#include "src/verify/numerics.h"
#include "src/verify/slab.h"
#include "tests/unit/artifact_sample.h"
#include "tests/unit/conversion.h"
#include "tests/unit/verify_run.h"

namespace imp::testing {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using artifact::Reader;
using verify::Level;
using verify::Verdict;

constexpr char kOdd[] = "modelopt-nvfp4-llama-odd";
constexpr char kMoe[] = "modelopt-nvfp4-qwen3moe";

/// A conversion that is damaged in a test, with all digests made right again where a test asks for
/// it.
class Subject {
 public:
  explicit Subject(const std::string& bytes) : damaged(bytes) {}

  Reader open() const {
    Result<Reader> reader = open_bytes(folder_, damaged.bytes);
    if (!reader.ok()) throw std::runtime_error(reader.error().to_line());
    return std::move(reader).take();
  }
  /// Record of the component, in the bytes.
  ComponentRecord component(const std::string& operand, uint16_t layout, ComponentKind kind) const {
    const Reader reader = open();
    const auto index = reader.find_operand(operand);
    if (!index) throw std::runtime_error("no operand " + operand);
    for (const auto& form : reader.forms_of(reader.operands()[*index]))
      if (form.layout == layout) return *reader.find_component(form, kind);
    throw std::runtime_error("no such form");
  }
  /// Digests of chunks, sections, header and the artifact id to what the bytes now are.
  void make_digests_right() { testing::make_digests_right(damaged, folder_); }
  verify::Report verify(std::optional<uint32_t> sm = {},
                        std::optional<std::filesystem::path> source = {}) const {
    verify::Options options;
    options.artifact = folder_.write("subject.imp", damaged.bytes);
    options.sm = sm;
    options.source = source;
    options.threads = 1;
    CollectingLog log;
    return verify::run(options, log);
  }

  Damaged damaged;

 private:
  TempFolder folder_;
};

TEST(Verify, EveryFixtureAndLayoutPasses) {
  for (const char* name : {kOdd, kMoe, "modelopt-nvfp4-qwen2moe", "modelopt-nvfp4-sharded-llama",
                           "modelopt-nvfp4-lmhead-llama"}) {
    const Subject subject(artifact_of(fixture(name), {89, 120}));
    const verify::Report report = subject.verify({}, fixture(name));
    for (size_t l = 0; l < verify::kLevelCount; ++l) {
      EXPECT_EQ(report.levels[l].verdict, Verdict::kPassed)
          << name << " " << verify::level_name(static_cast<Level>(l));
      EXPECT_FALSE(report.levels[l].summary.empty());
    }
    EXPECT_EQ(report.exit_code(), 0);
  }
}

TEST(Verify, TargetThatNoFormServesIsExit6NamingThoseServed) {
  const Subject subject(artifact_of(fixture(kOdd), {89}));
  EXPECT_TRUE(subject.verify(80).passed());
  const verify::Report report = subject.verify(120);
  ASSERT_FALSE(report.passed());
  const Error& error = report.at(Level::kStructure).problems.front();
  EXPECT_EQ(error.kind, ErrorKind::kNoFormForTarget);
  EXPECT_NE(error.message.find("sm_80 sm_86 sm_87 sm_88 sm_89 sm_90"), std::string::npos)
      << error.message;
  EXPECT_EQ(report.exit_code(), 6);
  EXPECT_EQ(report.at(Level::kContent).verdict, Verdict::kNotRun);
}

TEST(Verify, TruncatedFileIsExit3) {
  Subject subject(artifact_of(fixture(kOdd), {89}));
  subject.damaged.bytes.pop_back();
  expect_problem(subject.verify(), Level::kStructure, ErrorKind::kTruncated, "", "");
}

TEST(Verify, FlippedPayloadBitFailsItsDigestAndNamesTheOperand) {
  // Large enough to have chunks of its own: small components share theirs.
  Subject subject(artifact_of(fixture("modelopt-nvfp4-llama"), {120}));
  const ComponentRecord codes =
      subject.component("model.layers.0.mlp.gate_up_proj", 3, ComponentKind::kCodes);
  ASSERT_GE(codes.size_bytes, artifact::kSmallComponentBytes);
  subject.damaged.bytes[codes.offset_bytes + 7] ^= 4;
  const verify::Report report = subject.verify();
  expect_problem(report, Level::kContent, ErrorKind::kDigestMismatch,
                 "model.layers.0.mlp.gate_up_proj", "do not match");
  EXPECT_EQ(report.at(Level::kNumerics).verdict, Verdict::kNotRun);
}

struct PackedDamage {
  uint32_t sm;
  uint16_t layout;
  ComponentKind kind;
  uint64_t byte;
  const char* tensor;
  const char* fragment;
};

/// Digests are right again, so that only the inverse can see what the bytes hold.
TEST(Verify, WrongPackedBytesUnderRightDigestsFailTheInverse) {
  const char* codes = "model.layers.0.mlp.down_proj.weight";
  const char* scales = "model.layers.0.mlp.down_proj.weight_scale";
  const char* operand = "model.layers.0.mlp.down_proj";
  // [208, 400]: 4 n-tiles of 7 k-tiles; k 400..447 of the last k-tile and rows 208..255 are
  // padding.
  const PackedDamage damages[] = {
      {89, 2, ComponentKind::kBlocks, 0, codes, "not those of the source"},
      {89, 2, ComponentKind::kBlocks, 2048, scales, "not those of the source"},
      {89, 2, ComponentKind::kBlocks, 6 * 2304 + 3 * 16, operand, "padding is not zero at row 0"},
      {89, 2, ComponentKind::kBlocks, 27 * 2304 + 2048 + 7, operand,
       "padding is not zero at row 192"},
      {120, 3, ComponentKind::kCodes, 208, codes, "not those of the source"},
      {120, 3, ComponentKind::kCodes, 200, operand, "padding of the codes is not zero at row 0"},
      {120, 3, ComponentKind::kBlockScale, 5, scales, "not those of the source"},
      {120, 3, ComponentKind::kBlockScale, 6 * 512 + 1, operand,
       "padding of the scales is not zero at row 0"},
  };
  for (const PackedDamage& d : damages) {
    Subject subject(artifact_of(fixture(kOdd), {d.sm}));
    const ComponentRecord c = subject.component(operand, d.layout, d.kind);
    subject.damaged.bytes[c.offset_bytes + d.byte] ^= 1;
    subject.make_digests_right();
    expect_problem(subject.verify(), Level::kContent, ErrorKind::kInverseMismatch, d.tensor,
                   d.fragment);
  }
}

TEST(Verify, ScalarsVectorsAndBiasesAreHeldAgainstEachOther) {
  {
    Subject subject(artifact_of(fixture(kOdd), {89}));
    const ComponentRecord multiplier =
        subject.component("model.layers.1.self_attn.o_proj", 2, ComponentKind::kMultiplier);
    subject.damaged.bytes[multiplier.offset_bytes] ^= 1;
    subject.make_digests_right();
    expect_problem(subject.verify(), Level::kStructure, ErrorKind::kInverseMismatch,
                   "model.layers.1.self_attn.o_proj",
                   "multiplier of part 0, expert 0 is not the index's");
  }
  {
    Subject subject(artifact_of(fixture(kOdd), {89}));
    const ComponentRecord bias =
        subject.component("model.layers.1.self_attn.o_proj", 2, ComponentKind::kBias);
    subject.damaged.bytes[bias.offset_bytes] ^= 1;
    subject.make_digests_right();
    expect_problem(subject.verify(), Level::kContent, ErrorKind::kInverseMismatch,
                   "model.layers.1.self_attn.o_proj.bias", "not those of the source");
  }
  {
    Subject subject(artifact_of(fixture(kMoe), {89}));
    const ComponentRecord multiplier =
        subject.component("model.layers.0.mlp.experts.down_proj", 2, ComponentKind::kMultiplier);
    // Index and vector alike: only the source tensor's digest knows better.
    Reader reader = subject.open();
    const auto operand =
        reader.operands()[*reader.find_operand("model.layers.0.mlp.experts.down_proj")];
    subject.damaged.bytes[multiplier.offset_bytes + 8] ^= 1;
    subject.damaged.scalar(reader.parts()[operand.first_part].first_multiplier + 2).bits ^= 1;
    subject.make_digests_right();
    expect_problem(subject.verify(), Level::kContent, ErrorKind::kInverseMismatch,
                   "model.layers.0.mlp.experts.2.down_proj.weight_scale_2", "the scalar table");
  }
}

TEST(Verify, NumbersWithoutAMeaningAreRefused) {
  struct Change {
    const char* what;
    std::function<void(Damaged&, size_t operand, size_t form)> apply;
    ErrorKind kind;
    const char* fragment;
  };
  const Change changes[] = {
      {"role", [](Damaged& d, size_t o, size_t) { d.operand(o).role = 998; },
       ErrorKind::kUnsupportedVersion, "role 998"},
      {"scheme", [](Damaged& d, size_t o, size_t) { d.operand(o).scheme = 999; },
       ErrorKind::kUnsupportedVersion, "scheme 999"},
      {"layout", [](Damaged& d, size_t, size_t f) { d.form(f).layout = 999; },
       ErrorKind::kUnsupportedVersion, "layout 999"},
      {"major", [](Damaged& d, size_t, size_t f) { d.form(f).major = 7; },
       ErrorKind::kUnsupportedVersion, "layout mma64 has major version 7"},
      {"padded n", [](Damaged& d, size_t, size_t f) { d.form(f).padded_n += 64; },
       ErrorKind::kBadShape, "padded shape"},
      {"group size", [](Damaged& d, size_t o, size_t) { d.operand(o).group_size = 32; },
       ErrorKind::kBadShape, "group size"},
  };
  const std::string bytes = artifact_of(fixture(kOdd), {89});
  for (const Change& change : changes) {
    Subject subject(bytes);
    const Reader reader = subject.open();
    const uint32_t operand = *reader.find_operand("model.layers.0.mlp.down_proj");
    change.apply(subject.damaged, operand, reader.operands()[operand].first_form);
    subject.make_digests_right();
    expect_problem(subject.verify(), Level::kStructure, change.kind, "model.layers.0.mlp.down_proj",
                   change.fragment);
  }
}

/// Numbers that would make a careless reader loop or allocate for ever.
TEST(Verify, AbsurdShapesEndAtOnce) {
  for (const uint64_t n : {uint64_t{0}, uint64_t{1} << 41, ~uint64_t{0}, ~uint64_t{0} - 62}) {
    Subject subject(artifact_of(fixture(kOdd), {89}));
    const Reader reader = subject.open();
    const uint32_t operand = *reader.find_operand("model.layers.0.mlp.down_proj");
    subject.damaged.operand(operand).n = n;
    subject.damaged.part(reader.operands()[operand].first_part).n_count = n;
    subject.damaged.reseal();
    const verify::Report report = subject.verify();
    ASSERT_FALSE(report.passed()) << n;
    EXPECT_EQ(report.exit_code(), 3) << report.at(Level::kStructure).problems[0].to_line();
    EXPECT_EQ(report.at(Level::kContent).verdict, Verdict::kNotRun);
  }
}

TEST(Verify, NegativeMultiplierIsUnsafe) {
  Subject subject(artifact_of(fixture(kOdd), {89}));
  const Reader reader = subject.open();
  const auto operand = reader.operands()[*reader.find_operand("model.layers.0.mlp.down_proj")];
  const uint32_t scalar = reader.parts()[operand.first_part].first_multiplier;
  const ComponentRecord vector =
      subject.component("model.layers.0.mlp.down_proj", 2, ComponentKind::kMultiplier);
  subject.damaged.scalar(scalar).bits |= 0x80000000u;
  subject.damaged.bytes[vector.offset_bytes + 3] =
      static_cast<char>(subject.damaged.scalar(scalar).bits >> 24);
  subject.make_digests_right();
  expect_problem(subject.verify(), Level::kStructure, ErrorKind::kBadScale,
                 "model.layers.0.mlp.down_proj", "multiplier is -");
}

TEST(Verify, WrongArtifactIdIsSeen) {
  Subject subject(artifact_of(fixture(kOdd), {89}));
  subject.damaged.header().artifact_id[5] ^= 1;
  subject.damaged.reseal();
  expect_problem(subject.verify(), Level::kStructure, ErrorKind::kBadChecksum, "", "artifact id");
}

TEST(Verify, SourceThatDiffersIsNamed) {
  const Subject subject(artifact_of(fixture(kOdd), {89}));
  const TempFolder folder;
  const auto copy_with = [&](const std::string& name,
                             const std::function<void(const std::filesystem::path&)>& change) {
    const auto copy = folder.path() / name;
    std::filesystem::copy(fixture(kOdd), copy);
    for (const auto& entry : std::filesystem::directory_iterator(copy))
      std::filesystem::permissions(entry.path(), std::filesystem::perms::owner_write,
                                   std::filesystem::perm_options::add);
    change(copy);
    return copy;
  };
  const auto flip = copy_with("flip", [](const std::filesystem::path& copy) {
    std::fstream file(copy / "model.safetensors", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(-1, std::ios::end);
    file.put('\x5A');
  });
  expect_problem(subject.verify({}, flip), Level::kSource, ErrorKind::kSourceMismatch, "",
                 "SHA-256");
  const verify::Report report = subject.verify({}, flip);
  ASSERT_EQ(report.at(Level::kSource).problems.size(), 2u);
  EXPECT_EQ(report.at(Level::kSource).problems[1].tensor, "model.layers.1.self_attn.v_proj.weight");
  const auto companion = copy_with("companion", [](const std::filesystem::path& copy) {
    std::ofstream(copy / "generation_config.json", std::ios::app) << " ";
  });
  expect_problem(subject.verify({}, companion), Level::kSource, ErrorKind::kSourceMismatch, "",
                 "differs from the copy");
  const auto more = copy_with("more", [](const std::filesystem::path& copy) {
    std::ofstream(copy / "tokenizer.json") << "{}";
  });
  expect_problem(subject.verify({}, more), Level::kSource, ErrorKind::kSourceMismatch, "",
                 "is in the source, not in the artifact");
  const auto less = copy_with("less", [](const std::filesystem::path& copy) {
    std::filesystem::remove(copy / "generation_config.json");
  });
  expect_problem(subject.verify({}, less), Level::kSource, ErrorKind::kSourceMismatch, "",
                 "is in the artifact, not in the source");
}

/// The numerics level must see a wrong weight, scale or multiplier by itself: here the slab or the
/// reference is changed.
class NumericsOnSlab : public ::testing::TestWithParam<uint32_t> {};

TEST_P(NumericsOnSlab, SeesEachKindOfDamage) {
  const Subject subject(artifact_of(fixture(kOdd), {GetParam()}));
  const Reader reader = subject.open();
  const auto& operand = reader.operands()[*reader.find_operand("model.layers.0.mlp.down_proj")];
  const verify::FormView view{reader, operand, reader.forms_of(operand)[0]};
  const auto stored = verify::read_slab(view, 0, 128, 80);
  ASSERT_TRUE(stored.ok());
  const auto canonical = verify::invert(view, *stored);
  ASSERT_TRUE(canonical.ok());
  verify::NumericsCounts counts;
  ASSERT_TRUE(verify::check_slab(view, *stored, *canonical, counts).ok());
  EXPECT_EQ(counts.identity_weights, 80u * 400u);
  EXPECT_EQ(counts.sparse_sums, 80u * 16u);
  EXPECT_EQ(counts.random_sums, 80u * 4u);

  verify::CanonicalSlab swapped = *canonical;  // two neighbouring codes of row 130 change places
  std::byte& pair = swapped.codes[2 * 200 + 3];
  ASSERT_NE((pair & std::byte{0x7}), ((pair >> 4) & std::byte{0x7}));
  pair = (pair << 4) | (pair >> 4);
  const Status seen = verify::check_slab(view, *stored, swapped, counts);
  ASSERT_FALSE(seen.ok());
  EXPECT_EQ(seen.error().kind, ErrorKind::kNumericsMismatch);
  EXPECT_EQ(seen.error().tensor, "model.layers.0.mlp.down_proj");
  EXPECT_NE(seen.error().message.find("row 130, column 6"), std::string::npos)
      << seen.error().message;

  verify::CanonicalSlab scale = *canonical;
  scale.scales[79 * 25 + 24] ^= std::byte{1};
  const Status wrong_scale = verify::check_slab(view, *stored, scale, counts);
  ASSERT_FALSE(wrong_scale.ok());
  EXPECT_NE(wrong_scale.error().message.find("row 207, column 3"), std::string::npos)
      << wrong_scale.error().message;
}

INSTANTIATE_TEST_SUITE_P(Layouts, NumericsOnSlab, ::testing::Values(75u, 89u, 120u));

TEST(Verify, BudgetStillMeetsEveryLayoutAndRole) {
  const Subject subject(artifact_of(fixture(kMoe), {89, 120}));
  const Reader reader = subject.open();
  std::vector<uint32_t> forms(reader.forms().size());
  for (uint32_t f = 0; f < forms.size(); ++f) forms[f] = f;
  verify::Problems problems;
  const auto all = verify::check_numerics(reader, forms, 0, 1, problems);
  const auto some = verify::check_numerics(reader, forms, 1, 1, problems);
  EXPECT_TRUE(problems.empty());
  EXPECT_EQ(all.operands, all.forms_total);
  EXPECT_LT(some.identity_weights, all.identity_weights);
  // plain: router, lm_head; mma64 and native: q, k, v, o and the experts' gate, up, down (too few
  // rows to fuse).
  EXPECT_EQ(some.operands, 2u + 2u * 7u);
}

}  // namespace
}  // namespace imp::testing
