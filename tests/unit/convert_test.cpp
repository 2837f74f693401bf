// The line as a whole: determinism, refusals while streaming, failing writes, what the plan
// promised.
#include "tests/unit/conversion.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "formats/imp/reader.h"
#include "src/convert/exception_spool.h"
#include "tests/unit/checkpoint_editor.h"

namespace imp::testing {
namespace {

const char* const kFixtures[] = {"modelopt-nvfp4-llama-odd", "modelopt-nvfp4-qwen2moe",
                                 "modelopt-nvfp4-sharded-llama"};

TEST(Convert, SameBytesWhateverThreadsPathAndOrderOfTargets) {
  for (const char* name : kFixtures) {
    const std::string reference = artifact_of(fixture(name), {89, 120});
    for (const uint64_t threads : {2, 5}) {
      convert::Options options = options_for(fixture(name), {120, 89, 120});
      options.threads = threads;
      CollectingLog log;
      const Result<std::string> bytes = convert_to_memory(options, log);
      ASSERT_TRUE(bytes.ok()) << bytes.error().to_line();
      EXPECT_EQ(*bytes == reference, true) << name << " with " << threads << " threads";
    }
    convert::Options by_map = options_for(fixture(name), {89, 120});
    by_map.path = repack::Path::kMap;
    CollectingLog log;
    const Result<std::string> bytes = convert_to_memory(by_map, log);
    ASSERT_TRUE(bytes.ok());
    EXPECT_EQ(*bytes == reference, true) << name << " through the index map";
  }
}

TEST(Convert, SameBytesFromAnotherFolder) {
  const TempFolder folder;
  const auto copy = folder.path() / "elsewhere";
  std::filesystem::copy(fixture("modelopt-nvfp4-qwen3moe"), copy);
  EXPECT_EQ(artifact_of(copy, {89}) == artifact_of(fixture("modelopt-nvfp4-qwen3moe"), {89}), true);
}

TEST(Convert, FileHasTheOffsetsThatThePlanPrinted) {
  const TempFolder folder;
  for (const char* name : kFixtures) {
    convert::Options options = options_for(fixture(name), {89, 120});
    options.output = folder.path() / (std::string(name) + ".imp");
    CollectingLog log;
    Result<convert::Prepared> prepared = convert::prepare(options, log);
    ASSERT_TRUE(prepared.ok());
    const plan::Plan plan = prepared->plan;
    const Result<convert::Report> report = convert::run(*prepared, options, log);
    ASSERT_TRUE(report.ok()) << report.error().to_line();
    const Result<artifact::Reader> reader = artifact::Reader::open(options.output);
    ASSERT_TRUE(reader.ok()) << reader.error().to_line();
    for (const artifact::SectionEntry& section : reader->sections())
      if (section.type == static_cast<uint32_t>(artifact::SectionType::kPayload)) {
        EXPECT_EQ(section.offset_bytes, plan.payload_offset_bytes);
        EXPECT_EQ(section.stored_bytes, plan.payload_end_bytes - plan.payload_offset_bytes);
      }
    EXPECT_LE(report->total_bytes,
              plan.payload_end_bytes + plan.exceptions_bound_bytes + plan.tail_bound_bytes);
  }
}

TEST(Convert, EachFailingWriteIsAnErrorAndNothingIsCommitted) {
  convert::Options options = options_for(fixture("modelopt-nvfp4-llama-odd"), {89});
  uint64_t failures = 0;
  for (uint64_t n = 1;; ++n) {
    CollectingLog log;
    Result<convert::Prepared> prepared = convert::prepare(options, log);
    ASSERT_TRUE(prepared.ok());
    prepared->threads = 0;
    FailingFile file(n);
    const auto report = convert::run_into(file, *prepared, options, ::testing::TempDir(), log);
    EXPECT_EQ(report.ok(), file.committed());
    if (report.ok()) break;
    EXPECT_EQ(report.error().kind, ErrorKind::kNoSpace);
    ++failures;
    ASSERT_LT(n, 10000u);
  }
  EXPECT_GT(failures, 20u);
}

struct BadByte {
  uint8_t byte;
  const char* what;
};

TEST(Convert, UnsafeBlockScalesAreRefusedNamingThePlace) {
  const std::string tensor = "model.layers.1.mlp.down_proj.weight_scale";
  for (const BadByte& bad : {BadByte{0x7F, "NaN"}, BadByte{0xFF, "NaN"}, BadByte{0x81, "negative"},
                             BadByte{0xFE, "negative"}}) {
    const TempFolder folder;
    CheckpointEditor editor("modelopt-nvfp4-llama-odd");
    // [208, 25]: element 53 is row 2, group 3.
    editor.tensor(tensor).bytes[53] = static_cast<char>(bad.byte);
    CollectingLog log;
    const auto result = convert_to_memory(options_for(editor.write(folder.path()), {89}), log);
    ASSERT_FALSE(result.ok()) << int{bad.byte};
    EXPECT_EQ(result.error().kind, ErrorKind::kBadScale);
    EXPECT_EQ(result.error().tensor, tensor);
    EXPECT_NE(result.error().message.find("[2, 3]"), std::string::npos) << result.error().message;
    EXPECT_NE(result.error().message.find(bad.what), std::string::npos) << result.error().message;
  }
}

TEST(Convert, ZeroTensorTrapIsRefused) {
  CollectingLog log;
  const auto result =
      convert_to_memory(options_for(fixture("modelopt-trap-nvfp4-zerotensor-llama"), {120}), log);
  ASSERT_FALSE(result.ok());
  EXPECT_EQ(result.error().kind, ErrorKind::kBadScale);
  EXPECT_EQ(result.error().tensor, "model.layers.0.mlp.down_proj.weight_scale");
}

TEST(Convert, ZeroBlockScalesAreCountedAndTheirBitsKept) {
  const TempFolder folder;
  CheckpointEditor editor("modelopt-nvfp4-llama-odd");
  std::string& scales = editor.tensor("model.layers.0.mlp.down_proj.weight_scale").bytes;
  scales[100] = '\x00';
  scales[101] = '\x80';
  const auto input = editor.write(folder.path());
  for (const uint32_t sm : {89u, 120u}) {
    convert::Options options = options_for(input, {sm});
    options.output = folder.path() / ("out" + std::to_string(sm));
    CollectingLog log;
    Result<convert::Prepared> prepared = convert::prepare(options, log);
    ASSERT_TRUE(prepared.ok());
    const auto report = convert::run(*prepared, options, log);
    ASSERT_TRUE(report.ok()) << report.error().to_line();
    EXPECT_EQ(report->zero_block_scales, 2u);
    EXPECT_EQ(report->exceptions, sm == 89 ? 2u : 0u);
    ASSERT_EQ(log.warnings.size(), 1u);
    EXPECT_NE(log.warnings[0].find("2 block scales are zero in 1 tensors"), std::string::npos)
        << log.warnings[0];
  }
}

TEST(Convert, SourceThatShrinksMeanwhileIsTruncated) {
  const TempFolder folder;
  const auto copy = folder.path() / "in";
  std::filesystem::copy(fixture("modelopt-nvfp4-llama-odd"), copy);
  const convert::Options options = options_for(copy, {89});
  CollectingLog log;
  Result<convert::Prepared> prepared = convert::prepare(options, log);
  ASSERT_TRUE(prepared.ok());
  std::filesystem::permissions(copy / "model.safetensors", std::filesystem::perms::owner_write,
                               std::filesystem::perm_options::add);
  std::filesystem::resize_file(copy / "model.safetensors", 400000);
  MemoryFile file;
  const auto report = convert::run_into(file, *prepared, options, folder.path(), log);
  ASSERT_FALSE(report.ok());
  EXPECT_EQ(report.error().kind, ErrorKind::kTruncated);
  EXPECT_FALSE(file.committed());
}

TEST(Convert, ExistingOutputIsKeptWithoutForceAndWhenTheRunFails) {
  const TempFolder folder;
  const auto output = folder.write("out.imp", "old");
  convert::Options options = options_for(fixture("modelopt-trap-nvfp4-zerotensor-llama"), {89});
  options.output = output;
  CollectingLog log;
  Result<convert::Prepared> prepared = convert::prepare(options, log);
  ASSERT_TRUE(prepared.ok());
  const auto refused = convert::run(*prepared, options, log);
  ASSERT_FALSE(refused.ok());
  EXPECT_EQ(refused.error().kind, ErrorKind::kFileExists);
  options.overwrite = true;
  prepared = convert::prepare(options, log);
  ASSERT_TRUE(prepared.ok());
  const auto failed = convert::run(*prepared, options, log);
  ASSERT_FALSE(failed.ok());
  EXPECT_EQ(failed.error().kind, ErrorKind::kBadScale);
  const auto text = read_small_file(output, 100);
  ASSERT_TRUE(text.ok());
  EXPECT_EQ(*text, "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()),
                          std::filesystem::directory_iterator()),
            1);
}

TEST(ExceptionSpool, OrdersRunsAndSpillsToAFile) {
  for (const uint64_t memory_bytes : {uint64_t{1} << 20, uint64_t{40}}) {
    convert::ExceptionSpool spool(::testing::TempDir(), memory_bytes);
    const auto group = [](uint64_t index) { return repack::LostGroup{index, 0x80, {1, 2, 3}}; };
    ASSERT_TRUE(spool.add(7, {group(50), group(51)}).ok());
    ASSERT_TRUE(spool.add(3, {group(9)}).ok());
    ASSERT_TRUE(spool.add(7, {group(2)}).ok());
    ASSERT_TRUE(spool.add(7, {}).ok());
    spool.finish();
    EXPECT_EQ(spool.count(), 4u);
    EXPECT_EQ(spool.size_bytes(7), 3 * repack::kLostGroupBytes);
    EXPECT_EQ(spool.size_bytes(4), 0u);
    std::vector<std::byte> bytes;
    ASSERT_TRUE(spool
                    .read(7,
                          [&](Bytes piece) -> Status {
                            bytes.insert(bytes.end(), piece.begin(), piece.end());
                            return {};
                          })
                    .ok());
    ASSERT_EQ(bytes.size(), 3 * repack::kLostGroupBytes);
    EXPECT_EQ(repack::parse_record(bytes.data()), group(2));
    EXPECT_EQ(repack::parse_record(bytes.data() + repack::kLostGroupBytes), group(50));
    EXPECT_EQ(repack::parse_record(bytes.data() + 2 * repack::kLostGroupBytes), group(51));
  }
}

}  // namespace
}  // namespace imp::testing
