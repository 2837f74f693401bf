// The model once weights are quantised anew: computed tensors instead of the source's.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "src/model/model.h"
#include "src/transcode/new_planes.h"

namespace imp::transcode {

struct Replacement {
  uint32_t weight = 0;
  std::shared_ptr<Job> job;  ///< its tensor numbers follow the source's
};

/// Give each weight the planes of its job. Tensors that held its codes and scales are ignored from
/// then on; computed ones stand behind the codes they are made from, so that the order by file and
/// offset holds, and every number of a tensor in the model is the new one.
void replace_planes(model::Model& model, const std::vector<Replacement>& replacements);

}  // namespace imp::transcode
