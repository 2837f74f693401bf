#include "src/model/inventory.h"

#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "src/model/scalars.h"

namespace imp::model {

Source take_source(hf::Checkpoint& checkpoint) {
  Source source;
  source.folder = checkpoint.folder;
  for (hf::SourceFile& file : checkpoint.files)
    source.files.push_back({std::move(file.name), std::move(file.handle), file.has_metadata,
                            std::move(file.metadata)});
  source.tensors.reserve(checkpoint.tensors.size());
  for (hf::SourceTensor& t : checkpoint.tensors)
    source.tensors.push_back({std::move(t.name), t.file, t.dtype, t.shape, t.offset_bytes,
                              t.size_bytes, Disposition::kCopied, "", std::nullopt,
                              StoredAs::kItself, nullptr});
  for (const hf::Companion& companion : checkpoint.companions)
    source.companions.push_back(companion.name);
  return source;
}

Status close_inventory(Model& model) {
  std::vector<uint32_t> uses(model.source.tensors.size(), 0);
  std::set<std::string_view> names;
  for (const Weight& weight : model.weights) {
    if (!names.insert(weight.name).second)
      return Error{ErrorKind::kDuplicateName, "two weights have this name",
                   model.source.folder.string(), weight.name};
    for (const PlaneSet& set : weight.planes)
      for (const uint32_t t : set.tensors)
        if (t != kNone) {
          ++uses[t];
          model.source.tensors[t].disposition =
              is_quantized(weight.scheme) ? Disposition::kConverted : Disposition::kCopied;
        }
  }
  for (uint32_t t = 0; t < uses.size(); ++t)
    if (uses[t] != 1)
      return tensor_error(
          model.source, t, ErrorKind::kUnknownTensor,
          uses[t] == 0 ? "belongs to no weight" : "belongs to more than one weight");
  return {};
}

}  // namespace imp::model
