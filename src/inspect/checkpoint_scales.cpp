#include "src/inspect/checkpoint_scales.h"

#include <algorithm>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/interrupt.h"
#include "src/base/little_endian.h"
#include "src/quant/bf16.h"
#include "src/quant/f16.h"

namespace imp::inspect {
namespace {

using hf::Checkpoint;
using hf::SourceTensor;

constexpr uint64_t kReadBytes = 4u << 20;
/// What scales are called, by dialect; the rest of the name is the module.
constexpr std::string_view kBlockNames[] = {".weight_scale", "_weight_scale", ".weight_scale_inv",
                                            "_scales",       ".scales",       ".scale"};
constexpr std::string_view kGlobalNames[] = {".weight_scale_2", "_weight_scale_2",
                                             ".weight_global_scale", ".qscale_weight"};
constexpr std::string_view kInputNames[] = {".input_scale", "_input_scale", ".input_global_scale",
                                            ".activation_scale", ".qscale_act"};

/// Hand the tensor's bytes to `take`, piece by piece.
template <class Take>
Status read_tensor(const Checkpoint& checkpoint, const SourceTensor& tensor, const Take& take) {
  std::vector<std::byte> buffer(std::min(tensor.size_bytes, kReadBytes));
  for (uint64_t done = 0; done < tensor.size_bytes; done += buffer.size()) {
    IMP_TRY(check_interrupted());
    const auto piece =
        MutableBytes(buffer).first(std::min<uint64_t>(buffer.size(), tensor.size_bytes - done));
    IMP_TRY(checkpoint.files[tensor.file].handle.read_at(tensor.offset_bytes + done, piece));
    take(Bytes(piece));
  }
  return {};
}

const SourceTensor* find(const Checkpoint& checkpoint, const std::string& module,
                         std::span<const std::string_view> suffixes) {
  for (const std::string_view suffix : suffixes)
    if (const auto at = checkpoint.find(module + std::string(suffix)))
      if (is_scale_dtype(checkpoint.tensors[*at].dtype)) return &checkpoint.tensors[*at];
  return nullptr;
}

float load_float(const std::byte* at, Dtype dtype) {
  if (dtype == Dtype::kF32) return load_le<float>(at);
  const auto bits = load_le<uint16_t>(at);
  return dtype == Dtype::kBF16 ? quant::bf16_to_float(bits) : quant::f16_to_float(bits);
}

Status add_scalars(const Checkpoint& checkpoint, const SourceTensor* tensor, ScalarStats& stats) {
  if (tensor == nullptr || dtype_bits(tensor->dtype) < 16) {
    ++stats.absent;
    return {};
  }
  const size_t size = dtype_bits(tensor->dtype) / 8;
  return read_tensor(checkpoint, *tensor, [&](Bytes bytes) {
    for (size_t i = 0; i + size <= bytes.size(); i += size)
      stats.add(load_float(&bytes[i], tensor->dtype));
  });
}

/// Several scales, or one of a format that only block scales have.
bool are_block_scales(const SourceTensor& tensor) {
  return dtype_bits(tensor.dtype) == 8 || tensor.size_bytes > dtype_bits(tensor.dtype) / 8;
}

/// The module that this tensor is the scale of; empty if it is none.
std::string module_of(const std::string& name, std::span<const std::string_view> suffixes) {
  for (const std::string_view suffix : suffixes)
    if (name.ends_with(suffix)) return name.substr(0, name.size() - suffix.size());
  return "";
}

Status audit_module(const Checkpoint& checkpoint, const std::string& module,
                    const SourceTensor& scale, ScaleReport& report) {
  ScaleRow row;
  row.name = module;
  const bool blocks = are_block_scales(scale);
  const SourceTensor* global = find(checkpoint, module, kGlobalNames);
  IMP_TRY(add_scalars(checkpoint, blocks ? global : &scale, row.globals));
  IMP_TRY(add_scalars(checkpoint, find(checkpoint, module, kInputNames), row.inputs));
  if (!blocks) {
    row.why_no_blocks = "it has one scale a module";
    report.add(std::move(row));
    return {};
  }
  BlockScaleTally tally;
  IMP_TRY(read_tensor(checkpoint, scale, [&](Bytes bytes) { tally.add(bytes, scale.dtype); }));
  report.add(std::move(row), tally);
  return {};
}

}  // namespace

Result<ScaleReport> audit_checkpoint(const Checkpoint& checkpoint) {
  ScaleReport report;
  for (const SourceTensor& tensor : checkpoint.tensors) {
    if (!is_scale_dtype(tensor.dtype)) continue;
    std::string module = module_of(tensor.name, kBlockNames);
    if (module.empty() && tensor.name.ends_with(".qscale_weight"))
      module = module_of(tensor.name, kGlobalNames);
    if (!module.empty()) IMP_TRY(audit_module(checkpoint, module, tensor, report));
  }
  return report;
}

}  // namespace imp::inspect
