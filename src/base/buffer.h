// Memory for bytes that are about to be overwritten: not zeroed, and recycled, because a slab of
// several MiB that is mapped, faulted in and unmapped again for every use costs more system time
// than the copy itself.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "src/base/file.h"

namespace imp {

/// Uninitialised bytes.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(uint64_t size_bytes)
      : bytes_(std::make_unique_for_overwrite<std::byte[]>(size_bytes)),
        capacity_bytes_(size_bytes),
        size_bytes_(size_bytes) {}

  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }
  uint64_t size() const { return size_bytes_; }
  uint64_t capacity() const { return capacity_bytes_; }
  MutableBytes span() { return {bytes_.get(), size_bytes_}; }
  Bytes span() const { return {bytes_.get(), size_bytes_}; }
  /// REQUIRES: size_bytes <= capacity(). Contents stay.
  void resize(uint64_t size_bytes) { size_bytes_ = size_bytes; }

 private:
  std::unique_ptr<std::byte[]> bytes_;
  uint64_t capacity_bytes_ = 0;
  uint64_t size_bytes_ = 0;
};

/// Buffers that come back when their last user lets go. Thread-safe; must outlive what it gives
/// out.
class BufferPool {
 public:
  using Handle = std::shared_ptr<Buffer>;

  Handle take(uint64_t size_bytes) {
    Buffer buffer = find(size_bytes);
    buffer.resize(size_bytes);
    return Handle(new Buffer(std::move(buffer)), [this](Buffer* used) {
      give_back(std::move(*used));
      delete used;
    });
  }

 private:
  Buffer find(uint64_t size_bytes) {
    const std::lock_guard lock(mutex_);
    for (Buffer& buffer : free_)
      if (buffer.capacity() >= size_bytes) {
        std::swap(buffer, free_.back());
        Buffer taken = std::move(free_.back());
        free_.pop_back();
        return taken;
      }
    // The largest size asked for soon fits every request; smaller ones are not worth keeping.
    if (!free_.empty()) free_.pop_back();
    return Buffer(size_bytes);
  }
  void give_back(Buffer buffer) {
    const std::lock_guard lock(mutex_);
    free_.push_back(std::move(buffer));
  }

  std::mutex mutex_;
  std::vector<Buffer> free_;
};

}  // namespace imp
