// Quantising on purpose: rows of floats to the canonical codes and scales of a scheme. NVFP4 and
// MXFP4 with the arithmetic of either exporter (quantize.h), INT8 and FP8 symmetric with a float
// scale for each row or group:
//
//   int8  scale = amax / 127, code = nearest(x / scale), ties to even, -127 to 127
//   fp8   scale = amax / 448, code = e4m3(x / scale)
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/quant/nvfp4.h"
#include "src/quant/quantize.h"

namespace imp::quant {

enum class TranscodeTarget : uint8_t {
  kNvfp4ModelOpt,
  kNvfp4CompressedTensors,
  kMxfp4ModelOpt,
  kMxfp4CompressedTensors,
  kInt8,
  kFp8,
};

/// "nvfp4", "nvfp4-ct", "mxfp4", "mxfp4-ct", "int8", "fp8".
std::string_view transcode_name(TranscodeTarget target);
std::optional<TranscodeTarget> transcode_from_name(std::string_view name);
/// All of them, by name, in the order of the enum.
std::span<const std::string_view> transcode_names();

/// How one weight is quantised.
struct TranscodeFormat {
  TranscodeTarget target = TranscodeTarget::kNvfp4ModelOpt;
  /// Of the values: bf16 where all of them are bf16 numbers. Only compressed-tensors' arithmetic
  /// depends on it.
  ModelFloat dtype = ModelFloat::kF32;
  uint64_t columns = 0;
  /// Columns under a scale. 16 for NVFP4, 32 for MXFP4; any that divides `columns` for the others,
  /// `columns` itself for one a row.
  uint64_t group_size = 0;
  /// Of NVFP4, from transcode_global.
  float global = 1.0f;

  uint64_t code_row_bytes() const;
  uint64_t scale_row_bytes() const;
  /// F8_E4M3, F8_E8M0 or F32.
  Dtype scale_dtype() const;
};

/// The format for values of `dtype` in rows of `columns`; `group_size` 0 takes the target's own (a
/// row for int8 and fp8). `global` stays 1. Errors: kUnsupportedScheme for columns that are no
/// multiple of the group.
Result<TranscodeFormat> transcode_format(TranscodeTarget target, ModelFloat dtype, uint64_t columns,
                                         uint64_t group_size = 0);

/// The f32 beside the block scales of NVFP4 for values up to `amax` (of the module, or of all
/// modules that a kernel fuses), and whether it multiplies or divides; 1 for the other targets. A
/// weight of zeros gets 1.
float transcode_global(TranscodeTarget target, float amax, ModelFloat dtype);
Convention transcode_convention(TranscodeTarget target);

/// Largest magnitude. Errors: kBadScale for a NaN or an infinite value, naming its index: no scale
/// holds such a weight.
Result<float> largest_magnitude(std::span<const float> values);

/// One row: canonical codes (4 bits: pairs; int8: offset binary) and its scales, little-endian.
/// REQUIRES: finite values, sizes as `format` says.
void transcode_row(const TranscodeFormat& format, std::span<const float> row, MutableBytes codes,
                   MutableBytes scales);

}  // namespace imp::quant
