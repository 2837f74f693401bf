// Digests: XXH3-128 against accidents (chunks, planes), SHA-256 for provenance and identity.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>

#include "src/base/file.h"

namespace imp {

/// XXH3-128 in its canonical (big-endian) byte form, xxHash 0.8 "XXH128_canonical_t".
using Digest128 = std::array<uint8_t, 16>;
using Sha256 = std::array<uint8_t, 32>;

Digest128 xxh3_128(Bytes data);
/// XXH3-64 as an integer.
uint64_t xxh3_64(Bytes data);

/// Streaming XXH3-128; equal to xxh3_128 of the concatenation.
class Xxh3Stream {
 public:
  Xxh3Stream();
  ~Xxh3Stream();
  Xxh3Stream(Xxh3Stream&&) noexcept;
  Xxh3Stream& operator=(Xxh3Stream&&) noexcept;
  void update(Bytes data);
  Digest128 digest() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Streaming SHA-256.
class Sha256Stream {
 public:
  Sha256Stream();
  ~Sha256Stream();
  Sha256Stream(Sha256Stream&&) noexcept;
  Sha256Stream& operator=(Sha256Stream&&) noexcept;
  void update(Bytes data);
  /// Ends the stream. REQUIRES: called once.
  Sha256 finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace imp
