// Repack on the GPU of everything beside NVFP4: the mma64 variants, native rows of bytes, and the
// layouts of other engines. Conventions, errors and places are those of repack.h; all pointers
// 16-byte aligned. The bytes are those of src/repack.
#pragma once

#include <cstdint>

#include "kernels/cuda/runtime.h"
#include "kernels/layouts/engine_orders.h"
#include "kernels/repack/repack.h"
#include "src/base/result.h"

namespace imp::kernels {

/// Canonical rows: codes u8 [rows, K/2], e8m0 scales u8 [rows, K/32]. K a multiple of 32.
struct Mxfp4Planes {
  const void* codes = nullptr;
  const void* scales = nullptr;
  uint64_t rows = 0;
  uint64_t k = 0;
};

/// `blocks`: ceil(rows/64) * ceil(K/64) * 2176 bytes. One launch (kWord).
Status pack_mma64_mxfp4(const Mxfp4Planes& in, RepackPath path, void* blocks,
                        cuda::StreamHandle stream);
/// Wrong is padding that is not zero; the place is row * (2 * ceil(K/64)) + group.
Status unpack_mma64_mxfp4(const void* blocks, uint64_t rows, uint64_t k, RepackPath path,
                          void* codes, void* scales, uint64_t* first_wrong,
                          cuda::StreamHandle stream);

/// Codes of 4 bits [rows, ceil(K/2)] or 8 bits [rows, K], any K, to blocks of 2048 or 4096 bytes.
/// kWord moves words where K is a multiple of 16 and goes through the map where it is not.
Status pack_mma64_codes(uint32_t bits, const void* codes, uint64_t rows, uint64_t k,
                        RepackPath path, void* blocks, cuda::StreamHandle stream);
/// Wrong is padding that is not zero; the place is row * (64 * ceil(K/64)) + column.
Status unpack_mma64_codes(uint32_t bits, const void* blocks, uint64_t rows, uint64_t k,
                          RepackPath path, void* codes, uint64_t* first_wrong,
                          cuda::StreamHandle stream);

// Planes of groups: elements of 4 bits go through the map on both paths.

/// Elements of 4 (two a byte, rows of whole bytes), 8, 16 or 32 bits [rows, groups] to lane order.
Status pack_mma64_plane(uint32_t bits, const void* plane, uint64_t rows, uint64_t groups,
                        RepackPath path, void* packed, cuda::StreamHandle stream);
/// Wrong is padding that is not zero, and an element of 4 bits that has more; the place is row *
/// groups + group.
Status unpack_mma64_plane(uint32_t bits, const void* packed, uint64_t rows, uint64_t groups,
                          RepackPath path, void* plane, uint64_t* first_wrong,
                          cuda::StreamHandle stream);

/// Codes [rows, K] of a byte each to rows of a pitch of 16 * ceil(K/16) bytes. kWord: a strided
/// copy.
Status pack_native_bytes(const void* codes, uint64_t rows, uint64_t k, RepackPath path,
                         void* packed, cuda::StreamHandle stream);
/// Wrong is padding that is not zero; the place is the byte of `packed`.
Status unpack_native_bytes(const void* packed, uint64_t rows, uint64_t k, RepackPath path,
                           void* codes, uint64_t* first_wrong, cuda::StreamHandle stream);

/// A plane and what it is padded to, as in src/repack/engine_tiles.h.
struct EngineBox {
  uint64_t rows = 0;
  uint64_t columns = 0;  ///< K, or groups
  uint64_t padded_rows = 0;
  uint64_t padded_columns = 0;
};

/// Codes in the tiles of other engines. kWord makes vectors of 16 bytes where K is even and goes
/// through the map where it is odd.
Status pack_tiles(layouts::TileOrder order, const void* codes, const EngineBox& box,
                  RepackPath path, void* packed, cuda::StreamHandle stream);
/// Wrong is padding that is not zero; the place is row * padded_columns + column.
Status unpack_tiles(layouts::TileOrder order, const void* packed, const EngineBox& box,
                    RepackPath path, void* codes, uint64_t* first_wrong, cuda::StreamHandle stream);

/// Planes of groups of other engines; elements of 4 (kZero4), 8 or 16 bits.
Status pack_groups(layouts::GroupOrder order, uint32_t bits, const void* plane,
                   const EngineBox& box, RepackPath path, void* packed, cuda::StreamHandle stream);
/// Wrong is padding that is not zero; the place is row * padded_columns + group.
Status unpack_groups(layouts::GroupOrder order, uint32_t bits, const void* packed,
                     const EngineBox& box, RepackPath path, void* plane, uint64_t* first_wrong,
                     cuda::StreamHandle stream);

}  // namespace imp::kernels
