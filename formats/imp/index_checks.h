// Every rule that index records must obey (SPEC "What a reader checks"). The reader runs it on what
// it read, the writer on what it is about to commit.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "formats/imp/index_tables.h"
#include "src/base/result.h"

namespace imp::artifact {

inline constexpr uint32_t kMaxNameBytes = 4096;

/// Errors: kBadRecord, kBadName, kDuplicateName, kBadShape, kUnknownDtype, kOverlap,
/// kNonZeroPadding, kBadSection (payload or exceptions section of a size that is not that of the
/// components).
Status check_index(const IndexTables& tables, const PayloadBounds& bounds);

// Its parts, one file each.
Status check_operands(const IndexTables& tables);
Status check_components(const IndexTables& tables, const PayloadBounds& bounds);
Status check_placement(const IndexTables& tables, const PayloadBounds& bounds);
Status check_sources(const IndexTables& tables);
Status check_companions(const IndexTables& tables, const PayloadBounds& bounds);

/// A record as errors name it: "operand 3 'name'" or "form 5 of operand 'name'".
struct Place {
  std::string_view table;  ///< "operand", "form", ...
  uint64_t index = 0;
  std::string_view name;  ///< of the record, or of the operand that it belongs to
  bool is_owner = false;  ///< `name` is the owning operand's

  Error error(ErrorKind kind, const std::string& what) const;
};

enum class NameUse : uint8_t { kName, kFileName, kMayBeEmpty };
/// Errors: kBadRecord (outside the string table), kBadName.
Status check_name(const IndexTables& tables, StringRef ref, NameUse use, const Place& place,
                  std::string_view field);

/// Bytes of `elems` elements of a dtype, rounded up to whole bytes; nullopt if it does not fit 64
/// bits. Errors: kUnknownDtype, kBadShape (rank above 8, unused dimension not 0, more than 2^64
/// bytes).
Result<uint64_t> shape_bytes(uint16_t dtype, uint16_t rank, const uint64_t (&dims)[8],
                             const Place& place);

inline bool all_zero(const void* bytes, size_t size_bytes) {
  const auto* at = static_cast<const unsigned char*>(bytes);
  unsigned char any = 0;
  for (size_t i = 0; i < size_bytes; ++i) any |= at[i];
  return any == 0;
}
template <class T>
Status check_reserved(const T& field, const Place& place) {
  if (all_zero(&field, sizeof field)) return {};
  return place.error(ErrorKind::kNonZeroPadding, "a reserved field is not zero");
}

}  // namespace imp::artifact
