// The components of a form against what its layout prescribes.
#pragma once

#include "src/base/dtype.h"
#include "src/base/shape.h"
#include "src/verify/planes.h"
#include "src/verify/slab.h"

namespace imp::verify {

struct Expected {
  artifact::ComponentKind kind;
  Dtype dtype;
  Shape of_expert;
};
/// The form has this component, one of these for each expert. Errors: kBadRecord, kBadShape.
Status check_component(const FormView& view, const Expected& expected);

/// The component that has the source's bytes of `plane` holds those of its parts' rows, in their
/// encoding. Errors: kBadRecord, kBadShape, kUnsupportedVersion.
Status check_as_in_source(const FormView& view, const PlaneTable& planes,
                          artifact::ComponentKind plane);

/// Layout, version and dialect are known; padded sizes and the components that hold weights are
/// what the layout prescribes for the scheme, or what the source's encoding takes. Errors:
/// kUnsupportedVersion, kUnsupportedScheme, kBadRecord, kBadShape.
Status check_layout(const FormView& view, const PlaneTable& planes);

}  // namespace imp::verify
