#include "src/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <utility>

namespace imp {
namespace {

Error io_error(const std::string& what, const std::string& path) {
  const int code = errno;
  const ErrorKind kind =
      code == ENOSPC || code == EDQUOT || code == EFBIG ? ErrorKind::kNoSpace : ErrorKind::kIo;
  return Error{kind, what + ": " + std::strerror(code), path, ""};
}

Status read_fully(int fd, uint64_t offset, MutableBytes out, const std::string& path) {
  size_t done = 0;
  while (done < out.size()) {
    const ssize_t got =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return io_error("cannot read", path);
    if (got == 0)
      return Error{ErrorKind::kTruncated,
                   "file ends at byte " + std::to_string(offset + done) + ", expected " +
                       std::to_string(offset + out.size()),
                   path, ""};
    done += static_cast<size_t>(got);
  }
  return {};
}

Status write_fully(int fd, uint64_t offset, Bytes data, const std::string& path) {
  size_t done = 0;
  while (done < data.size()) {
    const ssize_t put =
        ::pwrite(fd, data.data() + done, data.size() - done, static_cast<off_t>(offset + done));
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return io_error("cannot write", path);
    done += static_cast<size_t>(put);
  }
  return {};
}

std::filesystem::path folder_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path() : std::filesystem::path(".");
}

}  // namespace

ReadFile::ReadFile(int fd, uint64_t size_bytes, std::string path)
    : fd_(fd), size_bytes_(size_bytes), path_(std::move(path)) {}

ReadFile::ReadFile(ReadFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      size_bytes_(other.size_bytes_),
      path_(std::move(other.path_)) {}

ReadFile& ReadFile::operator=(ReadFile&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(size_bytes_, other.size_bytes_);
  std::swap(path_, other.path_);
  return *this;
}

ReadFile::~ReadFile() {
  if (fd_ >= 0) ::close(fd_);
}

Result<ReadFile> ReadFile::open(const std::filesystem::path& path) {
  // O_NONBLOCK: opening a named pipe without a writer would wait for ever.
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0) return io_error("cannot open", path.string());
  struct stat info {};
  if (::fstat(fd, &info) != 0) {
    Error error = io_error("cannot stat", path.string());
    ::close(fd);
    return error;
  }
  if (!S_ISREG(info.st_mode)) {
    ::close(fd);
    return Error{ErrorKind::kIo, "is not a regular file", path.string(), ""};
  }
  return ReadFile(fd, static_cast<uint64_t>(info.st_size), path.string());
}

Status ReadFile::read_at(uint64_t offset_bytes, MutableBytes out) const {
  if (offset_bytes > size_bytes_ || out.size() > size_bytes_ - offset_bytes)
    return Error{ErrorKind::kTruncated,
                 "file has " + std::to_string(size_bytes_) + " bytes, expected at least " +
                     std::to_string(offset_bytes) + " + " + std::to_string(out.size()),
                 path_, ""};
  return read_fully(fd_, offset_bytes, out, path_);
}

Result<std::string> read_small_file(const std::filesystem::path& path, uint64_t cap_bytes) {
  IMP_ASSIGN(ReadFile file, ReadFile::open(path));
  if (file.size_bytes() > cap_bytes)
    return Error{ErrorKind::kHeaderSize,
                 "has " + std::to_string(file.size_bytes()) + " bytes, expected at most " +
                     std::to_string(cap_bytes),
                 path.string(), ""};
  std::string text(file.size_bytes(), '\0');
  IMP_TRY(file.read_at(0, std::as_writable_bytes(std::span(text))));
  return text;
}

AtomicFile::AtomicFile(int fd, std::filesystem::path final_path, std::filesystem::path temp_path,
                       bool overwrite)
    : fd_(fd),
      final_path_(std::move(final_path)),
      temp_path_(std::move(temp_path)),
      overwrite_(overwrite) {}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) ::close(fd_);
  if (!committed_) ::unlink(temp_path_.c_str());
}

Result<std::unique_ptr<AtomicFile>> AtomicFile::create(const std::filesystem::path& path,
                                                       bool overwrite) {
  std::error_code ignored;
  const auto status = std::filesystem::symlink_status(path, ignored);
  if (std::filesystem::exists(status) && !overwrite)
    return Error{ErrorKind::kFileExists, "exists; give -f to overwrite it", path.string(), ""};
  if (std::filesystem::is_directory(std::filesystem::status(path, ignored)))
    return Error{ErrorKind::kFileExists, "is a folder, expected the name of a file", path.string(),
                 ""};
  std::filesystem::path temp =
      folder_of(path) / ("." + path.filename().string() + ".XXXXXX.partial");
  std::string name = temp.string();
  const int fd = ::mkostemps(name.data(), 8, O_CLOEXEC);
  if (fd < 0) return io_error("cannot create a file in this folder", folder_of(path).string());
  const mode_t mask = ::umask(0);
  ::umask(mask);
  ::fchmod(fd, 0666 & ~mask);
  return std::unique_ptr<AtomicFile>(new AtomicFile(fd, path, name, overwrite));
}

Status AtomicFile::reserve(uint64_t size_bytes) {
  if (size_bytes == 0) return {};
  if (::posix_fallocate(fd_, 0, static_cast<off_t>(size_bytes)) == ENOSPC) {
    errno = ENOSPC;
    return io_error("cannot reserve " + std::to_string(size_bytes) + " bytes",
                    final_path_.string());
  }
  return {};
}

Status AtomicFile::write_at(uint64_t offset_bytes, Bytes data) {
  IMP_TRY(write_fully(fd_, offset_bytes, data, final_path_.string()));
  // Start the disk now: the sync in commit() then has little left to wait for. A hint, so errors do
  // not matter.
  constexpr size_t kWorthAHint = 1u << 20;
  if (data.size() >= kWorthAHint)
    ::sync_file_range(fd_, static_cast<off_t>(offset_bytes), static_cast<off_t>(data.size()),
                      SYNC_FILE_RANGE_WRITE);
  return {};
}

Status AtomicFile::read_at(uint64_t offset_bytes, MutableBytes out) const {
  return read_fully(fd_, offset_bytes, out, final_path_.string());
}

Status AtomicFile::commit(uint64_t size_bytes) {
  const std::string name = final_path_.string();
  if (::ftruncate(fd_, static_cast<off_t>(size_bytes)) != 0) return io_error("cannot resize", name);
  if (::fsync(fd_) != 0) return io_error("cannot sync", name);
  if (::close(std::exchange(fd_, -1)) != 0) return io_error("cannot close", name);
  const int flags = overwrite_ ? 0 : RENAME_NOREPLACE;
  if (::renameat2(AT_FDCWD, temp_path_.c_str(), AT_FDCWD, final_path_.c_str(), flags) != 0) {
    if (errno == EEXIST)
      return Error{ErrorKind::kFileExists, "exists; give -f to overwrite it", name, ""};
    // Some file systems know no RENAME_NOREPLACE; a hard link refuses to replace as well.
    const bool linked =
        errno == EINVAL && !overwrite_ && ::link(temp_path_.c_str(), final_path_.c_str()) == 0;
    if (!linked) return io_error("cannot rename the finished file", name);
    ::unlink(temp_path_.c_str());
  }
  committed_ = true;
  const int folder = ::open(folder_of(final_path_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
  return {};
}

Result<ScratchFile> ScratchFile::create(const std::filesystem::path& folder) {
  std::string name = (folder / ".imp-scratch.XXXXXX").string();
  const int fd = ::mkostemp(name.data(), O_CLOEXEC);
  if (fd < 0) return io_error("cannot create a temporary file", folder.string());
  ::unlink(name.c_str());
  return ScratchFile(fd);
}

ScratchFile::ScratchFile(ScratchFile&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)), size_bytes_(other.size_bytes_) {}

ScratchFile::~ScratchFile() {
  if (fd_ >= 0) ::close(fd_);
}

Status ScratchFile::append(Bytes data) {
  IMP_TRY(write_fully(fd_, size_bytes_, data, "temporary file"));
  size_bytes_ += data.size();
  return {};
}

Status ScratchFile::read_at(uint64_t offset_bytes, MutableBytes out) const {
  return read_fully(fd_, offset_bytes, out, "temporary file");
}

}  // namespace imp
