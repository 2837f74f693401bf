// Small tensors of the source, read as numbers: scales that are one number a module, shapes, group
// indices. Bits are kept.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// An error about a tensor of the source, with file and name filled in.
Error tensor_error(const Source& source, uint32_t tensor, ErrorKind kind, std::string message);
/// "U8 [256, 64]"
std::string shape_text(const SourceTensor& tensor);
/// Elements of a tensor of the source. A reader has checked that they do not overflow.
uint64_t num_elems(const SourceTensor& tensor);
/// F32, F16 or BF16: a dtype that scales are written in.
bool is_scale_float(Dtype dtype);

/// Bytes [first, first + size) of the tensor. REQUIRES: they lie in it. Errors: kIo, kTruncated.
Result<std::vector<std::byte>> read_bytes(const Source& source, uint32_t tensor, uint64_t first,
                                          uint64_t size);
/// Every element of an F32, F16 or BF16 tensor as the bits of an f32, widened exactly. Errors:
/// kUnsupportedScheme for another dtype.
Result<std::vector<uint32_t>> read_floats(const Source& source, uint32_t tensor);
/// Every element of an I8, I32 or I64 tensor. Errors: kUnsupportedScheme for another dtype.
Result<std::vector<int64_t>> read_integers(const Source& source, uint32_t tensor);

/// The two numbers N, K of a shape tensor; nullopt for one that does not hold two positive numbers.
Result<std::optional<std::pair<uint64_t, uint64_t>>> read_shape_pair(const Source& source,
                                                                     uint32_t tensor);

/// True for a finite number of at least +0; -0 is none, it comes from a lost sign or from
/// uninitialised memory.
bool is_scale(uint32_t bits);
/// kBadScale about one element of `tensor`.
Error bad_scale(const Source& source, uint32_t tensor, uint32_t bits);

}  // namespace imp::model
