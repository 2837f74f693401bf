// The index as spans, whether it lies in a file's bytes or in a writer's vectors.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "formats/imp/ondisk.h"
#include "src/base/checked.h"

namespace imp::artifact {

struct IndexTables {
  std::span<const OperandRecord> operands;
  std::span<const PartRecord> parts;
  std::span<const FormRecord> forms;
  std::span<const ComponentRecord> components;
  std::span<const ScalarRecord> scalars;
  std::span<const SourceFileRecord> source_files;
  std::span<const SourceTensorRecord> source_tensors;
  std::span<const PayloadFileRecord> payload_files;
  std::string_view strings;
  std::span<const ChunkRecord> chunks;
  std::span<const CompanionRecord> companions;

  bool holds(StringRef ref) const {
    return range_fits(ref.offset_bytes, ref.size_bytes, strings.size());
  }
  /// REQUIRES: holds(ref)
  std::string_view text(StringRef ref) const {
    return strings.substr(ref.offset_bytes, ref.size_bytes);
  }
};

/// Where the parts of a file lie that records point into.
struct PayloadBounds {
  uint64_t payload_offset_bytes = 0;
  uint64_t payload_size_bytes = 0;
  uint64_t exceptions_offset_bytes = 0;
  uint64_t exceptions_size_bytes = 0;
  uint64_t companion_size_bytes = 0;
};

}  // namespace imp::artifact
