#include "src/verify/exceptions.h"

#include <algorithm>
#include <string>

#include "src/base/little_endian.h"

namespace imp::verify {
namespace {

constexpr uint64_t kRecordBytes = 17;  // u64 group, scale byte, 8 code bytes
constexpr uint64_t kBufferRecords = 4096;
constexpr uint64_t kGroup = 16;

}  // namespace

ExceptionCursor::ExceptionCursor(const FormView& view)
    : view_(view),
      component_(view.reader.find_component(view.form, artifact::ComponentKind::kExceptions)) {}

Error ExceptionCursor::error(const std::string& what) const {
  return Error{ErrorKind::kInverseMismatch, "exceptions: " + what, view_.reader.path(),
               view_.name()};
}

Status ExceptionCursor::load_next() {
  started_ = true;
  next_.reset();
  if (component_ == nullptr) return {};
  if (buffer_at_ == buffer_.size()) {
    const uint64_t left = component_->size_bytes - next_offset_bytes_;
    if (left == 0) return {};
    if (left % kRecordBytes != 0)
      return error("size is no multiple of " + std::to_string(kRecordBytes));
    buffer_.resize(std::min(left, kBufferRecords * kRecordBytes));
    IMP_TRY(view_.reader.read_component(*component_, next_offset_bytes_, buffer_));
    next_offset_bytes_ += buffer_.size();
    buffer_at_ = 0;
  }
  const std::byte* at = buffer_.data() + buffer_at_;
  buffer_at_ += kRecordBytes;
  const Record record{load_le<uint64_t>(at), static_cast<uint8_t>(at[8]),
                      load_le<uint64_t>(at + 9)};
  if (last_group_ && record.group <= *last_group_)
    return error("group " + std::to_string(record.group) + " follows group " +
                 std::to_string(*last_group_));
  last_group_ = record.group;
  next_ = record;
  return {};
}

Status ExceptionCursor::apply(const StoredSlab& slab, CanonicalSlab& canonical,
                              const Refusal& refusal) {
  if (!started_) IMP_TRY(load_next());
  // Records count groups of 16, whatever the source's groups are.
  const uint64_t groups = view_.operand.k / kGroup;
  const uint64_t first = (slab.expert * view_.operand.n + slab.row0) * groups;
  const uint64_t end = first + slab.rows * groups;
  while (next_ && next_->group < end) {
    if (next_->group < first)
      return error("group " + std::to_string(next_->group) + " lies before its place");
    const uint64_t at = next_->group - first;
    if (const char* why = refusal(at, next_->scale, next_->codes))
      return error("group " + std::to_string(next_->group) + " " + why);
    canonical.scales[at] = static_cast<std::byte>(next_->scale);
    store_le(canonical.codes.data() + at * 8, next_->codes);
    IMP_TRY(load_next());
  }
  return {};
}

Status ExceptionCursor::finish() {
  if (next_) return error("group " + std::to_string(next_->group) + " lies outside the operand");
  return {};
}

}  // namespace imp::verify
