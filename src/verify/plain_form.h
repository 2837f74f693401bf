// How a plain form holds its planes: FormRecord::dialect is the encoding of the codes, and the
// other planes follow from it (kernels/readers/plain_places.h says the same for kernels).
#pragma once

#include <cstdint>
#include <optional>

#include "src/verify/engine_inverse.h"
#include "src/verify/slab.h"

namespace imp::verify {

quant::Encoding plain_encoding(const FormView& view, artifact::ComponentKind plane);

/// Slabs of a plain form begin at multiples of this many rows; 0: only the whole form is one.
uint64_t plain_unit_rows(const FormView& view);

/// Planes that only plain forms have: bitmask, row offsets, group index. Errors: kIo, kTruncated.
Status read_plain_extras(const FormView& view, StoredSlab& slab);

/// Bytes of all rows of one expert of a component, whose size the data decide.
uint64_t expert_bytes(const FormView& view, const artifact::ComponentRecord& component);

/// Canonical planes of a slab. Errors: kInverseMismatch for a group index, a bitmask or row offsets
/// that name what is not there; those of quant::to_canonical.
Result<CanonicalSlab> invert_plain(const FormView& view, const StoredSlab& slab);

/// The lowest bit of code (row, k) of the slab; nullopt where it is not stored.
std::optional<CodePlace> plain_code_place(const FormView& view, const StoredSlab& slab,
                                          uint64_t row, uint64_t k);

}  // namespace imp::verify
