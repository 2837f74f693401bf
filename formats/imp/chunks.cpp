#include "formats/imp/chunks.h"

#include <mutex>
#include <utility>

#include "src/base/checked.h"

namespace imp::artifact {
namespace {

void store(ChunkRecord& record, const Digest128& digest) {
  std::copy(digest.begin(), digest.end(), record.digest);
}

}  // namespace

std::vector<ChunkRecord> chunks_for(std::span<const PayloadExtent> extents) {
  std::vector<ChunkRecord> chunks;
  for_each_chunk(extents, [&](uint64_t offset, uint64_t size) {
    chunks.push_back({.offset_bytes = offset,
                      .size_bytes = static_cast<uint32_t>(size),
                      .payload_file = 0,
                      .digest = {}});
    return true;
  });
  return chunks;
}

uint64_t chunk_table_bound_bytes(std::span<const PayloadExtent> extents,
                                 uint64_t exceptions_bytes) {
  uint64_t count = div_up(exceptions_bytes, kChunkBytes);
  for_each_chunk(extents, [&](uint64_t, uint64_t) { return ++count, true; });
  return count * sizeof(ChunkRecord);
}

/// A chunk that one write covered whole and nothing else touched is digested from memory; every
/// other is read back at the end.
struct ChunkDigester::State {
  enum class Seen : uint8_t { kNo, kWhole, kReadBack };
  std::mutex mutex;
  std::vector<ChunkRecord> chunks;
  std::vector<Seen> seen;
};

ChunkDigester::ChunkDigester(std::vector<ChunkRecord> chunks) : state_(std::make_shared<State>()) {
  state_->seen.assign(chunks.size(), State::Seen::kNo);
  state_->chunks = std::move(chunks);
}

void ChunkDigester::on_write(uint64_t offset_bytes, Bytes data) {
  const uint64_t end = offset_bytes + data.size();
  const std::vector<ChunkRecord>& chunks = state_->chunks;
  auto at = std::partition_point(chunks.begin(), chunks.end(), [&](const ChunkRecord& c) {
    return c.offset_bytes + c.size_bytes <= offset_bytes;
  });
  for (; at != chunks.end() && at->offset_bytes < end; ++at) {
    const auto i = static_cast<size_t>(at - chunks.begin());
    const bool whole = at->offset_bytes >= offset_bytes && at->offset_bytes + at->size_bytes <= end;
    Digest128 digest{};
    if (whole) digest = xxh3_128(data.subspan(at->offset_bytes - offset_bytes, at->size_bytes));
    const std::lock_guard lock(state_->mutex);
    const bool first = state_->seen[i] == State::Seen::kNo;
    state_->seen[i] = whole && first ? State::Seen::kWhole : State::Seen::kReadBack;
    if (whole) store(state_->chunks[i], digest);
  }
}

Result<std::vector<ChunkRecord>> ChunkDigester::finish(const OutputFile& file) {
  const std::lock_guard lock(state_->mutex);
  std::vector<std::byte> buffer;
  for (size_t i = 0; i < state_->chunks.size(); ++i) {
    if (state_->seen[i] == State::Seen::kWhole) continue;
    ChunkRecord& chunk = state_->chunks[i];
    buffer.resize(chunk.size_bytes);
    IMP_TRY(file.read_at(chunk.offset_bytes, buffer));
    store(chunk, xxh3_128(buffer));
  }
  return std::move(state_->chunks);
}

}  // namespace imp::artifact
