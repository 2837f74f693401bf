// The line: read, import, plan, repack, write.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "src/base/digest.h"
#include "src/base/file.h"
#include "src/base/log.h"
#include "src/base/result.h"
#include "src/convert/device_ring.h"
#include "src/model/import.h"
#include "src/plan/plan.h"
#include "src/repack/nvfp4.h"
#include "src/transcode/rules.h"

namespace imp::convert {

/// Who packs. Both give the same bytes.
enum class Backend : uint8_t {
  kCpu,
  kCuda,  ///< the current device; no fall-back to the CPU
};

struct Options {
  std::filesystem::path input;
  std::filesystem::path output;
  model::ImportOptions import;
  plan::Options plan;
  std::vector<std::string> include;  ///< RE2 over canonical names
  std::vector<std::string> exclude;
  std::vector<transcode::Rule> transcode;  ///< first match wins
  uint64_t threads = 0;                    ///< 0: as many as this process may use
  bool overwrite = false;
  std::optional<uint64_t> max_flushed;  ///< refuse to write a file with more flushed scales
  bool payload_sha256 = false;          ///< SHA-256 of the payload into the manifest, for signing
  repack::Path path = repack::Path::kWord;
  Backend backend = Backend::kCpu;
  uint64_t device_budget_bytes = kDeviceBudgetBytes;  ///< of device memory, with kCuda
};

/// A model with its plan: all that is known without reading a plane, but for weights to be
/// transcoded.
struct Prepared {
  model::Model model;
  plan::Plan plan;
  uint64_t threads = 1;
};

struct Report {
  uint64_t source_bytes = 0;
  uint64_t total_bytes = 0;
  uint64_t payload_offset_bytes = 0;
  uint64_t payload_bytes = 0;
  uint64_t exceptions = 0;  ///< groups whose bits went to an exceptions component
  uint64_t zero_block_scales = 0;
  uint64_t flushed_scales = 0;    ///< that another engine's layout cannot hold (kernels/layouts)
  uint64_t refused_operands = 0;  ///< that the layout asked for does not hold
  Sha256 artifact_id{};
};

/// Errors: those of import_checkpoint, select_weights, transcode_weights and make_plan.
Result<Prepared> prepare(const Options& options, Log& log);

/// Convert into options.output (atomic: nothing under that name unless everything went well).
/// Errors: those of prepare's steps; kBadScale for a NaN or negative block scale, naming tensor and
/// place, or one that the layout makes infinite; kUnsupportedScheme for more than max_flushed; kIo,
/// kNoSpace, kFileExists, kInterrupted; kTruncated for a source that shrank meanwhile; kNoDevice
/// for a backend that is not there or too small.
Result<Report> run(const Prepared& prepared, const Options& options, Log& log);

/// The same into any OutputFile. `scratch_folder` takes data that outgrows memory.
Result<Report> run_into(OutputFile& output, const Prepared& prepared, const Options& options,
                        const std::filesystem::path& scratch_folder, Log& log);

}  // namespace imp::convert
