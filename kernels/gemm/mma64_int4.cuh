// mma64 int4 in registers: words of offset binary codes to 16-bit pairs of u - u_zp, exact, and the
// scales and zero points of a group, which lie beside the blocks (kernels/layouts/README.md,
// "mma64, 4-bit integers"). Scales never enter the 16-bit operands: the f32 sum of a group is
// multiplied by its scale and added to the accumulator in one FMA.
//
// Groups of 32 lie two in a block, and an MMA step must not mix them. So the lanes of a quad trade
// words: then steps 0 and 1 take the columns of the first group, steps 2 and 3 those of the second.
// Lanes c = 0, 1 keep their first word for the first group and c = 2, 3 take the second words of
// lanes c - 2; X is read to match: in half h lane c meets columns 32h + 16(c % 2) + 8(c / 2) ..
// + 7.
#pragma once

#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include <cstdint>

#include "kernels/gemm/args.h"

namespace imp::kernels {

template <class T>
struct Int4Pairs;

template <>
struct Int4Pairs<__nv_bfloat16> {
  static constexpr uint32_t kHigh = 0x43;  ///< upper byte of 128 + u
  static __device__ __forceinline__ uint32_t subtract(uint32_t a, uint32_t b) {
    const __nv_bfloat162 difference = __hsub2(reinterpret_cast<const __nv_bfloat162&>(a),
                                              reinterpret_cast<const __nv_bfloat162&>(b));
    return reinterpret_cast<const uint32_t&>(difference);
  }
};
template <>
struct Int4Pairs<__half> {
  static constexpr uint32_t kHigh = 0x64;  ///< of 1024 + u
  static __device__ __forceinline__ uint32_t subtract(uint32_t a, uint32_t b) {
    const __half2 difference =
        __hsub2(reinterpret_cast<const __half2&>(a), reinterpret_cast<const __half2&>(b));
    return reinterpret_cast<const uint32_t&>(difference);
  }
};

/// Byte `index` (0..3, a constant) of `zeros` as a pair of 128 + u_zp or 1024 + u_zp.
template <class T>
__device__ __forceinline__ uint32_t zero_pair(uint32_t zeros, uint32_t index) {
  return __byte_perm(zeros, Int4Pairs<T>::kHigh, 0x4040 | index | index << 8);
}

/// One word to four pairs u - u_zp: step 2h takes r[0], r[1], step 2h + 1 takes r[2], r[3].
template <class T>
__device__ __forceinline__ void integer_pairs(uint32_t word, uint32_t zero, uint32_t (&r)[4]) {
  constexpr uint32_t kHigh = Int4Pairs<T>::kHigh * 0x01000100u;
#pragma unroll
  for (int i = 0; i < 4; ++i)
    r[i] = Int4Pairs<T>::subtract((word >> (4 * i) & 0x000F000Fu) | kHigh, zero);
}

/// A lane's two words of a row, traded inside the quad: `first` is then of the block's first group
/// on every lane.
__device__ __forceinline__ void trade_words(uint32_t& first, uint32_t& second, bool upper_lane) {
  const uint32_t got = __shfl_xor_sync(0xFFFFFFFFu, upper_lane ? first : second, 2);
  if (upper_lane)
    first = got;
  else
    second = got;
}

/// The column of a block at which a lane's eight columns of half `h` begin, in either order.
template <bool kHalves>
__device__ __forceinline__ uint32_t columns_at(uint32_t c, uint32_t h) {
  return kHalves ? 32 * h + 16 * (c % 2) + 8 * (c / 2) : 16 * c + 8 * h;
}

/// kPairs: blocks 2i and 2i + 1 of a row lie under one scale (the wgmma kernel alone asks).
template <bool kGroupsOf32, bool kPairs = false>
struct Int4 {
  static constexpr Mma64Format kFormat = Mma64Format::kInt4;
  static constexpr uint32_t kBlockBytes = kMma64Int4BlockBytes;
  static constexpr bool kScalesBeside = true;
  static constexpr bool kPairsShareGroup = kPairs;
  static constexpr bool kHalves = kGroupsOf32;     ///< two groups in a block
  static constexpr int kGroups = kHalves ? 2 : 1;  ///< groups that a block meets
  template <class T>
  static constexpr float kUnit = 1.0f;
};

inline constexpr uint32_t kSymmetricZeros = 0x08080808u;

__host__ __device__ constexpr uint32_t scale_bytes(Float type) {
  return type == Float::kF32 ? 4 : 2;
}

/// Element of the planes (row 0 of a tile) of the first group that meets a block. Elements of all
/// experts are counted in 32 bits, because registers are short.
struct GroupPlace {
  uint32_t element;
  uint32_t left;  ///< blocks up to the next group

  /// REQUIRES: `a` is of int4.
  template <bool kHalves>
  __device__ __forceinline__ void set(const GemmArgs& a, uint32_t expert, uint32_t n_tile,
                                      uint32_t kt) {
    const uint32_t group = kHalves ? 2 * kt : kt / a.group_blocks;
    left = kHalves ? 0 : a.group_blocks - (kt - group * a.group_blocks);
    element = ((expert * a.n_tiles + n_tile) * a.groups + group) * kBlockRows;
  }
  /// To the next block of the same rows.
  template <bool kHalves>
  __device__ __forceinline__ void advance(const GemmArgs& a) {
    if (!kHalves && --left > 0) return;
    element += (kHalves ? 2 : 1) * kBlockRows;
    left = a.group_blocks;
  }
};

/// Scales and zero points of kRows rows 8j + g, j ascending, for the groups that meet one block.
/// 16-bit scales are on their way as soon as they are asked for. F32 ones are read when they are
/// multiplied by, so that they take no registers meanwhile; with kLateZeros zero points too.
template <int kGroups, int kRows, bool kLateZeros>
struct GroupNumbers {
  uint32_t scales[kGroups][kRows / 2];
  uint32_t zeros[kGroups][kRows / 4];
  uint32_t first;  ///< element of the lane's first scale; odd where there is a second group

  /// `element`: the lane's first of the 64 of a tile and group. The second group of a block that K
  /// ends in may not exist: X is zero there, so the first one's numbers serve.
  __device__ __forceinline__ void load(const GemmArgs& a, const GroupPlace& place, uint32_t element,
                                       bool has_second) {
    first = place.element + element + (kGroups == 2 && has_second ? 1 : 0);
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      if (a.scale_type != Float::kF32) copy(scales[group], a.scales + at(group) * 2);
      if constexpr (!kLateZeros) load_zeros(a, group, zeros[group]);
    }
  }

  /// Scales of rows 8 * (2 pair) + g and 8 * (2 pair + 1) + g.
  __device__ __forceinline__ float2 pair_of_scales(const GemmArgs& a, int group, int pair) const {
    const uint32_t both = scales[group][pair];
    if (a.scale_type == Float::kBf16)
      return {__uint_as_float(both << 16), __uint_as_float(both & 0xFFFF0000u)};
    if (a.scale_type == Float::kF16) return __half22float2(reinterpret_cast<const __half2&>(both));
    return __ldg(reinterpret_cast<const float2*>(a.scales + (at(group) + 2 * pair) * 4));
  }
  /// Zero points of rows 2 pair and 2 pair + 1 of them.
  template <class T>
  __device__ __forceinline__ void zero_pairs(const GemmArgs& a, int group, int pair, uint32_t& low,
                                             uint32_t& high) const {
    uint32_t words[kRows / 4];
    if constexpr (kLateZeros) {
      load_zeros(a, group, words);
    } else {
#pragma unroll
      for (int i = 0; i < kRows / 4; ++i) words[i] = zeros[group][i];
    }
    low = zero_pair<T>(words[pair / 2], 2 * pair % 4);
    high = zero_pair<T>(words[pair / 2], 2 * pair % 4 + 1);
  }

 private:
  __device__ __forceinline__ uint64_t at(int group) const {
    return (first & ~1u) + (group == 1 ? (first & 1) * kBlockRows : 0);
  }
  __device__ __forceinline__ void load_zeros(const GemmArgs& a, int group,
                                             uint32_t (&words)[kRows / 4]) const {
    if (a.zeros != nullptr) {
      copy(words, a.zeros + at(group));
      return;
    }
#pragma unroll
    for (uint32_t& word : words) word = kSymmetricZeros;
  }
  template <int kWords>
  static __device__ __forceinline__ void copy(uint32_t (&to)[kWords], const uint8_t* from) {
    if constexpr (kWords == 4) {
      const uint4 v = __ldg(reinterpret_cast<const uint4*>(from));
      to[0] = v.x, to[1] = v.y, to[2] = v.z, to[3] = v.w;
    } else if constexpr (kWords == 2) {
      const uint2 v = __ldg(reinterpret_cast<const uint2*>(from));
      to[0] = v.x, to[1] = v.y;
    } else {
      to[0] = __ldg(reinterpret_cast<const uint32_t*>(from));
    }
  }
};

}  // namespace imp::kernels
