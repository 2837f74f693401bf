// Names for modules that are not there, for messages.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "src/model/roles.h"

namespace imp::model {

/// A usual leaf of `role`: of several the one that shares most of its beginning with one of
/// `neighbours`. The role's name for a role that no architecture requires.
std::string usual_leaf(Role role, std::span<const std::string_view> neighbours);

/// A tensor of this leaf has no suffix (A_log, sinks).
bool is_parameter_leaf(std::string_view leaf);

}  // namespace imp::model
