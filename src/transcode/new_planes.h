// The planes that a weight has once it is quantised anew, computed row by row from the weight as it
// was.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/model/model.h"
#include "src/quant/transcode.h"

namespace imp::transcode {

/// A weight as the source holds it, and how it is quantised. Shared by its computed planes.
struct Job {
  model::Weight weight;
  quant::TranscodeFormat format;  ///< without the global scale
  std::vector<float> globals;     ///< one an expert
  uint32_t codes_tensor = 0;      ///< last source tensor of the codes, in file order
};

/// Codes and scales of rows [row0, row0 + rows) of one expert, canonical. Thread-safe.
Status quantise_rows(const model::Source& source, const Job& job, uint64_t expert, uint64_t row0,
                     uint64_t rows, MutableBytes codes, MutableBytes scales);

/// Codes of all rows, or scales; of one expert, or (kNone) of all.
std::shared_ptr<const model::MadeTensor> make_codes(std::shared_ptr<const Job> job,
                                                    uint32_t expert);
std::shared_ptr<const model::MadeTensor> make_scales(std::shared_ptr<const Job> job,
                                                     uint32_t expert);
/// The numbers of the module, f32.
std::shared_ptr<const model::MadeTensor> make_globals(std::shared_ptr<const Job> job,
                                                      uint32_t expert);

}  // namespace imp::transcode
