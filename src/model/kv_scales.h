// Scales of the K and V cache, in every spelling (checkpoint-formats 3.9, 4.5): a pair a layer.
#pragma once

#include <map>
#include <string>

#include "src/base/result.h"
#include "src/model/import_context.h"
#include "src/model/module_table.h"

namespace imp::model {

/// Errors: kMissingTensor for a layer with the K scale (or bias) and no V scale or the other way
/// round; kBadScale for two spellings with different values (trap T28).
Status check_kv_scales(const ImportContext& context, const std::map<std::string, Module>& modules);

}  // namespace imp::model
