// Errors as values: one closed list of kinds, each with a place and a sentence.
//
// A function that can fail for a reason outside the program returns Result<T> (or Status).
// Programmer errors are asserts. Kinds decide the exit code of the tools (exit_code()).
#pragma once

#include <cassert>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace imp {

/// Every way in which a tool can refuse. Closed: a new refusal is a new kind or fits one of these.
enum class ErrorKind : uint8_t {
  // exit 1
  kInternal,
  // exit 2
  kUsage,
  kFileExists,  ///< output exists and may not be overwritten
  // exit 3: bytes that break a container's rules
  kTruncated,       ///< the file ends before what its header promises
  kTrailingBytes,   ///< bytes after the last thing the header names
  kBadMagic,        ///< not this format, or damaged by a text-mode transfer
  kHeaderSize,      ///< a header size that the file cannot back or that exceeds the format's cap
  kHeaderSyntax,    ///< header is not the JSON the format asks for
  kDuplicateName,   ///< one name twice
  kUnknownDtype,    ///< a dtype the container does not define
  kBadShape,        ///< shape overflows, or shape x dtype is not the byte range
  kHole,            ///< bytes between tensors that no tensor owns
  kOverlap,         ///< two tensors own one byte
  kBadIndex,        ///< shard index contradicts the shards
  kShardConflict,   ///< one tensor in two shards with different bytes
  kBadConfig,       ///< config.json or its kin is not JSON of the expected form
  kBadChecksum,     ///< header, section or record bytes do not match their checksum
  kBadSection,      ///< a section that lies outside the file, overlaps, is missing or repeated
  kBadRecord,       ///< an index record that points outside its table or contradicts itself
  kBadName,         ///< a name that is empty, too long, not UTF-8 or holds control characters
  kNonZeroPadding,  ///< padding that must be zero is not
  // exit 4: readable, but not supported or not safe to convert
  kUnsupportedFormat,
  kUnsupportedScheme,
  kUnsupportedArchitecture,
  kUnsupportedVersion,
  kUnsupportedLayout,
  kUnknownTensor,  ///< a tensor whose name or suffix has no meaning here
  kMissingTensor,  ///< a tensor that the others need is not there
  kShapeMismatch,  ///< tensors of one module whose shapes do not fit together
  kBadScale,       ///< NaN, infinite or negative scale
  // exit 5: verify found a difference
  kDigestMismatch,
  kInverseMismatch,
  kNumericsMismatch,
  kSourceMismatch,
  kControlNotDetected,  ///< damage that a negative control made was not seen
  // exit 6
  kNoFormForTarget,
  kNoDevice,
  // exit 7
  kIo,
  kNoSpace,
  // exit 130
  kInterrupted,
};

/// Exit code of a tool that ends with an error of this kind.
int exit_code(ErrorKind kind);
/// Stable lower-case name, e.g. "bad_scale" (used by --json).
std::string_view error_kind_name(ErrorKind kind);

struct Error {
  ErrorKind kind = ErrorKind::kInternal;
  std::string message;  ///< what is, what was expected; no file and tensor in it
  std::string file;     ///< path as the user gave it, or empty
  std::string tensor;   ///< tensor or operand name, or empty

  /// "FILE: tensor 'NAME': message", parts that are empty left out; control characters escaped.
  std::string to_line() const;
  Error&& in_file(std::string path) && {
    if (file.empty()) file = std::move(path);
    return std::move(*this);
  }
};

template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value)
      : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  /// REQUIRES: ok()
  T& operator*() & { return std::get<0>(state_); }
  const T& operator*() const& { return std::get<0>(state_); }
  T* operator->() { return &std::get<0>(state_); }
  const T* operator->() const { return &std::get<0>(state_); }
  T take() && { return std::move(std::get<0>(state_)); }
  /// REQUIRES: !ok()
  const Error& error() const& { return std::get<1>(state_); }
  Error error() && { return std::move(std::get<1>(state_)); }

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT
  bool ok() const { return !error_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Error& error() const& { return *error_; }
  Error error() && { return std::move(*error_); }

 private:
  std::optional<Error> error_;
};

using Status = Result<void>;

}  // namespace imp

#define IMP_CONCAT_INNER(a, b) a##b
#define IMP_CONCAT(a, b) IMP_CONCAT_INNER(a, b)
/// Return the error of `expr` (a Status) from the enclosing function.
#define IMP_TRY(expr)                                             \
  do {                                                            \
    auto imp_status_ = (expr);                                    \
    if (!imp_status_.ok()) return std::move(imp_status_).error(); \
  } while (0)
#define IMP_ASSIGN_IMPL(tmp, lhs, expr)         \
  auto tmp = (expr);                            \
  if (!tmp.ok()) return std::move(tmp).error(); \
  lhs = std::move(tmp).take()
/// Declare or assign `lhs` from a Result, or return its error.
#define IMP_ASSIGN(lhs, expr) IMP_ASSIGN_IMPL(IMP_CONCAT(imp_result_, __LINE__), lhs, expr)
