// From a source folder to the canonical model.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// How a GGUF file is read; without meaning for other checkpoints.
struct ImportOptions {
  /// GGUF's own names and order of rows, nothing undone: for architectures that are not known here.
  bool as_is = false;
  /// Rows of q and k are in the hub's order already (files made before llama.cpp #22611).
  bool assume_unpermuted_qk = false;
};

/// Read headers, configuration and scalars of the checkpoint in `path`, a folder or a .gguf file,
/// and give every tensor a place. No plane is read. Errors: those of hf::open_checkpoint;
/// kUnsupportedFormat, kUnsupportedScheme, kUnsupportedArchitecture, kUnknownTensor,
/// kMissingTensor, kShapeMismatch, kBadScale, each naming the tensor.
Result<Model> import_checkpoint(const std::filesystem::path& path, const ImportOptions& options,
                                Log& log);

/// Keep only weights whose canonical name matches `include` (if given) and not `exclude` (RE2
/// partial match); their tensors become ignored with a reason. Errors: kUsage for a pattern RE2
/// refuses or a selection that leaves nothing.
Status select_weights(Model& model, const std::vector<std::string>& include,
                      const std::vector<std::string>& exclude);

}  // namespace imp::model
