#include "src/model/import.h"

#include "formats/hf/checkpoint.h"
#include "src/model/modelopt.h"

namespace imp::model {

Result<Model> import_checkpoint(const std::filesystem::path& path, Log& log) {
  // "folder/" and "folder" are one place; messages should not show "folder//config.json".
  const std::filesystem::path place = path.has_filename() ? path : path.parent_path();
  IMP_ASSIGN(hf::Checkpoint checkpoint, hf::open_checkpoint(place, log));
  return import_modelopt(std::move(checkpoint), log);
}

}  // namespace imp::model
