#include "formats/imp/index_checks.h"

#include "src/base/dtype.h"
#include "src/base/shape.h"
#include "src/base/text.h"

namespace imp::artifact {
namespace {

/// What most names are, decided by a loop that compilers vectorise.
bool is_printable_ascii(std::string_view text) {
  unsigned char bad = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    bad |= static_cast<unsigned char>((byte < 0x20) | (byte >= 0x7F));
  }
  return bad == 0;
}

}  // namespace

Error Place::error(ErrorKind kind, const std::string& what) const {
  std::string where = std::string(table) + " " + std::to_string(index);
  if (!name.empty()) where += (is_owner ? " of operand '" : " '") + printable(name) + "'";
  return Error{kind, where + ": " + what, "", ""};
}

Status check_name(const IndexTables& tables, StringRef ref, NameUse use, const Place& place,
                  std::string_view field) {
  const std::string what(field);
  if (!tables.holds(ref))
    return place.error(ErrorKind::kBadRecord,
                       what + " is bytes " + std::to_string(ref.offset_bytes) + " + " +
                           std::to_string(ref.size_bytes) + " of the strings, which have " +
                           std::to_string(tables.strings.size()));
  const std::string_view name = tables.text(ref);
  if (name.empty() && use == NameUse::kMayBeEmpty) return {};
  if (name.empty()) return place.error(ErrorKind::kBadName, what + " is empty");
  if (name.size() > kMaxNameBytes)
    return place.error(ErrorKind::kBadName, what + " has " + std::to_string(name.size()) +
                                                " bytes, expected at most " +
                                                std::to_string(kMaxNameBytes));
  if (!is_printable_ascii(name) && !is_clean_utf8(name))
    return place.error(ErrorKind::kBadName,
                       what + " '" + printable(name) + "' is not UTF-8 without control characters");
  const bool leaves_folder =
      name == "." || name == ".." || name.find('/') != std::string_view::npos;
  if (use == NameUse::kFileName && leaves_folder)
    return place.error(ErrorKind::kBadName,
                       what + " '" + printable(name) + "' is not the name of a file in a folder");
  return {};
}

Result<uint64_t> shape_bytes(uint16_t dtype, uint16_t rank, const uint64_t (&dims)[8],
                             const Place& place) {
  const uint32_t bits = dtype_bits(static_cast<Dtype>(dtype));
  if (bits == 0)
    return place.error(ErrorKind::kUnknownDtype,
                       "dtype " + std::to_string(dtype) + " is not in the registry");
  if (rank > kMaxRank)
    return place.error(ErrorKind::kBadShape,
                       "rank is " + std::to_string(rank) + ", expected at most 8");
  uint64_t total_bits = bits;
  for (size_t i = 0; i < kMaxRank; ++i) {
    if (i >= rank && dims[i] != 0)
      return place.error(
          ErrorKind::kBadShape,
          "dims[" + std::to_string(i) + "] is not 0 though the rank is " + std::to_string(rank));
    if (i >= rank) continue;
    const auto product = checked_mul(total_bits, dims[i]);
    if (!product) return place.error(ErrorKind::kBadShape, "the shape has more than 2^64 bits");
    total_bits = *product;
  }
  return total_bits / 8 + (total_bits % 8 != 0);
}

Status check_index(const IndexTables& tables, const PayloadBounds& bounds) {
  IMP_TRY(check_operands(tables));
  IMP_TRY(check_components(tables, bounds));
  IMP_TRY(check_sources(tables));
  IMP_TRY(check_placement(tables, bounds));
  return check_companions(tables, bounds);
}

}  // namespace imp::artifact
