// From an artifact back to files that others read: the source checkpoint, plain weights, raw
// components.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>

#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::unpack {

enum class Mode : uint8_t {
  kSafetensors,    ///< the source's tensors, byte for byte, in the source's shards
  kDequantizeF32,  ///< every weight as plain values [N, K], each the exact product rounded once
  kDequantizeBf16,
  kGgufBlocks,  ///< the source's GGUF files, byte for byte
  kRaw,         ///< the stored bytes of every component of every form, with index.json
};

struct Options {
  std::filesystem::path artifact;
  std::filesystem::path folder;  ///< absent or empty, unless `overwrite`
  Mode mode = Mode::kSafetensors;
  bool overwrite = false;
  uint64_t threads = 0;             ///< 0: as many as this process may use
  std::optional<uint32_t> form_sm;  ///< take the form that serves this SM where an operand has one
};

struct Report {
  uint64_t files = 0;
  uint64_t tensors = 0;  ///< kRaw: components
  uint64_t bytes = 0;    ///< of tensors or components, headers and companions not counted
};

/// Write what `options.mode` asks for. Files appear under their names only when whole, companions
/// and indices last; a run that fails removes the files that it added. With `overwrite`, files of
/// the folder that this run does not write stay as they are. Memory is bounded by row slabs (some
/// MiB a thread, at least 128 rows), but one expert of one tensor a thread where the source's
/// planes do not lie row by row (stacks [E, K, N], interleaved rows, sparse weights). Errors: those
/// of artifact::Reader::open; kFileExists (folder not empty), kBadName (a name that leaves the
/// folder or is a symbolic link in it), kDuplicateName (two outputs of one name), kBadRecord
/// (records that contradict their scheme or layout), kUnsupportedScheme, kUnsupportedLayout,
/// kInverseMismatch naming the tensor (bits that are not the source's), of kGgufBlocks also kUsage
/// and kMissingTensor (see gguf_writer.h), kBadConfig, kIo, kNoSpace,
/// kInterrupted.
Result<Report> run(const Options& options, Log& log);

}  // namespace imp::unpack
