// How a source holds the elements of a plane, and the way to the canonical plane and back. Pure
// functions on memory; both directions move bits and lose none.
//
// A canonical plane is row-major, [rows, columns], of elements of `bits` bits: two a byte for 4
// bits (even column in the low nibble), one a byte for other widths up to 8, little-endian whole
// bytes above. Integer codes and zero points of b bits are offset binary in it: u = q + 2^(b-1).
#pragma once

#include <cstdint>
#include <string_view>

#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::quant {

/// Numbers are frozen: they are stored in .imp files (SourceTensorRecord::encoding; of a plain
/// form's codes FormRecord::dialect; SPEC.md, registry "encodings").
enum class Encoding : uint16_t {
  kRows = 0,  ///< the canonical plane itself; padding at the end of a row is none
  /// I8 or U8 [rows, columns], two's complement of `bits` bits sign-extended to 8
  /// (compressed-tensors int-quantized, ModelOpt INT8).
  kSignedBytes = 1,
  /// I32 [rows, ceil(columns * bits / 32)]: offset binary, dense from the lowest bit on, an element
  /// may lie in two words (compressed-tensors pack-quantized, 0.17 and later; any release for 1, 2,
  /// 4, 8 bits). Unused bits of the last word are zero.
  kWords = 2,
  /// As kWords, but floor(32 / bits) elements a word (3, 5, 6, 7 bits before 0.17).
  kPaddedWords = 3,
  /// I32 [ceil(rows * bits / 32), columns]: kWords along the rows (zero points of pack-quantized).
  kWordsAlongN = 4,
  kPaddedWordsAlongN = 5,
  /// U8 [rows / 2, columns]: two's complement of 4 bits, low nibble = even row (ModelOpt INT4 AWQ).
  kNibblesAlongN = 6,
  /// [columns, rows], 4-bit elements packed two a byte along the columns axis: U8 [columns/2, rows]
  /// (ModelOpt's stacked experts, Hugging Face "in-first" stacks).
  kInFirst = 7,
  /// kRows with rows interleaved: source row 2i is canonical row i, source row 2i + 1 is canonical
  /// row ceil(rows/2) + i (gpt-oss gate and up).
  kRowsInterleaved = 8,
  /// kInFirst with the same order of rows.
  kInFirstInterleaved = 9,
  /// compressed-tensors sparse-24-bitmask: half of each row's elements, and a bitmask plane.
  kBitmask24 = 10,
  /// compressed-tensors sparse-bitmask: the set elements of all rows, a bitmask and row offsets.
  kBitmask = 11,
};

/// "rows", "signed_bytes", ...; "?" for a number that is no encoding of this version.
std::string_view encoding_name(Encoding encoding);

/// One plane of one expert of one source module.
struct PlaneCoding {
  Encoding encoding = Encoding::kRows;
  uint32_t bits = 8;     ///< of an element: 2..8, 16, 32, 64
  uint64_t rows = 0;     ///< of W for codes; rows of groups for scales and zero points
  uint64_t columns = 0;  ///< K, or groups along K
};

/// The same plane with another number of rows: a slab of it.
constexpr PlaneCoding with_rows(PlaneCoding plane, uint64_t rows) {
  plane.rows = rows;
  return plane;
}

/// Bytes of the plane as the source holds it. 0 for the bitmask encodings, whose size depends on
/// the data. Saturates at 2^64 - 1.
uint64_t source_bytes(const PlaneCoding& plane);
uint64_t canonical_bytes(const PlaneCoding& plane);

/// The plane can be cut into contiguous pieces at multiples of this many rows, each a plane of its
/// own; 0: only whole.
uint64_t cut_rows(const PlaneCoding& plane);

/// False for the bitmask encodings: they have no canonical form outside decode.h.
bool has_canonical(Encoding encoding);

/// REQUIRES: has_canonical; source.size() == source_bytes, out.size() == canonical_bytes. Errors
/// (message only, the caller names the tensor): kBadShape for kSignedBytes elements that need more
/// than `bits` bits, kUnsupportedScheme for bits in the unused part of a word that are not zero:
/// such bits would be lost.
Status to_canonical(const PlaneCoding& plane, Bytes source, MutableBytes out);
/// The inverse. REQUIRES: as above with the sizes exchanged.
void from_canonical(const PlaneCoding& plane, Bytes canonical, MutableBytes out);

}  // namespace imp::quant
