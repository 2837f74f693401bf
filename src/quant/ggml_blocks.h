// Blocks of GGUF tensors: exact values, the canonical planes inside them and back. Pure functions
// on memory. Source of the block layouts: ggml-common.h and ggml-quants.c of ggml d99724f2
// (formats/gguf/SPEC.md, section "blocks").
//
// A block holds consecutive elements of a row, codes and scales interleaved, in split-half or other
// orders. Canonical planes (encoding.h) are row-major with element order along K:
//
//   codes        [rows, K]        4 or 8 bits an element
//   scale        [rows, K/group]
//   min          [rows, K/group]
//   super_scale  [rows, K/256]    F16
//   super_min    [rows, K/256]    F16
#pragma once

#include <cstdint>
#include <span>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/ggml_type.h"
#include "src/base/result.h"

namespace imp::quant {

enum class BlockField : uint8_t {
  kRows,  ///< the stored rows as they are: plain numbers, or blocks that nothing takes apart
  kCodes,
  kScale,
  kMin,
  kSuperScale,
  kSuperMin,
};

/// How a code is a number.
enum class BlockCode : uint8_t {
  kOffsetBinary,  ///< q = u - 2^(bits-1)
  kUnsigned,      ///< q = u; such types have a min
  kLut,           ///< q = kIq4NlValues[u]
  kE2m1,
};

/// A type whose blocks come apart into canonical planes and go together again without losing a bit
/// (blocks_come_back).
///   no super scales:  w = q * scale          or  q * scale + min
///   super scales:     w = q * (scale * super_scale)  or that  - min * super_min
struct BlockPlanes {
  GgmlType type;
  BlockCode code;
  uint32_t code_bits;   ///< of the canonical plane: 4 or 8
  uint32_t group_size;  ///< columns under one scale
  Dtype scale_dtype;    ///< F16; U8 or I8 under a super scale; F8_E8M0, F8_E4M3
  bool has_min;         ///< of the scale's dtype (U8 beside U8)
  bool has_super;       ///< super_scale, and super_min where it has a min; one per 256 columns
};

inline constexpr uint32_t kSuperGroup = 256;

/// Table of IQ4_NL and IQ4_XS (kvalues_iq4nl).
inline constexpr int8_t kIq4NlValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                            1,    13,   25,  38,  53,  69,  89,  113};

/// nullptr for plain numbers and for types that stay blocks: the IQ lattices (IQ1 to IQ3), Q1_0,
/// Q2_0.
const BlockPlanes* block_planes(GgmlType type);

/// Bits of one element of a canonical field. REQUIRES: the type has the field.
uint32_t field_bits(const BlockPlanes& planes, BlockField field);
/// Elements of that field in a row of `k` columns.
uint64_t field_columns(const BlockPlanes& planes, BlockField field, uint64_t k);
Dtype field_dtype(const BlockPlanes& planes, BlockField field);

/// Bytes of a row of `k` elements as stored. REQUIRES: k is a multiple of the block.
uint64_t block_row_bytes(GgmlType type, uint64_t k);

/// One field of stored rows. REQUIRES: blocks.size() == rows * block_row_bytes, out.size() == rows
/// * ceil(field_columns * field_bits / 8).
void extract_field(const BlockPlanes& planes, BlockField field, uint64_t rows, uint64_t k,
                   Bytes blocks, MutableBytes out);

/// Canonical planes of the same rows; empty where the type has none.
struct BlockFields {
  Bytes codes, scale, min, super_scale, super_min;
};
/// The inverse of extract_field. Errors: kInverseMismatch for codes or scales that no block of this
/// type holds; the message names row and column.
Status join_fields(const BlockPlanes& planes, uint64_t rows, uint64_t k, const BlockFields& fields,
                   MutableBytes blocks);

/// The blocks go together again as they were. All do but those of TQ1_0 with bytes that its encoder
/// does not write: another byte has the same digits.
bool blocks_come_back(const BlockPlanes& planes, Bytes blocks);

/// Values as ggml's dequantiser gives them, bit for bit, sign of zero included; also of F32, F16,
/// BF16 (exact). REQUIRES: no integer type, not F64; out.size() == elements of `blocks`.
void decode_blocks(GgmlType type, Bytes blocks, std::span<float> out);

/// Exchange the byte order of every field wider than a byte, of blocks or plain numbers; its own
/// inverse.
void swap_block_fields(GgmlType type, MutableBytes blocks);

/// Scales that make no weight. Errors: kBadScale naming the block: infinite or NaN half scales and
/// mins; E8M0 0xFD to 0xFF (values that reach infinity); E4M3 0x7F, 0xFF or with the sign bit set.
/// Plain floats: NaN and infinite values. Integers have none.
Status check_block_scales(GgmlType type, Bytes blocks);

}  // namespace imp::quant
