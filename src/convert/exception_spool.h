// Groups whose bits a layout cannot hold, gathered from all workers, in order at the end.
#pragma once

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <vector>

#include "formats/imp/writer.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/repack/nvfp4.h"

namespace imp::convert {

/// Records stay in memory up to this many bytes, then go to a scratch file.
inline constexpr uint64_t kSpoolMemoryBytes = 64u << 20;

class ExceptionSpool : public artifact::ExceptionSource {
 public:
  explicit ExceptionSpool(std::filesystem::path scratch_folder,
                          uint64_t memory_bytes = kSpoolMemoryBytes)
      : scratch_folder_(std::move(scratch_folder)), memory_bytes_(memory_bytes) {}

  /// Thread-safe. `groups` is ascending and no other call for this component has a group between
  /// its first and last.
  Status add(uint32_t component, const std::vector<repack::LostGroup>& groups);
  /// Bring the runs into order; no add() afterwards.
  void finish();
  uint64_t count() const { return count_; }

  uint64_t size_bytes(uint32_t component) const override;
  Status read(uint32_t component, const std::function<Status(Bytes)>& sink) const override;

 private:
  struct Run {
    uint32_t component;
    uint64_t first_group;
    uint64_t offset_bytes;  ///< in memory, then in the scratch file
    uint64_t size_bytes;
    bool in_file;
  };
  Status spill();

  std::filesystem::path scratch_folder_;
  uint64_t memory_bytes_;
  std::mutex mutex_;
  std::vector<Run> runs_;
  std::vector<std::byte> memory_;
  std::optional<ScratchFile> file_;
  uint64_t count_ = 0;
};

}  // namespace imp::convert
