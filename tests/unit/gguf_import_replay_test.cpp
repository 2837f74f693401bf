// Inputs for the fuzzer of GGUF imports that run in every test run; it aborts where a tensor that
// was promised cannot be read.
#include <gtest/gtest.h>

#include "tests/unit/gguf_model.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size_bytes);

namespace imp {
namespace {

using testing::GgufModel;
using testing::small_latent;
using testing::small_llama;

void replay(const std::string& bytes) {
  EXPECT_EQ(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()),
            0);
}

/// With names of the hub and with the file's own.
void replay_head_damaged(const GgufModel& gguf) {
  const size_t head = gguf.file.head().size();
  for (const char last : {'\0', '\1'}) {
    const std::string seed = gguf.file.bytes() + last;
    for (size_t at = 0; at < head; ++at)
      for (const int change : {0x01, 0x04, 0x80}) {
        std::string bytes = seed;
        bytes[at] = static_cast<char>(bytes[at] ^ change);
        replay(bytes);
      }
  }
}

TEST(GgufImportReplay, Llama) { replay_head_damaged(small_llama()); }

TEST(GgufImportReplay, LatentHalves) {
  const GgufModel gguf = small_latent();
  replay_head_damaged(gguf);
}

TEST(GgufImportReplay, Blocks) {
  GgufModel gguf = small_llama();
  gguf.remove("blk.0.ffn_down.weight");
  gguf.number("feed_forward_length", 64);
  gguf.remove("blk.0.ffn_gate.weight");
  gguf.remove("blk.0.ffn_up.weight");
  gguf.f32("blk.0.ffn_gate.weight", {8, 64});
  gguf.f32("blk.0.ffn_up.weight", {8, 64});
  gguf.blocks("blk.0.ffn_down.weight", {64, 8}, testing::kGgmlQ8_0, 16 * 34);
  replay_head_damaged(gguf);
}

}  // namespace
}  // namespace imp
