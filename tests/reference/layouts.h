// Packed buffers straight from the formulas of the layout specification. Codes and scales come one
// per byte; nothing here is fast or shared with the code under test.
#pragma once

#include <cstdint>
#include <vector>

#include "tests/reference/golden_inputs.h"

namespace imp::reference {

using Buffer = std::vector<uint8_t>;

/// Checkpoint order: [N][K/2], even k in the low nibble. An odd K ends with an empty upper nibble.
Buffer canonical_nibbles(const ByteMatrix& codes);

/// mma64 NVFP4 before its word code (an intermediate that no file holds), and as stored.
Buffer mma64_nvfp4_nibbles(const ByteMatrix& codes, const ByteMatrix& scales);
Buffer mma64_nvfp4(const ByteMatrix& codes, const ByteMatrix& scales);

/// Block scales in 128x4 tiles.
Buffer sf128x4(const ByteMatrix& scales);

/// Rows of the checkpoint order with a pitch of 16 bytes.
Buffer native_rows(const ByteMatrix& codes);

}  // namespace imp::reference
