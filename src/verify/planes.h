// Which source tensor is which plane of which part: the recorded digests by place.
#pragma once

#include <cstdint>
#include <map>
#include <tuple>
#include <vector>

#include "formats/imp/reader.h"

namespace imp::verify {

class PlaneTable {
 public:
  explicit PlaneTable(const artifact::Reader& reader) {
    for (const artifact::SourceTensorRecord& tensor : reader.source_tensors())
      if (tensor.operand != artifact::kNone) {
        tensors_[{tensor.operand, tensor.part, tensor.expert, tensor.plane}] = &tensor;
        of_operand_[tensor.operand].push_back(&tensor);
      }
  }
  /// nullptr where the source has no such tensor.
  const artifact::SourceTensorRecord* find(uint32_t operand, uint32_t part, uint32_t expert,
                                           artifact::ComponentKind plane) const {
    const auto it = tensors_.find({operand, part, expert, static_cast<uint16_t>(plane)});
    return it == tensors_.end() ? nullptr : it->second;
  }

  /// The tensor of this expert, or the one that holds every expert.
  const artifact::SourceTensorRecord* find_for(uint32_t operand, uint32_t part, uint32_t expert,
                                               artifact::ComponentKind plane) const {
    const auto* own = find(operand, part, expert, plane);
    return own != nullptr ? own : find(operand, part, artifact::kNone, plane);
  }
  const std::vector<const artifact::SourceTensorRecord*>& of_operand(uint32_t operand) const {
    static const std::vector<const artifact::SourceTensorRecord*> kNothing;
    const auto it = of_operand_.find(operand);
    return it == of_operand_.end() ? kNothing : it->second;
  }

 private:
  std::map<std::tuple<uint32_t, uint32_t, uint32_t, uint16_t>, const artifact::SourceTensorRecord*>
      tensors_;
  std::map<uint32_t, std::vector<const artifact::SourceTensorRecord*>> of_operand_;
};

}  // namespace imp::verify
