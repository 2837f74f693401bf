// imp-bench repack: the GPU's repack kernels beside a device-to-device copy of the same traffic.
#pragma once

#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/bench/report.h"

namespace imp::bench {

struct RepackOptions {
  std::vector<uint64_t> mib;  ///< canonical bytes of a tensor, codes and scales; empty: 32, 64, 256
  uint64_t k = 8192;
  std::string path = "word";  ///< or "map"
  uint64_t replays = 25;
  uint64_t pool_bytes = 0;  ///< 0: what makes data cold; less is for tests, its times mean nothing
};

/// Pack and inverse of each layout; of those beside NVFP4 where K is a multiple of 128. Errors:
/// kUsage (before a device is looked for), kNoDevice. Bytes that do not come back are a row, not an
/// error.
Result<RepackReport> run_repack(const RepackOptions& options, Log& log);

}  // namespace imp::bench
