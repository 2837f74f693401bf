#include "src/model/gguf/frames.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "formats/gguf/frame.h"
#include "formats/hf/checkpoint.h"
#include "src/model/gguf_manifest.h"

namespace imp::model {

Status add_frames(const gguf::Checkpoint& checkpoint, Source& source, Log& log) {
  uint64_t room = hf::kMaxCompanionBytes;
  for (const auto& [name, bytes] : source.made_companions) room -= std::min(room, bytes.size());
  std::vector<std::string> frames;
  for (size_t f = 0; f < checkpoint.shards.size(); ++f) {
    auto frame = gguf::read_frame(source.files[f].handle, checkpoint.shards[f].header, room);
    if (!frame.ok() && frame.error().kind == ErrorKind::kHeaderSize) {
      log.warn(frame.error().to_line() +
               "; imp-unpack will not be able to give the GGUF files back");
      return {};
    }
    if (!frame.ok()) return std::move(frame).error();
    room -= frame->size();
    frames.push_back(std::move(frame).take());
  }
  for (size_t f = 0; f < frames.size(); ++f) {
    const std::string name = frame_name(source.files[f].name);
    source.companions.push_back(name);
    source.made_companions.emplace_back(name, std::move(frames[f]));
  }
  std::sort(source.companions.begin(), source.companions.end());
  return {};
}

}  // namespace imp::model
