// Memory of a card for the tests of repack kernels.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <stdexcept>
#include <vector>

#include "kernels/cuda/runtime.h"
#include "kernels/repack/repack.h"
#include "tests/unit/layout_planes.h"

namespace imp::test {

using kernels::RepackPath;
using Vector = std::vector<std::byte>;

inline constexpr RepackPath kDevicePaths[] = {RepackPath::kWord, RepackPath::kMap};
inline const char* name_of(RepackPath path) { return path == RepackPath::kWord ? "word" : "map"; }

/// Bytes past each output that must stay as they are.
inline constexpr size_t kGuardBytes = 256;

inline void expect_ok(const Status& status) {
  ASSERT_TRUE(status.ok()) << status.error().to_line();
}

/// Device memory that begins as given. Inputs are exact, so that a memory checker sees every byte
/// read too many; outputs are followed by a guard.
class OnDevice {
 public:
  explicit OnDevice(const Vector& bytes, size_t guard_bytes = 0)
      : size_(bytes.size()), guard_bytes_(guard_bytes) {
    Vector all = bytes;
    all.resize(size_ + guard_bytes_, kUnwritten);
    auto buffer = cuda::DeviceBuffer::allocate(all.size());
    if (!buffer.ok()) throw std::runtime_error(buffer.error().to_line());
    buffer_ = std::move(buffer).take();
    expect_ok(cuda::copy_to_device(buffer_.data(), all, nullptr));
    expect_ok(cuda::synchronize());
  }
  /// An output: nothing of it is written yet.
  static OnDevice unwritten(size_t size) { return OnDevice(Vector(size, kUnwritten), kGuardBytes); }

  std::byte* data() const { return buffer_.data(); }
  template <class T>
  T* as() const {
    return buffer_.as<T>();
  }
  /// What is there now, when everything launched is done; the guard is checked.
  Vector bytes() const {
    Vector all(size_ + guard_bytes_);
    expect_ok(cuda::synchronize());
    expect_ok(cuda::copy_to_host(all, buffer_.data(), nullptr));
    expect_ok(cuda::synchronize());
    EXPECT_TRUE(std::all_of(all.begin() + static_cast<std::ptrdiff_t>(size_), all.end(),
                            [](std::byte b) { return b == kUnwritten; }))
        << "written past the end";
    all.resize(size_);
    return all;
  }
  uint64_t number() const {
    uint64_t value = 0;
    const Vector all = bytes();
    std::memcpy(&value, all.data(), sizeof value);
    return value;
  }

 private:
  size_t size_;
  size_t guard_bytes_;
  cuda::DeviceBuffer buffer_;
};

inline Vector number_bytes(uint64_t value) {
  Vector bytes(sizeof value);
  std::memcpy(bytes.data(), &value, sizeof value);
  return bytes;
}

}  // namespace imp::test
