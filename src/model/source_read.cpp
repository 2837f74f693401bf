#include "src/model/source_read.h"

#include <algorithm>
#include <vector>

#include "formats/hf/checkpoint.h"
#include "src/base/checked.h"

namespace imp::model {
namespace {

Status read_rows(const Source& source, const SourceTensor& tensor, uint64_t row0, uint64_t rows,
                 MutableBytes out) {
  return tensor.made != nullptr ? tensor.made->read_rows(source, row0, rows, out)
                                : read_view_rows(source, *tensor.view, row0, rows, out);
}

}  // namespace

Status read_tensor(const Source& source, uint32_t tensor, uint64_t offset_bytes, MutableBytes out) {
  const SourceTensor& t = source.tensors[tensor];
  if (t.in_file()) return source.files[t.file].handle.read_at(t.offset_bytes + offset_bytes, out);
  if (out.empty()) return {};
  const uint64_t pitch = row_bytes_of(t);
  const uint64_t first = offset_bytes / pitch;
  const uint64_t rows = div_up(offset_bytes + out.size(), pitch) - first;
  if (offset_bytes % pitch == 0 && out.size() % pitch == 0)
    return read_rows(source, t, first, rows, out);
  std::vector<std::byte> whole(rows * pitch);
  IMP_TRY(read_rows(source, t, first, rows, whole));
  const Bytes wanted = Bytes(whole).subspan(offset_bytes - first * pitch, out.size());
  std::copy(wanted.begin(), wanted.end(), out.begin());
  return {};
}

uint64_t row_bytes_of(const SourceTensor& tensor) {
  if (tensor.made != nullptr) return tensor.made->row_bytes();
  return tensor.view ? tensor.view->row_bytes() : 1;
}

Result<std::string> read_companion(const Source& source, const std::string& name) {
  for (const auto& [made, bytes] : source.made_companions)
    if (made == name) return bytes;
  return read_small_file(source.folder / name, hf::kMaxCompanionBytes);
}

uint64_t end_in_file(const Source& source, const SourceTensor& tensor) {
  if (tensor.made != nullptr) return end_in_file(source, source.tensors[tensor.made->made_from()]);
  if (!tensor.view) return tensor.offset_bytes + tensor.size_bytes;
  uint64_t end = 0;
  for (const StoredRows& piece : tensor.view->pieces) {
    const StoredTensor& stored = source.stored[piece.stored];
    if (stored.file == tensor.file) end = std::max(end, stored.offset_bytes + stored.size_bytes);
  }
  return end;
}

}  // namespace imp::model
