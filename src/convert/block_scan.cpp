#include "src/convert/block_scan.h"

#include <string>
#include <vector>

#include "src/quant/ggml_blocks.h"

namespace imp::convert {

Status check_blocks(const model::Source& source, const model::StoredTensor& stored,
                    uint64_t first_byte, Bytes blocks) {
  std::vector<std::byte> swapped;
  if (source.big_endian) {
    swapped.assign(blocks.begin(), blocks.end());
    quant::swap_block_fields(stored.type, swapped);
    blocks = swapped;
  }
  if (quant::check_block_scales(stored.type, blocks).ok()) return {};
  const GgmlTypeInfo& info = ggml_type_info(stored.type);
  const uint64_t columns = stored.shape.rank == 0 ? 1 : stored.shape[stored.shape.rank - 1];
  for (uint64_t at = 0; at < blocks.size(); at += info.block_bytes) {
    Status status = quant::check_block_scales(stored.type, blocks.subspan(at, info.block_bytes));
    if (status.ok()) continue;
    const uint64_t element = (first_byte + at) / info.block_bytes * info.block_elems;
    return Error{status.error().kind,
                 "row " + std::to_string(element / columns) + ", columns from " +
                     std::to_string(element % columns) + " on: " + status.error().message,
                 source.files[stored.file].handle.path(), stored.name};
  }
  return {};
}

}  // namespace imp::convert
