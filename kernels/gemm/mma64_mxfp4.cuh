// mma64 MXFP4 in registers: the code words of NVFP4, and e8m0 scales that two lanes of a quad share
// (kernels/layouts/README.md, "mma64, MXFP4"). All products are exact.
#pragma once

#include "kernels/gemm/mma64_nvfp4.cuh"

namespace imp::kernels {

template <class T>
struct Mxfp4Ways;

/// Pairs times two factors, for exponents that one 16-bit factor does not reach.
struct TwoFactors {
  uint32_t first, second;
};
template <class T>
__device__ __forceinline__ void weight_pairs(uint32_t word, TwoFactors factors, uint32_t (&r)[4]) {
  weight_pairs<T>(word, factors.first, r);
#pragma unroll
  for (int i = 0; i < 4; ++i) r[i] = Mma64Decode<T>::multiply(r[i], factors.second);
}

/// code * 2^(b - 127); pairs come as code * 2^-126.
template <>
struct Mxfp4Ways<__nv_bfloat16> {
  static constexpr float kUnit = 1.0f;
  static constexpr uint32_t kOne = 0x00800080u;  ///< exponent 1 in both halves

  /// b <= 128: one multiplication by 2^(b - 1).
  struct Short {
    using Factor = uint32_t;
    static constexpr int kSixteensAtOnce = 4;
    static __device__ __forceinline__ Factor factor(uint32_t b) { return (b + 126) * kOne; }
    static __device__ __forceinline__ void weights(uint32_t word, Factor factor, uint32_t (&r)[4]) {
      weight_pairs<__nv_bfloat16>(word, factor, r);
    }
  };
  /// Every b: what 2^127 leaves of 2^(b - 1) comes second.
  struct Long {
    using Factor = TwoFactors;
    static constexpr int kSixteensAtOnce = 1;
    static __device__ __forceinline__ Factor factor(uint32_t b) {
      const uint32_t first = min(b + 126, 254u);
      return {first * kOne, (b + 253 - first) * kOne};
    }
    static __device__ __forceinline__ void weights(uint32_t word, Factor factor, uint32_t (&r)[4]) {
      weight_pairs<__nv_bfloat16>(word, factor, r);
    }
  };

  /// Scales of 2 and more are rare: a vote keeps them out of the way of all others.
  template <class Use>
  static __device__ __forceinline__ void with(uint32_t scale_bytes, const Use& use) {
    if (__any_sync(0xFFFFFFFFu, (scale_bytes & 0x80808080u) != 0))
      use(Long());
    else
      use(Short());
  }
};

/// code * 2^(b - 127) * 2^12 for b in 92 .. 128, other b as the nearest of these; pairs come as
/// code * 2^-14.
template <>
struct Mxfp4Ways<__half> {
  static constexpr float kUnit = 0x1p-12f;
  static constexpr uint32_t kOne = 0x04000400u;

  struct Long {
    using Factor = TwoFactors;
    static constexpr int kSixteensAtOnce = 1;
    static __device__ __forceinline__ Factor factor(uint32_t b) {
      const uint32_t exponent = min(max(b, 92u), 128u) - 86;  // of 2^(b - 101), biased by 15
      const uint32_t first = min(exponent, 30u);
      return {first * kOne, (15 + exponent - first) * kOne};
    }
    static __device__ __forceinline__ void weights(uint32_t word, Factor factor, uint32_t (&r)[4]) {
      weight_pairs<__half>(word, factor, r);
    }
  };
  template <class Use>
  static __device__ __forceinline__ void with(uint32_t, const Use& use) {
    use(Long());
  }
};

struct Mxfp4 {
  static constexpr Mma64Format kFormat = Mma64Format::kMxfp4;
  static constexpr uint32_t kBlockBytes = kMma64Mxfp4BlockBytes;
  static constexpr bool kScalesBeside = false;
  static constexpr bool kHalves = false;
  static constexpr bool kPairsShareGroup = false;
  template <class T>
  static constexpr float kUnit = Mxfp4Ways<T>::kUnit;
  /// Lane 4g + c reads those of (g, c / 2).
  static __device__ __forceinline__ uint32_t scales_at(uint32_t lane) {
    return 2048 + 8 * (lane / 2);
  }
  /// `scale_bytes`: the scale bytes that a lane multiplies by, joined with |.
  template <class T, class Use>
  static __device__ __forceinline__ void with_way(uint32_t scale_bytes, const Use& use) {
    Mxfp4Ways<T>::with(scale_bytes, use);
  }
};

}  // namespace imp::kernels
