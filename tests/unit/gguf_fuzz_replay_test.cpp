// Inputs for the fuzzer of read_header that run in every test run; it aborts where a promise
// breaks.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/unit/gguf_bytes.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

namespace imp {
namespace {

namespace fs = std::filesystem;
using testing::GgufEncoder;
using testing::small_gguf;

void replay(const std::string& bytes) {
  EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()),
            0);
}

class GgufFuzzReplay : public ::testing::TestWithParam<bool> {
 protected:
  const std::string seed_ = small_gguf(GgufEncoder{GetParam()}).bytes();
};
INSTANTIATE_TEST_SUITE_P(Both, GgufFuzzReplay, ::testing::Bool(),
                         [](const auto& big) { return std::string(big.param ? "big" : "little"); });

TEST_P(GgufFuzzReplay, EveryByteOfASeedDamaged) {
  for (size_t at = 0; at < seed_.size(); ++at) {
    for (const int change : {0x01, 0x20, 0x80, 0xFF}) {
      std::string bytes = seed_;
      bytes[at] = static_cast<char>(bytes[at] ^ change);
      replay(bytes);
    }
  }
}

TEST_P(GgufFuzzReplay, EveryByteOfASeedDeleted) {
  for (size_t at = 0; at < seed_.size(); ++at) replay(std::string(seed_).erase(at, 1));
}

TEST(GgufFuzzCorpus, EveryFile) {
  size_t files = 0;
  for (const auto& entry :
       fs::recursive_directory_iterator(fs::path(IMP_TEST_DATA) / "gguf-malformed")) {
    if (!entry.is_regular_file()) continue;
    std::ifstream in(entry.path(), std::ios::binary);
    replay({std::istreambuf_iterator<char>(in), {}});
    ++files;
  }
  EXPECT_GT(files, 130u);
}

}  // namespace
}  // namespace imp
