// CPU repack of the mma64 variants beside NVFP4, and of native's 8-bit rows. As in nvfp4.h: pure
// functions on memory, callers cut a tensor into row slabs, kMap is the definition and kWord must
// give the same bytes. Layouts: kernels/layouts/README.md.
#pragma once

#include <cstdint>

#include "src/base/file.h"
#include "src/base/result.h"
#include "src/repack/nvfp4.h"

namespace imp::repack {

/// e2m1 codes with an e8m0 scale per 32: blocks of codes and scales. Canonical codes [rows, K/2]
/// bytes, scales [rows, K/32] bytes. REQUIRES: K a multiple of 32. Every byte of `out` is written.
uint64_t mma64_mxfp4_bytes(uint64_t rows, uint64_t k);
void mma64_mxfp4_pack(Bytes codes, Bytes scales, uint64_t rows, uint64_t k, Path path,
                      MutableBytes out);
/// Errors: kInverseMismatch if padding is not zero; the message names row and column.
Status mma64_mxfp4_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes,
                          MutableBytes scales);

/// Offset-binary integer codes of 4 bits (two a byte, even k low, row pitch ceil(K/2) bytes) or 8
/// bits, and e4m3 codes: blocks of codes alone. REQUIRES: bits is 4 or 8. Any K.
uint64_t mma64_codes_bytes(uint32_t bits, uint64_t rows, uint64_t k);
void mma64_codes_pack(uint32_t bits, Bytes codes, uint64_t rows, uint64_t k, Path path,
                      MutableBytes out);
Status mma64_codes_unpack(uint32_t bits, Bytes packed, uint64_t rows, uint64_t k, Path path,
                          MutableBytes codes);

/// Scales or zero points of mma64 that lie beside the blocks, in lane order: [ceil(rows/64),
/// groups, 64] elements. Canonical plane [rows, groups] of `bits` bits: 4 (two a byte, row pitch
/// ceil(groups/2) bytes; stored one a byte), 8, 16 or 32.
uint64_t mma64_plane_bytes(uint32_t bits, uint64_t rows, uint64_t groups);
void mma64_plane_pack(uint32_t bits, Bytes plane, uint64_t rows, uint64_t groups, Path path,
                      MutableBytes out);
Status mma64_plane_unpack(uint32_t bits, Bytes packed, uint64_t rows, uint64_t groups, Path path,
                          MutableBytes plane);

/// NVFP4 with a scale per 32 goes into the blocks of NVFP4 (nvfp4.h) with every scale standing
/// twice: [rows, groups] to [rows, 2 * groups].
void double_scales(Bytes scales, MutableBytes out);
/// The inverse, to [rows, groups]. Errors: kInverseMismatch where the two differ; the message names
/// row and group of 32.
Status halve_scales(Bytes doubled, uint64_t groups, MutableBytes scales);

/// native rows of one-byte codes: K bytes, padded to a multiple of 16.
uint64_t native_bytes_pitch(uint64_t k);
void native_bytes_pack(Bytes codes, uint64_t rows, uint64_t k, Path path, MutableBytes out);
Status native_bytes_unpack(Bytes packed, uint64_t rows, uint64_t k, Path path, MutableBytes codes);

}  // namespace imp::repack
