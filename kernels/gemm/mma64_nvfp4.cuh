// mma64 NVFP4 in registers: words of codes and scale bytes to 16-bit pairs (kernel-layouts 12.3,
// 12.4). Written from the fragment order; no index map is used.
//
// A lane 4g + c of a 64 x 64 block owns the 16 columns 16c .. 16c + 15 of rows g + 8j. Word h of
// (row, lane) holds columns 8h .. 8h + 7; register r of a word is columns 2r, 2r + 1 of those. MMA
// step t takes columns 4t .. 4t + 3: registers 2(t % 2) and 2(t % 2) + 1 of word t / 2.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/gemm/args.h"

namespace imp::kernels {

/// Values times 2^-126, each pair exact.
template <class T>
struct Mma64Decode;

template <>
struct Mma64Decode<__nv_bfloat16> {
  static __device__ __forceinline__ uint32_t scale_pair(uint32_t byte) {
    return byte * 0x00100010u + 0x70007000u;
  }
  static __device__ __forceinline__ void code_pairs(uint32_t q, uint32_t (&r)[4]) {
    constexpr uint32_t kA = 0x81C081C0u, kS = 0x80008000u, kG = 0x01C001C0u;
    r[0] = q & kA;
    r[1] = (q << 3) & kA;
    r[2] = ((q << 1) & kS) | ((q << 6) & kG);
    r[3] = ((q << 2) & kS) | ((q >> 3) & kG);
  }
  static __device__ __forceinline__ uint32_t multiply(uint32_t a, uint32_t b) {
    const __nv_bfloat162 product = __hmul2(reinterpret_cast<const __nv_bfloat162&>(a),
                                           reinterpret_cast<const __nv_bfloat162&>(b));
    return reinterpret_cast<const uint32_t&>(product);
  }
};

template <>
struct Mma64Decode<__half> {
  static __device__ __forceinline__ uint32_t scale_pair(uint32_t byte) {
    return byte * 0x00800080u;
  }
  static __device__ __forceinline__ void code_pairs(uint32_t q, uint32_t (&r)[4]) {
    constexpr uint32_t kS = 0x80008000u, kH = 0x0E000E00u;
    r[0] = (q & kS) | ((q << 3) & kH);
    r[1] = ((q << 3) & kS) | ((q << 6) & kH);
    r[2] = ((q << 1) & kS) | ((q << 9) & kH);
    r[3] = ((q << 2) & kS) | (q & kH);
  }
  static __device__ __forceinline__ uint32_t multiply(uint32_t a, uint32_t b) {
    const __half2 product =
        __hmul2(reinterpret_cast<const __half2&>(a), reinterpret_cast<const __half2&>(b));
    return reinterpret_cast<const uint32_t&>(product);
  }
};

/// One word of e2m1 codes to four pairs, each multiplied by `factor`: step 2h takes r[0], r[1],
/// step 2h + 1 takes r[2], r[3].
template <class T>
__device__ __forceinline__ void weight_pairs(uint32_t word, uint32_t factor, uint32_t (&r)[4]) {
  Mma64Decode<T>::code_pairs(word, r);
#pragma unroll
  for (int i = 0; i < 4; ++i) r[i] = Mma64Decode<T>::multiply(r[i], factor);
}

/// A format policy tells a kernel how the blocks of one scheme become pairs of weights. Where the
/// scales lie inside a block, `Way` makes a factor of a scale byte and pairs of a word and a
/// factor, and with_way() picks the way for the scale bytes that the warp holds. kSixteensAtOnce:
/// of how many sixteen rows the decode kernel makes weights before it multiplies them; registers
/// limit that.
struct Nvfp4 {
  static constexpr Mma64Format kFormat = Mma64Format::kNvfp4;
  static constexpr uint32_t kBlockBytes = kMma64Nvfp4BlockBytes;
  static constexpr bool kScalesBeside = false;
  static constexpr bool kHalves = false;
  static constexpr bool kPairsShareGroup = false;
  /// What the accumulator lacks: weights stand in it times 2^-14.
  template <class T>
  static constexpr float kUnit = 16384.0f;
  /// Byte of a block at which a lane's eight scales begin.
  static __device__ __forceinline__ uint32_t scales_at(uint32_t lane) { return 2048 + 8 * lane; }

  template <class T>
  struct Way {
    using Factor = uint32_t;
    static constexpr int kSixteensAtOnce = 4;
    static __device__ __forceinline__ Factor factor(uint32_t byte) {
      return Mma64Decode<T>::scale_pair(byte);
    }
    static __device__ __forceinline__ void weights(uint32_t word, Factor factor, uint32_t (&r)[4]) {
      weight_pairs<T>(word, factor, r);
    }
  };
  template <class T, class Use>
  static __device__ __forceinline__ void with_way(uint32_t, const Use& use) {
    use(Way<T>());
  }
};

}  // namespace imp::kernels
