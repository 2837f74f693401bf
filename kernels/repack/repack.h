// Repack on the GPU: canonical NVFP4 planes to packed layouts and back, on device memory. Plain
// C++; pointers are device pointers, the stream is a cudaStream_t.
//
// Bytes are those of kernels/layouts (index maps, README.md): the same as src/repack gives. Both
// paths give the same bytes. Every byte of an output is written, padding with zeros.
//
// A call is launches on `stream`: nothing is allocated, nothing synchronises. Rows may be any range
// of a tensor that begins at a multiple of the layout's unit (64 rows for mma64, 128 for sf128x4,
// 1 for native rows), at any row count: a ragged end is padded.
//
// Errors of every function: kBadShape for K (or groups) 0 or of a wrong multiple and for pointers
// that are not aligned as stated; kNoDevice for what the runtime says of a launch, and in a build
// without CUDA. 0 rows are no launch.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "src/base/result.h"

namespace imp::kernels {

enum class RepackPath : uint8_t {
  kWord,  ///< hand-written moves of whole words
  kMap,   ///< one thread an output byte, through the index map of the layout header: the definition
};

/// Canonical rows: codes u8 [rows, K/2] (even k in the low nibble), e4m3 scales u8 [rows, K/16],
/// both without gaps between rows and 16-byte aligned. REQUIRES: K a multiple of 16; no NaN and no
/// negative scale but -0.
struct Nvfp4Planes {
  const void* codes = nullptr;
  const void* scales = nullptr;
  uint64_t rows = 0;
  uint64_t k = 0;
};

/// A group of 16 codes under a zero scale whose bits mma64 cannot hold.
struct LostGroup {
  uint64_t
      index_and_sign;  ///< 2 * group index + 1 if the scale is -0; index = row * (K/16) + group
  uint64_t codes;      ///< canonical code i in bits 4i..4i+3
};

/// Where lost groups go, in no order. `count` is raised by the number of lost groups, also of those
/// past `capacity`, which are not stored: with *count > capacity the list is incomplete.
/// All on the device; `groups` 16-byte, `count` 8-byte aligned. REQUIRES: *count set by the caller,
/// 0 for a fresh list.
struct LostGroups {
  LostGroup* groups = nullptr;
  uint64_t capacity = 0;
  uint64_t* count = nullptr;
};

/// What an inverse has found wrong: a device cell that it lowers to the smallest place. Set it to
/// kNothingWrong (all bytes 0xFF) before.
inline constexpr uint64_t kNothingWrong = ~uint64_t{0};

/// Bytes of `rows` x `k` in mma64 NVFP4 blocks: ceil(rows/64) * ceil(k/64) * 2304.
uint64_t mma64_nvfp4_packed_bytes(uint64_t rows, uint64_t k);

/// `blocks`: 16-byte aligned, mma64_nvfp4_packed_bytes(in.rows, in.k). One launch (kWord).
Status pack_mma64_nvfp4(const Nvfp4Planes& in, RepackPath path, void* blocks,
                        const LostGroups& lost, cuda::StreamHandle stream);

/// Inverse into codes [rows, K/2] and scales [rows, K/16], both 16-byte aligned. Zero groups come
/// back as scale 0x00 and codes 0. Wrong are: a stored scale that encodes no e4m3 number, codes
/// under a zero scale, padding that is not zero; the place is row * (4 * ceil(K/64)) + group, over
/// the padded matrix.
Status unpack_mma64_nvfp4(const void* blocks, uint64_t rows, uint64_t k, RepackPath path,
                          void* codes, void* scales, uint64_t* first_wrong,
                          cuda::StreamHandle stream);

/// Codes [rows, K/2] to rows of a pitch of 16 * ceil(K/32) bytes; all 16-byte aligned. K a multiple
/// of 16.
Status pack_native_rows(const void* codes, uint64_t rows, uint64_t k, RepackPath path, void* packed,
                        cuda::StreamHandle stream);
/// Wrong is padding that is not zero; the place is the byte of `packed`.
Status unpack_native_rows(const void* packed, uint64_t rows, uint64_t k, RepackPath path,
                          void* codes, uint64_t* first_wrong, cuda::StreamHandle stream);

/// Scales u8 [rows, groups] to sf128x4 tiles, ceil(rows/128) * ceil(groups/4) * 512 bytes; all
/// 16-byte aligned.
Status pack_sf128x4(const void* scales, uint64_t rows, uint64_t groups, RepackPath path,
                    void* packed, cuda::StreamHandle stream);
/// Wrong is padding that is not zero; the place is the byte of `packed`.
Status unpack_sf128x4(const void* packed, uint64_t rows, uint64_t groups, RepackPath path,
                      void* scales, uint64_t* first_wrong, cuda::StreamHandle stream);

}  // namespace imp::kernels
