// An artifact's index as JSON, and what text and JSON share.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>

#include "formats/imp/reader.h"
#include "src/base/shape.h"
#include "src/inspect/manifest.h"
#include "src/inspect/scale_report.h"

namespace imp::inspect {

/// One document: artifact, manifest, operands[], source_files[], source_tensors[], companions[],
/// scales.
void print_artifact_json(const artifact::Reader& reader, const Manifest& manifest,
                         const ScaleReport& scales, std::ostream& out);

/// "codes", "blocks", ...; "kind N" for one this version does not know.
std::string component_name(uint16_t kind);
/// Shape of a component; a rank above 8 (possible where the kind is unknown) is cut.
Shape shape_of(const artifact::ComponentRecord& component);
/// Bytes of all components, those that forms share once.
uint64_t stored_bytes(const artifact::Reader& reader, const artifact::OperandRecord& operand);

}  // namespace imp::inspect
