// Scale audit of an artifact.
#pragma once

#include "formats/imp/reader.h"
#include "src/base/result.h"
#include "src/inspect/manifest.h"
#include "src/inspect/scale_report.h"

namespace imp::inspect {

/// Global and input scales from the index; block scales from the first form that keeps them in a
/// component of their own. Whatever order a layout gives those bytes, they are the scales plus
/// padding zeros, whose number follows from the shapes; so they can be counted without knowing the
/// layout. Where all forms keep scales inside blocks, what the manifest counted at conversion.
Result<ScaleReport> audit_artifact(const artifact::Reader& reader, const Manifest& manifest);

}  // namespace imp::inspect
