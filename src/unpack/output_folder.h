// The only door to the disk: files with checked names inside one folder, taken back if the run
// fails.
#pragma once

#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::unpack {

class OutputFolder {
 public:
  /// Make `path` (and its parents) if it is absent. Errors: kFileExists if it is not empty and
  /// !overwrite, or no folder; kIo.
  static Result<OutputFolder> prepare(const std::filesystem::path& path, bool overwrite);
  /// Unless keep() was called: removes the files that were added, and the folder if it was made
  /// here.
  ~OutputFolder();
  OutputFolder(OutputFolder&& other) noexcept;
  OutputFolder& operator=(OutputFolder&&) = delete;

  /// Take `name` for this run. Errors: kBadName for a name that is empty, "." or "..", has a '/' or
  /// a control character, or is a symbolic link in the folder; kDuplicateName if it is taken
  /// already.
  Status claim(std::string_view name);
  /// REQUIRES: claimed.
  Result<std::unique_ptr<AtomicFile>> create(const std::string& name);
  /// Commit a file of create().
  Status commit(AtomicFile& file, const std::string& name, uint64_t size_bytes);
  /// create, write, commit.
  Status write_whole(const std::string& name, std::string_view text);

  /// The run went well: everything stays. Number of files committed.
  uint64_t keep();

 private:
  OutputFolder(std::filesystem::path path, bool overwrite, bool made);

  std::filesystem::path path_;
  bool overwrite_;
  bool made_;
  bool armed_ = true;  ///< undo in the destructor
  uint64_t committed_ = 0;
  std::set<std::string, std::less<>> claimed_;
  std::vector<std::string> added_;  ///< committed under names that were free
};

}  // namespace imp::unpack
