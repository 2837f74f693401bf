// Structure level, second half: what the container leaves as numbers must mean something that holds
// together.
#pragma once

#include "formats/imp/reader.h"
#include "src/verify/problems.h"

namespace imp::verify {

/// Roles, schemes, layouts and versions are known; each form has the components, shapes and
/// paddings that its layout prescribes; scalars are usable and equal the vectors a kernel reads;
/// the inventory agrees with the parts.
void check_meaning(const artifact::Reader& reader, Problems& problems);

}  // namespace imp::verify
