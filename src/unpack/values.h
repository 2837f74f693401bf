// From stored bits to plain values, each rounded once.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/ggml_type.h"
#include "src/model/model.h"

namespace imp::unpack {

/// Each rounded once to F32 or BF16. REQUIRES: out.size() == values.size() * bytes of `to`.
void round_values(std::span<const double> values, Dtype to, MutableBytes out);

/// Plain floats to F32 or BF16. REQUIRES: is_plain_float(from); whole elements.
void convert_floats(Bytes in, Dtype from, Dtype to, std::vector<std::byte>& out);

/// What a tensor without scales beside it holds: plain floats of `dtype`, or blocks.
struct StoredValues {
  Dtype dtype = Dtype::kF32;
  std::optional<GgmlType> blocks;
  model::StoredAs stored_as = model::StoredAs::kItself;
};

/// Such a tensor to F32 or BF16, piece by piece. Values of blocks are the f32 of ggml's decoder;
/// what is undone of `stored_as` (x + 1, -exp(x)) is rounded to f32 as the converter's step was,
/// before it is rounded to `to`.
class ValueConverter {
 public:
  ValueConverter(const StoredValues& from, Dtype to) : from_(from), to_(to) {}

  /// The values that are whole with these bytes; they live until the next call. REQUIRES: whole
  /// plain floats; blocks may be cut anywhere.
  Bytes convert(Bytes in);

 private:
  void decode_blocks(Bytes in);

  const StoredValues from_;
  const Dtype to_;
  std::vector<std::byte> held_;  ///< of a block that is not whole yet
  std::vector<float> values_;
  std::vector<std::byte> out_;
};

}  // namespace imp::unpack
