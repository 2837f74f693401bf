// Bytes of a source tensor, whether a file holds them or not.
#pragma once

#include <cstdint>
#include <string>

#include "src/base/file.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// Bytes [offset_bytes, offset_bytes + out.size()) of the tensor. REQUIRES: they are inside it.
/// Errors: kIo, kTruncated.
Status read_tensor(const Source& source, uint32_t tensor, uint64_t offset_bytes, MutableBytes out);

/// Bytes that are best read together: a row of a tensor that no file holds, else 1.
uint64_t row_bytes_of(const SourceTensor& tensor);

/// A companion, made or found. Errors: kIo, kHeaderSize.
Result<std::string> read_companion(const Source& source, const std::string& name);

/// End, in the tensor's file, of what has to be read to have the tensor: all of its bytes, or the
/// last row of a view there.
uint64_t end_in_file(const Source& source, const SourceTensor& tensor);

}  // namespace imp::model
