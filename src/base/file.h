// Files: reading by ranges, writing by planned offsets, appearing under the final name only when
// whole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>

#include "src/base/result.h"

namespace imp {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// A regular file opened for reads at offsets (pread; thread-safe). Nothing is mapped.
class ReadFile {
 public:
  /// Errors: kIo (missing, no permission, not a regular file).
  static Result<ReadFile> open(const std::filesystem::path& path);
  ReadFile(ReadFile&& other) noexcept;
  ReadFile& operator=(ReadFile&& other) noexcept;
  ~ReadFile();

  const std::string& path() const { return path_; }
  /// Size when the file was opened.
  uint64_t size_bytes() const { return size_bytes_; }
  /// Fill `out` from `offset_bytes`. Errors: kTruncated if the range ends past the file, kIo.
  Status read_at(uint64_t offset_bytes, MutableBytes out) const;

 private:
  ReadFile(int fd, uint64_t size_bytes, std::string path);
  int fd_ = -1;
  uint64_t size_bytes_ = 0;
  std::string path_;
};

/// Whole small file as bytes. Errors: kIo; kHeaderSize if it is larger than `cap_bytes`.
Result<std::string> read_small_file(const std::filesystem::path& path, uint64_t cap_bytes);

/// Destination of an artifact. Writes may come in any order and from several threads.
class OutputFile {
 public:
  virtual ~OutputFile() = default;
  /// Errors: kNoSpace, kIo.
  virtual Status write_at(uint64_t offset_bytes, Bytes data) = 0;
  /// Read back what was written. Bytes never written read as zero. Errors: kTruncated, kIo.
  virtual Status read_at(uint64_t offset_bytes, MutableBytes out) const = 0;
  /// Make the file `size_bytes` long and make it durable under its final name.
  virtual Status commit(uint64_t size_bytes) = 0;
};

/// Writes to a temporary name in the folder of `path`; commit() syncs, then renames. If it is
/// destroyed without commit, the temporary file is removed and `path` is as it was.
class AtomicFile : public OutputFile {
 public:
  /// Errors: kFileExists if `path` exists and !overwrite; kIo; kNoSpace.
  static Result<std::unique_ptr<AtomicFile>> create(const std::filesystem::path& path,
                                                    bool overwrite);
  ~AtomicFile() override;
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  /// Ask the file system for the space now, so that a full disk shows before the work. Best effort.
  Status reserve(uint64_t size_bytes);
  Status write_at(uint64_t offset_bytes, Bytes data) override;
  Status read_at(uint64_t offset_bytes, MutableBytes out) const override;
  /// Errors: kFileExists if another process made `path` meanwhile and !overwrite; kIo; kNoSpace.
  Status commit(uint64_t size_bytes) override;

 private:
  AtomicFile(int fd, std::filesystem::path final_path, std::filesystem::path temp_path,
             bool overwrite);
  int fd_;
  std::filesystem::path final_path_;
  std::filesystem::path temp_path_;
  bool overwrite_;
  bool committed_ = false;
};

/// A nameless scratch file in `folder` for data that may outgrow memory; gone when closed.
class ScratchFile {
 public:
  static Result<ScratchFile> create(const std::filesystem::path& folder);
  ScratchFile(ScratchFile&& other) noexcept;
  ScratchFile& operator=(ScratchFile&&) = delete;
  ~ScratchFile();
  Status append(Bytes data);
  Status read_at(uint64_t offset_bytes, MutableBytes out) const;
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  explicit ScratchFile(int fd) : fd_(fd) {}
  int fd_;
  uint64_t size_bytes_ = 0;
};

}  // namespace imp
