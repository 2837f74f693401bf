// Every reader. The order means nothing but places in tables; the families are compiled for the
// device in sources of their own.
#pragma once

#include "kernels/readers/ggml_codes.h"
#include "kernels/readers/machete.h"
#include "kernels/readers/marlin.h"
#include "kernels/readers/max_sm8x.h"
#include "kernels/readers/mma64_codes.h"
#include "kernels/readers/mma64_fp4.h"
#include "kernels/readers/native.h"
#include "kernels/readers/plain_blocks.h"
#include "kernels/readers/plain_codes.h"
#include "kernels/readers/plain_floats.h"

namespace imp::kernels::readers {

template <class... R>
struct ReaderList {};

template <class... A, class... B>
constexpr ReaderList<A..., B...> operator+(ReaderList<A...>, ReaderList<B...>) {
  return {};
}

using PackedReaders = ReaderList<Mma64Nvfp4, Mma64Nvfp4G32, Mma64Mxfp4, Mma64Fp8, Mma64Int4,
                                 Mma64Int8, NativeNvfp4, NativeMxfp4, NativeMxfp8>;
using PackedGgmlReaders = ReaderList<Mma64Ggml<48>, Mma64Ggml<49>, Mma64Ggml<50>, Mma64Ggml<52>,
                                     Mma64Ggml<53>, Mma64Ggml<54>, Mma64Ggml<55>, Mma64Ggml<56>>;
/// Layouts of other engines.
using EngineReaders = ReaderList<MarlinNvfp4, MarlinMxfp4, MarlinFp8, MarlinInt4, MarlinInt8,
                                 MarlinA0Nvfp4, MaxSm8xNvfp4, Machete4, Machete8>;
using PlainReaders =
    ReaderList<PlainF32, PlainF16, PlainBf16, PlainF64, PlainNvfp4, PlainNvfp4G32, PlainMxfp4,
               PlainMxfp8, PlainFp8, PlainIntegers<2>, PlainIntegers<3>, PlainIntegers<4>,
               PlainIntegers<5>, PlainIntegers<6>, PlainIntegers<7>, PlainIntegers<8>>;
/// GGUF's blocks that are kept as blocks.
using PlainBlockReaders =
    ReaderList<PlainBlocks<SignedLattice<Iq2Xxs>>, PlainBlocks<SignedLattice<Iq2Xs>>,
               PlainBlocks<SignedLattice<Iq2S>>, PlainBlocks<SignedLattice<Iq3Xxs>>,
               PlainBlocks<SignedLattice<Iq3S>>, PlainBlocks<Iq1S>, PlainBlocks<Iq1M>,
               PlainBlocks<Q1_0>, PlainBlocks<Q2_0>>;
using PlainGgmlReaders = ReaderList<PlainGgml<48>, PlainGgml<49>, PlainGgml<50>, PlainGgml<52>,
                                    PlainGgml<53>, PlainGgml<54>, PlainGgml<55>, PlainGgml<56>>;

using AllReaders = decltype(PackedReaders{} + PackedGgmlReaders{} + EngineReaders{} +
                            PlainReaders{} + PlainBlockReaders{} + PlainGgmlReaders{});

}  // namespace imp::kernels::readers
