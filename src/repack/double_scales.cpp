#include <cassert>
#include <string>

#include "src/repack/mma64_variants.h"
#include "src/repack/padding.h"

namespace imp::repack {

void double_scales(Bytes scales, MutableBytes out) {
  assert(out.size() == 2 * scales.size());
  for (size_t i = 0; i < scales.size(); ++i) out[2 * i] = out[2 * i + 1] = scales[i];
}

Status halve_scales(Bytes doubled, uint64_t groups, MutableBytes scales) {
  assert(doubled.size() == 2 * scales.size());
  for (size_t i = 0; i < scales.size(); ++i) {
    if (doubled[2 * i] != doubled[2 * i + 1])
      return inverse_mismatch("row " + std::to_string(i / groups) + ", group " +
                              std::to_string(i % groups) + " has scales " +
                              std::to_string(std::to_integer<int>(doubled[2 * i])) + " and " +
                              std::to_string(std::to_integer<int>(doubled[2 * i + 1])) +
                              " for its halves, expected one");
    scales[i] = doubled[2 * i];
  }
  return {};
}

}  // namespace imp::repack
