// imp-bench gemm: the bundled GEMM beside cuBLAS with plain 16-bit weights and beside the floor.
#pragma once

#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/bench/report.h"
#include "src/bench/weights.h"

namespace imp::bench {

struct GemmOptions {
  std::vector<Shape> shapes;        ///< empty: default_shapes(); experts is set from `experts`
  std::vector<uint64_t> m;          ///< empty: default_m(); refused with experts > 1
  std::string scheme = "nvfp4";     ///< "mxfp4", "int4"
  uint64_t group = 128;             ///< of int4: 32, a multiple of 64, or 0 for a scale a row
  bool zero_points = false;         ///< of int4
  std::string activation = "bf16";  ///< or "f16"
  std::string kernel = "auto";      ///< a name of gemm_kernel_name()
  std::string x_order = "natural";  ///< "layout", "both"
  bool overlap = false;
  uint64_t experts = 1;
  std::vector<uint64_t> tokens_per_expert;  ///< empty: 1, 8, 16, 64; only with experts > 1
  uint64_t replays = 25;
  uint64_t pool_bytes =
      0;  ///< 0: what makes weights cold; less is for tests, its times mean nothing
};

std::vector<Shape> default_shapes();
std::vector<uint64_t> default_m();

/// "21504x5376". Errors: kUsage.
Result<Shape> parse_shape(const std::string& text);

/// Errors: kUsage for options that mean nothing (before a device is looked for); kNoDevice;
/// kUnsupportedLayout for a card without a kernel. A wrong result is a row, not an error.
Result<GemmReport> run_gemm(const GemmOptions& options, Log& log);

}  // namespace imp::bench
