#include "formats/gguf/tensor_infos.h"

#include <algorithm>
#include <numeric>
#include <optional>
#include <utility>

#include "src/base/checked.h"
#include "src/base/repeated_name.h"
#include "src/base/text.h"

namespace imp::gguf {
namespace {

constexpr uint32_t kMaxDims = 4;

Status check_name(const std::string& name, const std::string& place) {
  const auto bad = [&](const std::string& what) {
    return Error{ErrorKind::kBadName, place + ": " + what, "", name};
  };
  if (name.empty()) return bad("the name is empty, expected 1 to 64 bytes");
  if (!is_clean_utf8(name)) return bad("the name is not UTF-8 without control characters");
  if (name.find_first_of("/\\") != std::string::npos)
    return bad("the name has a '/' or '\\' in it, as a path has");
  return {};
}

Result<std::string> read_name(ByteReader& reader, const std::string& place) {
  Result<std::string> name = reader.read_string(kMaxTensorNameBytes, ErrorKind::kBadName);
  if (!name.ok()) {
    Error error = std::move(name).error();
    error.message = place + ": name: " + error.message;
    return error;
  }
  IMP_TRY(check_name(*name, place));
  return name;
}

Status read_dims(ByteReader& reader, TensorInfo& tensor) {
  IMP_ASSIGN(tensor.n_dims, reader.read<uint32_t>());
  if (tensor.n_dims < 1 || tensor.n_dims > kMaxDims)
    return Error{ErrorKind::kBadShape,
                 "has " + std::to_string(tensor.n_dims) + " dimensions, expected 1 to 4", "", ""};
  for (uint32_t i = 0; i < tensor.n_dims; ++i) {
    IMP_ASSIGN(tensor.ne[i], reader.read<uint64_t>());
    if (tensor.ne[i] < 1 || tensor.ne[i] > kMaxDim)
      return Error{ErrorKind::kBadShape,
                   "dimension ne" + std::to_string(i) + " is " + std::to_string(tensor.ne[i]) +
                       ", expected 1 to 2^40",
                   "", ""};
  }
  return {};
}

Status read_type(ByteReader& reader, TensorInfo& tensor) {
  IMP_ASSIGN(const auto id, reader.read<uint32_t>());
  const GgmlTypeInfo* info = find_ggml_type(id);
  if (info == nullptr)
    return Error{ErrorKind::kUnknownDtype,
                 "has type id " + std::to_string(id) +
                     ", which is no type of a stored tensor in ggml (possibly a fork's type)",
                 "", ""};
  tensor.type = info->type;
  return {};
}

/// REQUIRES: dims and type are checked.
Status compute_size(TensorInfo& tensor) {
  const GgmlTypeInfo& type = ggml_type_info(tensor.type);
  if (tensor.ne[0] % type.block_elems != 0)
    return Error{ErrorKind::kBadShape,
                 "rows of " + std::to_string(tensor.ne[0]) + " elements, expected a multiple of " +
                     std::to_string(type.block_elems) + " for " + std::string(type.name),
                 "", ""};
  std::optional<uint64_t> elems = 1;
  for (const uint64_t dim : tensor.ne)
    if (elems) elems = checked_mul(*elems, dim);
  const auto size_bytes =
      elems ? checked_mul(*elems / type.block_elems, type.block_bytes) : std::nullopt;
  if (!size_bytes)
    return Error{ErrorKind::kBadShape, "the size of the tensor does not fit 64 bits", "", ""};
  tensor.size_bytes = *size_bytes;
  return {};
}

Status read_offset(ByteReader& reader, uint64_t alignment_bytes, TensorInfo& tensor) {
  IMP_ASSIGN(tensor.offset_bytes, reader.read<uint64_t>());
  if (tensor.offset_bytes % alignment_bytes == 0) return {};
  return Error{ErrorKind::kHeaderSyntax,
               "data begins at byte " + std::to_string(tensor.offset_bytes) +
                   " of the data section, expected a multiple of " +
                   std::to_string(alignment_bytes),
               "", ""};
}

/// All but the name, in the order that SPEC.md asks for.
Status read_body(ByteReader& reader, uint64_t alignment_bytes, TensorInfo& tensor) {
  IMP_TRY(read_dims(reader, tensor));
  IMP_TRY(read_type(reader, tensor));
  IMP_TRY(compute_size(tensor));
  return read_offset(reader, alignment_bytes, tensor);
}

Status check_range(const TensorInfo& tensor, uint64_t data_bytes) {
  if (range_fits(tensor.offset_bytes, tensor.size_bytes, data_bytes)) return {};
  return Error{ErrorKind::kTruncated,
               "data lies at " + std::to_string(tensor.offset_bytes) + " + " +
                   std::to_string(tensor.size_bytes) + ", the file's data section has " +
                   std::to_string(data_bytes) + " bytes",
               "", tensor.name};
}

Status check_unique_names(const std::vector<TensorInfo>& tensors) {
  const std::string* twice = repeated_name(tensors);
  if (twice == nullptr) return {};
  return Error{ErrorKind::kDuplicateName, "occurs twice in the tensor infos, expected once", "",
               *twice};
}

/// REQUIRES: every range lies in the data section, so that no sum here wraps.
Status check_overlap(const std::vector<TensorInfo>& tensors, const std::string& who, Log& log) {
  std::vector<uint32_t> order(tensors.size());
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return tensors[a].offset_bytes < tensors[b].offset_bytes;
  });
  for (size_t i = 1; i < order.size(); ++i) {
    const TensorInfo& before = tensors[order[i - 1]];
    const TensorInfo& tensor = tensors[order[i]];
    if (before.offset_bytes + before.size_bytes <= tensor.offset_bytes) continue;
    if (before.offset_bytes != tensor.offset_bytes || before.size_bytes != tensor.size_bytes)
      return Error{ErrorKind::kOverlap,
                   "data begins at " + std::to_string(tensor.offset_bytes) + ", but '" +
                       before.name + "' ends at " +
                       std::to_string(before.offset_bytes + before.size_bytes),
                   "", tensor.name};
    log.warn(who + "tensors '" + printable(before.name) + "' and '" + printable(tensor.name) +
             "' are the same bytes");
  }
  return {};
}

void warn_trailing_bytes(const std::vector<TensorInfo>& tensors, uint64_t data_bytes,
                         uint64_t alignment_bytes, const std::string& who, Log& log) {
  uint64_t end = 0;
  for (const TensorInfo& tensor : tensors)
    end = std::max(end, tensor.offset_bytes + tensor.size_bytes);
  const uint64_t padded_end = round_up(end, alignment_bytes);
  if (data_bytes > padded_end)
    log.warn(who + std::to_string(data_bytes - padded_end) +
             " bytes after the last tensor, which no tensor owns");
}

}  // namespace

Result<std::vector<TensorInfo>> read_tensor_infos(ByteReader& reader, uint64_t count,
                                                  uint64_t alignment_bytes) {
  std::vector<TensorInfo> tensors;
  for (uint64_t i = 0; i < count; ++i) {
    const std::string place =
        "tensor info " + std::to_string(i) + " at byte " + std::to_string(reader.position_bytes());
    TensorInfo tensor;
    IMP_ASSIGN(tensor.name, read_name(reader, place));
    if (Status body = read_body(reader, alignment_bytes, tensor); !body.ok()) {
      Error error = std::move(body).error();
      error.message = place + ": " + error.message;
      error.tensor = tensor.name;
      return error;
    }
    tensors.push_back(std::move(tensor));
  }
  return tensors;
}

Status check_placement(const std::vector<TensorInfo>& tensors, uint64_t data_bytes,
                       uint64_t alignment_bytes, const std::string& who, Log& log) {
  for (const TensorInfo& tensor : tensors) IMP_TRY(check_range(tensor, data_bytes));
  IMP_TRY(check_unique_names(tensors));
  IMP_TRY(check_overlap(tensors, who, log));
  warn_trailing_bytes(tensors, data_bytes, alignment_bytes, who, log);
  return {};
}

}  // namespace imp::gguf
