#include "src/base/result.h"

#include "src/base/text.h"

namespace imp {
namespace {

struct KindRow {
  ErrorKind kind;
  int exit;
  std::string_view name;
};

constexpr KindRow kKinds[] = {
    {ErrorKind::kInternal, 1, "internal"},
    {ErrorKind::kUsage, 2, "usage"},
    {ErrorKind::kFileExists, 2, "file_exists"},
    {ErrorKind::kTruncated, 3, "truncated"},
    {ErrorKind::kTrailingBytes, 3, "trailing_bytes"},
    {ErrorKind::kBadMagic, 3, "bad_magic"},
    {ErrorKind::kHeaderSize, 3, "header_size"},
    {ErrorKind::kHeaderSyntax, 3, "header_syntax"},
    {ErrorKind::kDuplicateName, 3, "duplicate_name"},
    {ErrorKind::kUnknownDtype, 3, "unknown_dtype"},
    {ErrorKind::kBadShape, 3, "bad_shape"},
    {ErrorKind::kHole, 3, "hole"},
    {ErrorKind::kOverlap, 3, "overlap"},
    {ErrorKind::kBadIndex, 3, "bad_index"},
    {ErrorKind::kShardConflict, 3, "shard_conflict"},
    {ErrorKind::kBadConfig, 3, "bad_config"},
    {ErrorKind::kBadChecksum, 3, "bad_checksum"},
    {ErrorKind::kBadSection, 3, "bad_section"},
    {ErrorKind::kBadRecord, 3, "bad_record"},
    {ErrorKind::kBadName, 3, "bad_name"},
    {ErrorKind::kNonZeroPadding, 3, "nonzero_padding"},
    {ErrorKind::kUnsupportedFormat, 4, "unsupported_format"},
    {ErrorKind::kUnsupportedScheme, 4, "unsupported_scheme"},
    {ErrorKind::kUnsupportedArchitecture, 4, "unsupported_architecture"},
    {ErrorKind::kUnsupportedVersion, 4, "unsupported_version"},
    {ErrorKind::kUnsupportedLayout, 4, "unsupported_layout"},
    {ErrorKind::kUnknownTensor, 4, "unknown_tensor"},
    {ErrorKind::kMissingTensor, 4, "missing_tensor"},
    {ErrorKind::kShapeMismatch, 4, "shape_mismatch"},
    {ErrorKind::kBadScale, 4, "bad_scale"},
    {ErrorKind::kDigestMismatch, 5, "digest_mismatch"},
    {ErrorKind::kInverseMismatch, 5, "inverse_mismatch"},
    {ErrorKind::kNumericsMismatch, 5, "numerics_mismatch"},
    {ErrorKind::kSourceMismatch, 5, "source_mismatch"},
    {ErrorKind::kControlNotDetected, 5, "control_not_detected"},
    {ErrorKind::kNoFormForTarget, 6, "no_form_for_target"},
    {ErrorKind::kNoDevice, 6, "no_device"},
    {ErrorKind::kIo, 7, "io"},
    {ErrorKind::kNoSpace, 7, "no_space"},
    {ErrorKind::kInterrupted, 130, "interrupted"},
};

const KindRow& row_of(ErrorKind kind) {
  for (const KindRow& row : kKinds)
    if (row.kind == kind) return row;
  return kKinds[0];
}

}  // namespace

int exit_code(ErrorKind kind) { return row_of(kind).exit; }

std::string_view error_kind_name(ErrorKind kind) { return row_of(kind).name; }

std::string Error::to_line() const {
  std::string line;
  if (!file.empty()) line += printable(file) + ": ";
  if (!tensor.empty()) line += "tensor '" + printable(tensor) + "': ";
  return line + printable(message);
}

}  // namespace imp
