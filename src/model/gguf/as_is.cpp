#include "src/model/gguf/as_is.h"

#include <string>
#include <string_view>
#include <unordered_map>

#include "src/model/gguf/linear.h"
#include "src/quant/ggml_blocks.h"

namespace imp::model {
namespace {

/// "X" of "X.weight", a matrix that comes apart.
std::string module_of(const StoredTensor& tensor) {
  constexpr std::string_view kWeight = ".weight";
  const std::string_view name = tensor.name;
  if (!name.ends_with(kWeight) || name.size() == kWeight.size()) return "";
  if (tensor.shape.rank != 2 || quant::block_planes(tensor.type) == nullptr) return "";
  // Whoever wrote it may not be the encoder whose bytes all come back.
  if (tensor.type == GgmlType::kTq1_0) return "";
  if (name == "token_embd.weight") return "";
  return std::string(name.substr(0, name.size() - kWeight.size()));
}

using Names = std::unordered_map<std::string_view, uint32_t>;

/// The tensor with one of two endings; kNone if there is none.
uint32_t find_beside(const Names& names, const std::string& module, const char* ending) {
  for (const std::string& name : {module + ending, module + ".weight" + ending})
    if (const auto it = names.find(name); it != names.end()) return it->second;
  return kNone;
}

}  // namespace

Status add_as_is(ViewWriter& writer) {
  const Source& source = writer.source();
  Names names;
  for (uint32_t i = 0; i < source.stored.size(); ++i) names.emplace(source.stored[i].name, i);
  for (uint32_t i = 0; i < source.stored.size(); ++i) {
    const std::string name = module_of(source.stored[i]);
    if (name.empty()) continue;
    StoredModule module;
    module.weight = i;
    module.scale = find_beside(names, name, ".scale");
    module.input_scale = find_beside(names, name, ".input_scale");
    IMP_TRY(add_linear(writer, name, module, all_rows(source, module), PlaneNames::kModule));
  }
  for (uint32_t i = 0; i < source.stored.size(); ++i)
    if (!writer.is_used(i)) writer.add_whole(source.stored[i].name, i);
  return {};
}

}  // namespace imp::model
