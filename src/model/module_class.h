// Which class a module has, as far as its name tells: configurations of exporters speak of classes
// ("Linear"), files only of names.
#pragma once

#include <cstdint>
#include <string>

namespace imp::model {

enum class ModuleClass : uint8_t {
  kLinear,
  kEmbedding,
  kStack,     ///< experts in one tensor: a parameter, no module, for the exporter
  kNoLinear,  ///< norms, convolutions, parameters; routers and the shared expert's gate, which
              ///< exporters leave out
  kUnknown,   ///< of a vision tower, or a leaf without a role: linear if it is two-dimensional
};

/// `module`: canonical, with the number of the expert.
ModuleClass class_of_module(const std::string& module);

}  // namespace imp::model
