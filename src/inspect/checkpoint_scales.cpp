#include "src/inspect/checkpoint_scales.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

#include "src/base/interrupt.h"
#include "src/base/little_endian.h"

namespace imp::inspect {
namespace {

using hf::Checkpoint;
using hf::SourceTensor;

constexpr uint64_t kReadBytes = 4u << 20;
constexpr std::string_view kWeight = ".weight";

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

const SourceTensor* find(const Checkpoint& checkpoint, const std::string& name, Dtype dtype) {
  const auto at = checkpoint.find(name);
  if (!at || checkpoint.tensors[*at].dtype != dtype) return nullptr;
  return &checkpoint.tensors[*at];
}

Status add_scalars(const Checkpoint& checkpoint, const std::string& name, ScalarStats& stats) {
  const SourceTensor* tensor = find(checkpoint, name, Dtype::kF32);
  if (tensor == nullptr) {
    ++stats.absent;
    return {};
  }
  return read_tensor(checkpoint, *tensor, [&](Bytes bytes) {
    for (size_t i = 0; i < bytes.size(); i += sizeof(float)) stats.add(load_le<float>(&bytes[i]));
  });
}

}  // namespace

Result<ScaleReport> audit_checkpoint(const Checkpoint& checkpoint) {
  ScaleReport report;
  for (const SourceTensor& weight : checkpoint.tensors) {
    if (weight.dtype != Dtype::kU8 || !weight.name.ends_with(kWeight)) continue;
    const std::string module = weight.name.substr(0, weight.name.size() - kWeight.size());
    const SourceTensor* scales = find(checkpoint, module + ".weight_scale", Dtype::kF8E4M3);
    if (scales == nullptr) continue;
    ScaleRow row;
    row.name = module;
    BlockScaleHistogram histogram;
    IMP_TRY(read_tensor(checkpoint, *scales, [&](Bytes bytes) { histogram.add(bytes); }));
    IMP_TRY(add_scalars(checkpoint, module + ".weight_scale_2", row.globals));
    IMP_TRY(add_scalars(checkpoint, module + ".input_scale", row.inputs));
    report.add(std::move(row), histogram);
  }
  return report;
}

}  // namespace imp::inspect
