#include "src/unpack/output_folder.h"

#include <span>
#include <system_error>
#include <utility>

#include "src/base/text.h"

namespace imp::unpack {
namespace {

namespace fs = std::filesystem;

Error io_error(const std::string& what, const std::error_code& code, const fs::path& path) {
  const bool full = code == std::errc::no_space_on_device;
  return Error{full ? ErrorKind::kNoSpace : ErrorKind::kIo, what + ": " + code.message(),
               path.string(), ""};
}

bool is_plain_file_name(std::string_view name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string_view::npos &&
         is_clean_utf8(name);
}

}  // namespace

OutputFolder::OutputFolder(fs::path path, bool overwrite, bool made)
    : path_(std::move(path)), overwrite_(overwrite), made_(made) {}

OutputFolder::OutputFolder(OutputFolder&& other) noexcept
    : path_(std::move(other.path_)),
      overwrite_(other.overwrite_),
      made_(other.made_),
      armed_(std::exchange(other.armed_, false)),
      committed_(other.committed_),
      claimed_(std::move(other.claimed_)),
      added_(std::move(other.added_)) {}

OutputFolder::~OutputFolder() {
  if (!armed_) return;
  std::error_code ignored;
  for (const std::string& name : added_) fs::remove(path_ / name, ignored);
  if (made_) fs::remove(path_, ignored);  // only goes if it is empty
}

Result<OutputFolder> OutputFolder::prepare(const fs::path& path, bool overwrite) {
  std::error_code error;
  const fs::file_status status = fs::status(path, error);
  if (status.type() == fs::file_type::not_found) {
    const bool made = fs::create_directories(path, error);
    if (error) return io_error("cannot make the folder", error, path);
    return OutputFolder(path, overwrite, made);
  }
  if (error) return io_error("cannot look at the folder", error, path);
  if (!fs::is_directory(status))
    return Error{ErrorKind::kFileExists, "is not a folder, expected one to write into",
                 path.string(), ""};
  const bool empty = fs::is_empty(path, error);
  if (error) return io_error("cannot read the folder", error, path);
  if (!empty && !overwrite)
    return Error{ErrorKind::kFileExists,
                 "is a folder that is not empty; give -f to write into it all the same",
                 path.string(), ""};
  return OutputFolder(path, overwrite, false);
}

Status OutputFolder::claim(std::string_view name) {
  const std::string shown = printable(name);
  if (!is_plain_file_name(name))
    return Error{
        ErrorKind::kBadName,
        "'" + shown + "' is not the name of a file in a folder, nothing is written under it",
        path_.string(), ""};
  std::error_code ignored;
  if (fs::is_symlink(fs::symlink_status(path_ / name, ignored)))
    return Error{ErrorKind::kBadName,
                 "'" + shown + "' is a symbolic link, expected a name that is free or a file",
                 path_.string(), ""};
  if (!claimed_.emplace(name).second)
    return Error{ErrorKind::kDuplicateName, "two files to write are named '" + shown + "'",
                 path_.string(), ""};
  return {};
}

Result<std::unique_ptr<AtomicFile>> OutputFolder::create(const std::string& name) {
  return AtomicFile::create(path_ / name, overwrite_);
}

Status OutputFolder::commit(AtomicFile& file, const std::string& name, uint64_t size_bytes) {
  std::error_code ignored;
  const bool was_free = !fs::exists(fs::symlink_status(path_ / name, ignored));
  IMP_TRY(file.commit(size_bytes));
  ++committed_;
  if (was_free) added_.push_back(name);
  return {};
}

Status OutputFolder::write_whole(const std::string& name, std::string_view text) {
  IMP_ASSIGN(const auto file, create(name));
  IMP_TRY(file->write_at(0, std::as_bytes(std::span(text))));
  return commit(*file, name, text.size());
}

uint64_t OutputFolder::keep() {
  armed_ = false;
  return committed_;
}

}  // namespace imp::unpack
