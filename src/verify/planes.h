// Which source tensor is which plane of which part: the recorded digests by place.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>

#include "formats/imp/reader.h"

namespace imp::verify {

class PlaneTable {
 public:
  explicit PlaneTable(const artifact::Reader& reader) {
    for (const artifact::SourceTensorRecord& tensor : reader.source_tensors())
      if (tensor.operand != artifact::kNone)
        tensors_[{tensor.operand, tensor.part, tensor.expert, tensor.plane}] = &tensor;
  }
  /// nullptr where the source has no such tensor.
  const artifact::SourceTensorRecord* find(uint32_t operand, uint32_t part, uint32_t expert,
                                           artifact::ComponentKind plane) const {
    const auto it = tensors_.find({operand, part, expert, static_cast<uint16_t>(plane)});
    return it == tensors_.end() ? nullptr : it->second;
  }

 private:
  std::map<std::tuple<uint32_t, uint32_t, uint32_t, uint16_t>, const artifact::SourceTensorRecord*>
      tensors_;
};

}  // namespace imp::verify
