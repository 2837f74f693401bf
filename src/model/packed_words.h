// Integers packed into 32-bit words by compressed-tensors (checkpoint-formats 4.3): how wide, how
// dense, how many. Widths alone can leave both open; then the configuration decides.
#pragma once

#include <cstdint>
#include <string>

#include "src/model/detect.h"

namespace imp::model {

struct WordPacking {
  uint32_t bits = 4;
  bool padded = false;  ///< floor(32 / bits) elements a word, none of them in two words
  std::string warning;  ///< where the configuration says another width
};

/// Words that `elems` elements take along the packed axis.
uint64_t words_of(uint64_t elems, uint32_t bits, bool padded);

/// K of `weight_packed` [N, words]: from weight_shape where there is one, else from the groups or
/// the words. Errors: kShapeMismatch, kMissingTensor.
Result<uint64_t> packed_columns(const Siblings& s, Suffix scale);

/// Errors: kShapeMismatch where no width fits; kUnsupportedScheme where several do and nothing
/// tells which.
Result<WordPacking> packing_of(const Siblings& s, uint64_t n, uint64_t k);

}  // namespace imp::model
