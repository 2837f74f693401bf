// Inputs for the fuzzer of read_header that run in every test run; it aborts where a promise
// breaks.
#include <gtest/gtest.h>

#include "tests/unit/safetensors_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

namespace imp {
namespace {

using testing::safetensors_file;

void replay(const std::string& bytes) {
  EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()),
            0);
}

const std::string kSeed = safetensors_file(
    R"({"__metadata__":{"format":"pt"},"a\u0041":{"dtype":"F4","shape":[2,3],"data_offsets":[0,3]},)"
    R"("e":{"dtype":"F64","shape":[0],"data_offsets":[3,3]},)"
    R"("b":{"dtype":"BF16","shape":[],"data_offsets":[3,5]}}  )",
    "abcde");

TEST(SafetensorsFuzzReplay, Seeds) {
  replay("");
  replay(std::string(8, '\0'));
  replay(std::string(64, '\xFF'));
  replay(safetensors_file("{}", ""));
  replay(safetensors_file(std::string(10'000, '{'), ""));
  replay(safetensors_file("{\"a\":" + std::string(10'000, '['), ""));
  replay(kSeed);
}

TEST(SafetensorsFuzzReplay, EveryByteOfASeedDamaged) {
  for (size_t at = 0; at < kSeed.size(); ++at) {
    for (const int change : {0x01, 0x20, 0x80}) {
      std::string bytes = kSeed;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      replay(bytes);
    }
  }
}

TEST(SafetensorsFuzzReplay, EveryByteOfASeedDeleted) {
  for (size_t at = 0; at < kSeed.size(); ++at) replay(std::string(kSeed).erase(at, 1));
}

}  // namespace
}  // namespace imp
