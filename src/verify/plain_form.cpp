#include "src/verify/plain_form.h"

#include <algorithm>
#include <numeric>
#include <string>

#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/model/weight_format.h"
#include "src/quant/bitmask.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::ComponentRecord;
using quant::Encoding;

Encoding codes_encoding(const FormView& view) { return static_cast<Encoding>(view.form.dialect); }

bool is_sparse(const FormView& view) { return !quant::has_canonical(codes_encoding(view)); }

Dtype stored_dtype(const FormView& view, ComponentKind plane) {
  const ComponentRecord* component = view.reader.find_component(view.form, plane);
  return component == nullptr ? Dtype::kU8 : static_cast<Dtype>(component->dtype);
}

quant::PlaneCoding coding_of(const FormView& view, ComponentKind plane, uint64_t rows) {
  return plane_coding(view.operand, plane, stored_dtype(view, plane), plain_encoding(view, plane),
                      rows);
}

Error located(const FormView& view, Error error) {
  error.file = view.reader.path();
  error.tensor = view.name();
  return error;
}

Result<std::vector<std::byte>> canonical_of(const FormView& view, ComponentKind plane,
                                            const StoredSlab& slab) {
  const quant::PlaneCoding coding = coding_of(view, plane, slab.rows);
  if (coding.encoding == Encoding::kRows) return slab.of(plane);
  std::vector<std::byte> out(quant::canonical_bytes(coding));
  Status status = quant::to_canonical(coding, slab.of(plane), out);
  if (!status.ok()) return located(view, std::move(status).error());
  return out;
}

/// Codes of which the slab stores those that a bitmask names; the others are zero bits. A form of
/// this kind is one slab, so its size backs what is allocated: eight places a byte of the mask.
Result<std::vector<std::byte>> expanded_codes(const FormView& view, const StoredSlab& slab) {
  quant::PlaneCoding coding = coding_of(view, ComponentKind::kCodes, slab.rows);
  const uint32_t code_bits = coding.bits;
  coding.bits = std::max(code_bits, 8u);  // integers of fewer bits are stored in bytes
  if (slab.bitmask.size() / slab.rows < coding.columns / 8)
    return located(view,
                   Error{ErrorKind::kBadShape, "the bitmask is smaller than the weight", {}, {}});
  std::vector<std::byte> elements(slab.rows * coding.columns * (coding.bits / 8));
  Status status =
      quant::expand_bitmask(coding, {slab.codes, slab.bitmask, slab.row_offsets}, elements);
  if (!status.ok()) return located(view, std::move(status).error());
  if (!model::is_integer(view.scheme())) return elements;
  coding.bits = code_bits;
  coding.encoding = Encoding::kSignedBytes;
  std::vector<std::byte> out(quant::canonical_bytes(coding));
  status = quant::to_canonical(coding, elements, out);
  if (!status.ok()) return located(view, std::move(status).error());
  return out;
}

/// Kernels look groups up by it.
Status check_group_index(const FormView& view, const StoredSlab& slab) {
  // -1 everywhere is no act-order, but kernels read it all the same.
  if (!slab.group_index.empty() && slab.group_index.size() / 4 != view.operand.k)
    return located(view, Error{ErrorKind::kBadShape,
                               "the group index has " + std::to_string(slab.group_index.size()) +
                                   " bytes, expected 4 a column",
                               {},
                               {}});
  quant::WeightFormat format;
  format.columns = view.operand.k;
  format.group_size = view.operand.group_size;
  auto groups = quant::column_groups(format, slab.group_index);
  return groups.ok() ? Status{} : located(view, std::move(groups).error());
}

uint64_t bytes_before(quant::PlaneCoding coding, uint64_t rows) {
  return quant::source_bytes(quant::with_rows(coding, rows));
}

/// Of the elements of one row.
CodePlace place_in_row(const quant::PlaneCoding& coding, uint64_t column) {
  const uint64_t per_word = 32 / coding.bits;
  switch (coding.encoding) {
    case Encoding::kWords: {
      const uint64_t bit = column * coding.bits;
      return {bit / 8, static_cast<uint32_t>(bit % 8)};
    }
    case Encoding::kPaddedWords: {
      const uint64_t bit = column % per_word * coding.bits;
      return {4 * (column / per_word) + bit / 8, static_cast<uint32_t>(bit % 8)};
    }
    default:
      break;
  }
  if (coding.bits == 4 && coding.encoding != Encoding::kSignedBytes)
    return {column / 2, static_cast<uint32_t>(4 * (column % 2))};
  return {column * (std::max(coding.bits, 8u) / 8)};
}

/// Of a plane whose columns lie one after the other, its rows perhaps interleaved.
CodePlace place_in_first(const quant::PlaneCoding& coding, uint64_t source_row, uint64_t column) {
  if (coding.bits == 4)
    return {column / 2 * coding.rows + source_row, static_cast<uint32_t>(4 * (column % 2))};
  return {(column * coding.rows + source_row) * (std::max(coding.bits, 8u) / 8)};
}

/// Of an element that a bitmask names as stored.
std::optional<CodePlace> place_stored(const quant::PlaneCoding& coding, const StoredSlab& slab,
                                      uint64_t row, uint64_t column) {
  const std::byte* mask = slab.bitmask.data() + row * div_up(coding.columns, 8);
  const auto is_set = [&](uint64_t k) {
    return (mask[k / 8] >> (k % 8) & std::byte{1}) != std::byte{0};
  };
  if (!is_set(column)) return std::nullopt;
  uint64_t element = coding.encoding == Encoding::kBitmask24
                         ? row * (coding.columns / 2)
                         : load_le<uint64_t>(slab.row_offsets.data() + 8 * row);
  for (uint64_t k = 0; k < column; ++k) element += is_set(k) ? 1 : 0;
  return CodePlace{element * (std::max(coding.bits, 8u) / 8)};
}

}  // namespace

Encoding plain_encoding(const FormView& view, ComponentKind plane) {
  const Encoding codes = codes_encoding(view);
  switch (codes) {
    case Encoding::kSignedBytes:
    case Encoding::kNibblesAlongN:
      return plane == ComponentKind::kCodes || plane == ComponentKind::kZeroPoint ? codes
                                                                                  : Encoding::kRows;
    case Encoding::kWords:
      if (plane == ComponentKind::kZeroPoint) return Encoding::kWordsAlongN;
      return plane == ComponentKind::kCodes ? codes : Encoding::kRows;
    case Encoding::kPaddedWords:
      if (plane == ComponentKind::kZeroPoint) return Encoding::kPaddedWordsAlongN;
      return plane == ComponentKind::kCodes ? codes : Encoding::kRows;
    case Encoding::kInFirst:
    case Encoding::kRowsInterleaved:
    case Encoding::kInFirstInterleaved:
      return codes;
    default:
      return plane == ComponentKind::kCodes ? codes : Encoding::kRows;
  }
}

uint64_t plain_unit_rows(const FormView& view) {
  uint64_t unit = quant::cut_rows(coding_of(view, ComponentKind::kCodes, view.operand.n));
  for (const ComponentKind plane : kGroupPlanes) {
    if (view.reader.find_component(view.form, plane) == nullptr) continue;
    const uint64_t cut = quant::cut_rows(coding_of(view, plane, view.operand.n));
    if (unit == 0 || cut == 0) return 0;
    unit = std::lcm(unit, cut * view.group_rows());
  }
  return unit;
}

uint64_t expert_bytes(const FormView& view, const ComponentRecord& component) {
  return view.operand.experts > 1 && component.expert_stride_bytes != 0
             ? component.expert_stride_bytes
             : component.size_bytes;
}

Status read_plain_extras(const FormView& view, StoredSlab& slab) {
  const std::pair<ComponentKind, std::vector<std::byte>*> extras[] = {
      {ComponentKind::kBitmask, &slab.bitmask},
      {ComponentKind::kRowOffsets, &slab.row_offsets},
      {ComponentKind::kGroupIndex, &slab.group_index}};
  for (const auto& [kind, out] : extras) {
    const ComponentRecord* component = view.reader.find_component(view.form, kind);
    if (component == nullptr) continue;
    out->resize(expert_bytes(view, *component));
    IMP_TRY(
        view.reader.read_component(*component, slab.expert * component->expert_stride_bytes, *out));
  }
  return {};
}

Result<CanonicalSlab> invert_plain(const FormView& view, const StoredSlab& slab) {
  CanonicalSlab out = slab;
  IMP_TRY(check_group_index(view, slab));
  if (is_sparse(view)) {
    IMP_ASSIGN(out.codes, expanded_codes(view, slab));
  } else {
    IMP_ASSIGN(out.codes, canonical_of(view, ComponentKind::kCodes, slab));
  }
  for (const ComponentKind plane : kGroupPlanes)
    if (!slab.of(plane).empty()) {
      IMP_ASSIGN(out.of(plane), canonical_of(view, plane, slab));
    }
  return out;
}

std::optional<CodePlace> plain_code_place(const FormView& view, const StoredSlab& slab,
                                          uint64_t row, uint64_t k) {
  const quant::PlaneCoding coding = coding_of(view, ComponentKind::kCodes, slab.rows);
  const uint64_t odd_rows_at = div_up(slab.rows, 2);
  const uint64_t interleaved = row < odd_rows_at ? 2 * row : 2 * (row - odd_rows_at) + 1;
  switch (coding.encoding) {
    case Encoding::kNibblesAlongN:
      return CodePlace{row / 2 * coding.columns + k, static_cast<uint32_t>(4 * (row % 2))};
    case Encoding::kInFirst:
      return place_in_first(coding, row, k);
    case Encoding::kInFirstInterleaved:
      return place_in_first(coding, interleaved, k);
    case Encoding::kBitmask24:
    case Encoding::kBitmask:
      return place_stored(coding, slab, row, k);
    default:
      break;
  }
  CodePlace place = place_in_row(coding, k);
  place.byte +=
      bytes_before(coding, coding.encoding == Encoding::kRowsInterleaved ? interleaved : row);
  return place;
}

}  // namespace imp::verify
