// The tensors of a checkpoint sorted into modules: the first half of a closed inventory.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "src/base/result.h"
#include "src/model/model.h"
#include "src/model/names.h"

namespace imp::model {

/// One module of one expert: the tensor of each suffix, kNone where there is none.
struct ModuleTensors {
  std::array<uint32_t, kSuffixCount> tensor;
  ModuleTensors() { tensor.fill(kNone); }
  uint32_t operator[](Suffix s) const { return tensor[static_cast<size_t>(s)]; }
  bool has(Suffix s) const { return (*this)[s] != kNone; }
};

struct Module {
  std::string name;  ///< canonical, expert as '*'
  std::string leaf;
  uint32_t layer = kNone;
  ModuleRole role{Role::kOther, ModuleKind::kOther};
  bool has_role = false;  ///< some known architecture has such a module
  bool per_expert = false;
  std::map<uint32_t, ModuleTensors> experts;  ///< key 0 for a dense module and for a stack
};

/// Sort every tensor of `source` into its module, by canonical name; a tensor that is no suffix of
/// a module (Suffix::kParameter) is a module of its own. Errors: kUnknownTensor for a name that
/// cannot be taken apart and for a tensor beside a weight of whose suffix nobody knows the meaning;
/// kUnsupportedFormat for one that shows another producer; kDuplicateName for two tensors that
/// normalise to one name.
Result<std::map<std::string, Module>> sort_into_modules(const Source& source);

}  // namespace imp::model
