#include "src/quant/encoding.h"

#include <algorithm>

namespace imp::quant {

uint64_t canonical_bytes(const PlaneCoding& plane) {
  return plane.rows *
         (plane.bits == 4 ? (plane.columns + 1) / 2 : plane.columns * std::max(plane.bits, 8u) / 8);
}
uint64_t source_bytes(const PlaneCoding& plane) { return canonical_bytes(plane); }
uint64_t cut_rows(const PlaneCoding& plane) { return plane.encoding == Encoding::kRows ? 1 : 0; }
bool has_canonical(Encoding encoding) { return encoding < Encoding::kBitmask24; }
Status to_canonical(const PlaneCoding&, Bytes source, MutableBytes out) {
  std::copy(source.begin(), source.end(), out.begin());
  return {};
}
void from_canonical(const PlaneCoding&, Bytes canonical, MutableBytes out) {
  std::copy(canonical.begin(), canonical.end(), out.begin());
}

}  // namespace imp::quant
