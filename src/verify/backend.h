// Where the numerics level runs, and why.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "formats/imp/reader.h"
#include "src/verify/gemm_backend.h"
#include "src/verify/verify.h"

namespace imp::verify {

struct BackendChoice {
  std::unique_ptr<GemmBackend> cuda;  ///< null: the CPU
  std::string why;                    ///< the device; or why it is the CPU
};

/// What `asked` means for this file on this machine. Errors, for kCuda alone and naming the targets
/// that the file serves: kNoDevice; kNoFormForTarget if no GEMM form in `forms` has a kernel on the
/// device.
Result<BackendChoice> choose_backend(const artifact::Reader& reader,
                                     const std::vector<uint32_t>& forms, Backend asked);

/// "12 of 30 GEMM forms (10 on cuda: ..., 2 on the CPU): ...".
std::string numerics_summary(const NumericsCounts& counts, const BackendChoice& backend);

}  // namespace imp::verify
