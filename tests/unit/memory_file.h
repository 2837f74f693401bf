// Destinations for artifacts in tests: memory, and memory that fails.
#pragma once

#include <cstring>
#include <mutex>
#include <string>

#include "src/base/file.h"

namespace imp::testing {

/// Keeps what is written. Bytes never written are zero.
class MemoryFile : public OutputFile {
 public:
  Status write_at(uint64_t offset_bytes, Bytes data) override {
    const std::lock_guard lock(mutex_);
    if (bytes_.size() < offset_bytes + data.size()) bytes_.resize(offset_bytes + data.size());
    if (!data.empty()) std::memcpy(bytes_.data() + offset_bytes, data.data(), data.size());
    return {};
  }
  Status read_at(uint64_t offset_bytes, MutableBytes out) const override {
    const std::lock_guard lock(mutex_);
    if (offset_bytes > bytes_.size() || out.size() > bytes_.size() - offset_bytes)
      return Error{ErrorKind::kTruncated, "read past what was written", "", ""};
    if (!out.empty()) std::memcpy(out.data(), bytes_.data() + offset_bytes, out.size());
    return {};
  }
  Status commit(uint64_t size_bytes) override {
    bytes_.resize(size_bytes);
    committed_ = true;
    return {};
  }

  const std::string& bytes() const { return bytes_; }
  bool committed() const { return committed_; }

 private:
  mutable std::mutex mutex_;
  std::string bytes_;
  bool committed_ = false;
};

/// The `fail_at`-th call of write_at or commit (counted from 1) fails with kNoSpace.
class FailingFile : public MemoryFile {
 public:
  explicit FailingFile(uint64_t fail_at) : fail_at_(fail_at) {}

  Status write_at(uint64_t offset_bytes, Bytes data) override {
    if (++calls_ == fail_at_) return failure();
    return MemoryFile::write_at(offset_bytes, data);
  }
  Status commit(uint64_t size_bytes) override {
    if (++calls_ == fail_at_) return failure();
    return MemoryFile::commit(size_bytes);
  }
  uint64_t calls() const { return calls_; }

 private:
  static Error failure() {
    return Error{ErrorKind::kNoSpace, "no space, as the test asked", "", ""};
  }

  const uint64_t fail_at_;
  uint64_t calls_ = 0;
};

}  // namespace imp::testing
