// Configuration and tensors must tell one story; where they do not, the tensors decide and the user
// is told.
#pragma once

#include <map>
#include <string>

#include "src/base/log.h"
#include "src/base/result.h"
#include "src/model/import_context.h"
#include "src/model/module_table.h"

namespace imp::model {

/// Compare every weight with what the configuration expects of its modules: warnings, notes for
/// patterns that match nothing. Errors: kMissingTensor for a linear layer that compressed-tensors
/// lists as quantized and that is a float weight without scales (trap T49).
Status compare_with_config(const Model& model, const std::map<std::string, Module>& modules,
                           const ImportContext& context);

}  // namespace imp::model
