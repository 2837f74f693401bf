#include "src/convert/exception_spool.h"

#include <algorithm>
#include <tuple>

namespace imp::convert {

Status ExceptionSpool::add(uint32_t component, const std::vector<repack::LostGroup>& groups) {
  if (groups.empty()) return {};
  const std::lock_guard lock(mutex_);
  const Run run{component, groups.front().group_index, memory_.size(),
                groups.size() * repack::kLostGroupBytes, false};
  for (const repack::LostGroup& group : groups) append_record(group, memory_);
  runs_.push_back(run);
  count_ += groups.size();
  return memory_.size() > memory_bytes_ ? spill() : Status{};
}

Status ExceptionSpool::spill() {
  if (!file_) {
    IMP_ASSIGN(ScratchFile file, ScratchFile::create(scratch_folder_));
    file_.emplace(std::move(file));
  }
  const uint64_t base = file_->size_bytes();
  IMP_TRY(file_->append(memory_));
  for (Run& run : runs_) {
    if (run.in_file) continue;
    run.offset_bytes += base;
    run.in_file = true;
  }
  memory_.clear();
  return {};
}

void ExceptionSpool::finish() {
  std::sort(runs_.begin(), runs_.end(), [](const Run& a, const Run& b) {
    return std::tie(a.component, a.first_group) < std::tie(b.component, b.first_group);
  });
}

uint64_t ExceptionSpool::size_bytes(uint32_t component) const {
  uint64_t total = 0;
  const auto first = std::lower_bound(runs_.begin(), runs_.end(), component,
                                      [](const Run& run, uint32_t c) { return run.component < c; });
  for (auto it = first; it != runs_.end() && it->component == component; ++it)
    total += it->size_bytes;
  return total;
}

Status ExceptionSpool::read(uint32_t component, const std::function<Status(Bytes)>& sink) const {
  std::vector<std::byte> buffer;
  const auto first = std::lower_bound(runs_.begin(), runs_.end(), component,
                                      [](const Run& run, uint32_t c) { return run.component < c; });
  for (auto it = first; it != runs_.end() && it->component == component; ++it) {
    if (!it->in_file) {
      IMP_TRY(sink(Bytes(memory_).subspan(it->offset_bytes, it->size_bytes)));
      continue;
    }
    buffer.resize(it->size_bytes);
    IMP_TRY(file_->read_at(it->offset_bytes, buffer));
    IMP_TRY(sink(buffer));
  }
  return {};
}

}  // namespace imp::convert
