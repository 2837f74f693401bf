#include "src/convert/block_scan.h"

#include <string>
#include <vector>

#include "src/quant/ggml_blocks.h"

namespace imp::convert {
namespace {

Status check(GgmlType type, bool apart, Bytes blocks) {
  IMP_TRY(quant::check_block_scales(type, blocks));
  if (!apart || quant::blocks_come_back(*quant::block_planes(type), blocks)) return {};
  return Error{ErrorKind::kUnsupportedScheme,
               "has bytes that the encoder of " + std::string(ggml_type_info(type).name) +
                   " does not write and that would not come back; --as-is keeps the blocks",
               "", ""};
}

}  // namespace

std::vector<bool> taken_apart(const model::Source& source) {
  std::vector<bool> apart(source.stored.size(), false);
  for (const model::SourceTensor& tensor : source.tensors)
    if (tensor.view && tensor.view->field != quant::BlockField::kRows)
      for (const model::StoredRows& piece : tensor.view->pieces) apart[piece.stored] = true;
  return apart;
}

Status check_blocks(const model::Source& source, const model::StoredTensor& stored, bool apart,
                    uint64_t first_byte, Bytes blocks) {
  std::vector<std::byte> swapped;
  if (source.big_endian) {
    swapped.assign(blocks.begin(), blocks.end());
    quant::swap_block_fields(stored.type, swapped);
    blocks = swapped;
  }
  if (check(stored.type, apart, blocks).ok()) return {};
  const GgmlTypeInfo& info = ggml_type_info(stored.type);
  const uint64_t columns = stored.shape.rank == 0 ? 1 : stored.shape[stored.shape.rank - 1];
  for (uint64_t at = 0; at < blocks.size(); at += info.block_bytes) {
    Status status = check(stored.type, apart, blocks.subspan(at, info.block_bytes));
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
