// Digests against vectors that other tools computed.
#include <gtest/gtest.h>

#include <string>

#include "src/base/digest.h"
#include "src/base/text.h"
#include "tests/unit/safetensors_bytes.h"

namespace imp {
namespace {

using testing::as_bytes;

std::string sha256_hex(std::string_view text) {
  Sha256Stream stream;
  stream.update(as_bytes(text));
  const Sha256 digest = stream.finish();
  return hex(digest.data(), digest.size());
}

std::string xxh3_128_hex(std::string_view text) {
  const Digest128 digest = xxh3_128(as_bytes(text));
  return hex(digest.data(), digest.size());
}

/// Bytes 0, 1, ..., 255, 0, 1, ... of this length.
std::string counting_bytes(size_t size_bytes) {
  std::string text(size_bytes, '\0');
  for (size_t i = 0; i < size_bytes; ++i) text[i] = static_cast<char>(i);
  return text;
}

// FIPS 180-2, appendix B.1 to B.3, and the empty message of NIST's SHA256ShortMsg.rsp.
TEST(Sha256, PublishedVectors) {
  EXPECT_EQ(sha256_hex(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256_hex("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256_hex("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  EXPECT_EQ(sha256_hex(std::string(1'000'000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Sha256, PiecesAreTheWhole) {
  Sha256Stream stream;
  stream.update(as_bytes("a"));
  stream.update(as_bytes(""));
  stream.update(as_bytes("bc"));
  const Sha256 digest = stream.finish();
  EXPECT_EQ(hex(digest.data(), digest.size()), sha256_hex("abc"));
}

struct XxhRow {
  size_t size_bytes;
  const char* xxh128;
  uint64_t xxh64;
};

// python-xxhash 4.1.0 (xxHash 0.8.4): xxh3_128_hexdigest, xxh3_64_intdigest of bytes(i % 256 for i
// in range(size)). One size in each of XXH3's length classes (0, 1-3, 4-8, 9-16, 17-128, 129-240,
// above) and both sides of the 1024-byte block.
constexpr XxhRow kXxh[] = {
    {0, "99aa06d3014798d86001c324468d497f", 0x2d06800538d394c2},
    {1, "a6cd5e9392000f6ac44bdff4074eecdb", 0xc44bdff4074eecdb},
    {3, "e3b55f57945a17cf5f4299fc161c9cbb", 0x5f4299fc161c9cbb},
    {4, "eb70bf5fc779e9e6a6111d53e80a3db5", 0x60dab036a58211f2},
    {8, "e1e4432a62217fe4cfd50c61c8bb98c1", 0x3a1c2d7c85af88f8},
    {9, "16c769d83e4aebce907931979dca3746", 0xe9612598145bb9dc},
    {16, "72950631827607e2842812cc870dcae2", 0x8355e3a6f61770db},
    {17, "685bc458b37d057fc06e233df7729217", 0x9ef341a99de37328},
    {128, "14792fc3af88dc6c05321a0b64d67b41", 0x85c6174c7ff4c46b},
    {129, "dd5e74ac6b45f54ebc30b63382b09a3b", 0xec7642b431ba3e5a},
    {240, "65b5be86da5540e7c92b68e16f83bbb6", 0x375a384d957fe865},
    {241, "1da1cb61bcb8a2a102e8cd95421c6d02", 0x02e8cd95421c6d02},
    {1023, "24a6b20b01d4b80026a0a01d1c925c06", 0x26a0a01d1c925c06},
    {1024, "83885e853bb6640ca870f92984398d22", 0xa870f92984398d22},
    {1025, "e1e508f110763b4678c86e91ee939852", 0x78c86e91ee939852},
    {65536, "9b31b2ce54c6e35a9a1db56d610a5516", 0x9a1db56d610a5516},
    {1000003, "9b3874854a8cb52c5dd5852dee5bfb9c", 0x5dd5852dee5bfb9c},
};

TEST(Xxh3, VectorsOfAnotherTool) {
  for (const XxhRow& row : kXxh) {
    const std::string text = counting_bytes(row.size_bytes);
    EXPECT_EQ(xxh3_128_hex(text), row.xxh128) << row.size_bytes;
    EXPECT_EQ(xxh3_64(as_bytes(text)), row.xxh64) << row.size_bytes;
  }
}

TEST(Xxh3, PiecesAreTheWhole) {
  for (const XxhRow& row : kXxh) {
    const std::string text = counting_bytes(row.size_bytes);
    Xxh3Stream stream;
    // Pieces of 1, 2, 4, ... bytes cross every buffer boundary of the stream.
    for (size_t at = 0, piece = 1; at < text.size(); at += piece, piece *= 2)
      stream.update(as_bytes(std::string_view(text).substr(at, piece)));
    const Digest128 digest = stream.digest();
    EXPECT_EQ(hex(digest.data(), digest.size()), row.xxh128) << row.size_bytes;
  }
}

TEST(Xxh3, DigestMayBeAskedInBetween) {
  Xxh3Stream stream;
  stream.update(as_bytes("a"));
  const Digest128 one = stream.digest();
  // python-xxhash: xxh3_128_hexdigest(b"a"), (b"abc").
  EXPECT_EQ(hex(one.data(), one.size()), "a96faf705af16834e6c632b61e964e1f");
  stream.update(as_bytes("bc"));
  Xxh3Stream moved = std::move(stream);
  const Digest128 three = moved.digest();
  EXPECT_EQ(hex(three.data(), three.size()), "06b05ab6733a618578af5f94892f3950");
}

}  // namespace
}  // namespace imp
