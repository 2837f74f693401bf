// kv_b_proj of a model with latent attention, from the two halves that GGUF keeps of it
// (gguf.md 5; model::StoredAs): of each head first the rows of K, then those of V.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "src/base/shape.h"
#include "src/unpack/plane.h"
#include "src/unpack/values.h"

namespace imp::unpack {

/// Values of one head: K [latent, nope] transposed, V [value, latent].
struct MlaShape {
  uint64_t heads = 0;
  uint64_t latent = 0;
  uint64_t nope = 0;
  uint64_t value = 0;

  Shape merged() const { return {heads * (nope + value), latent}; }
};

/// The source tensor that is the other half of this one; nullopt if it is none, or alone.
std::optional<uint32_t> other_half(const artifact::Reader& reader, uint32_t source);
/// The half of V. REQUIRES: the operand of a half.
bool is_value_half(const artifact::OperandRecord& operand);
/// "X.kv_b_proj.weight" of the name of a half.
std::string merged_name(const std::string& half);

/// Dimensions of a tensor's values where the form holds them as they are: of blocks the last one in
/// elements. Errors: kBadRecord for a part of a block.
Result<Shape> shape_of_values(const artifact::Reader& reader, uint32_t source);
/// What such a tensor holds.
StoredValues stored_values(const Plane& plane);

/// Errors: kBadRecord for halves that do not fit each other.
Result<MlaShape> mla_shape(const artifact::Reader& reader, uint32_t key, uint32_t value);

/// Give `sink` the merged values of dtype `to`, head by head. Both halves are compared with their
/// digests in the end. REQUIRES: planes of the halves that `shape` is of. Errors: those of
/// find_stored, check_digest and `sink`; kIo, kTruncated, kInterrupted.
Status stream_merged(const artifact::Reader& reader, const Plane& key, const Plane& value,
                     const MlaShape& shape, Dtype to, const std::function<Status(Bytes)>& sink);

}  // namespace imp::unpack
