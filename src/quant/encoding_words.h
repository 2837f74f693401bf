// Encodings that pack elements into 32-bit words: kWords, kPaddedWords and the same along N.
#pragma once

#include "src/quant/encoding.h"

namespace imp::quant {

/// As to_canonical and from_canonical, for kWords and kPaddedWords.
Status from_words(const PlaneCoding& plane, Bytes source, MutableBytes out);
void to_words(const PlaneCoding& plane, Bytes canonical, MutableBytes out);

/// The same for kWordsAlongN and kPaddedWordsAlongN.
Status from_words_along_n(const PlaneCoding& plane, Bytes source, MutableBytes out);
void to_words_along_n(const PlaneCoding& plane, Bytes canonical, MutableBytes out);

}  // namespace imp::quant
