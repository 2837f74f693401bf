// One GGUF file: its metadata and the place of each tensor, checked as a whole before anything is
// derived from it. Rules: formats/gguf/SPEC.md. Names and bytes only; what they mean is src/model's
// business.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "src/base/file.h"
#include "src/base/ggml_type.h"
#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::gguf {

/// Ids as in the file.
enum class ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

/// A value, or an array of them.
struct Value {
  ValueType type = ValueType::kU8;  ///< of the elements where it is an array
  bool is_array = false;
  uint64_t count = 1;
  std::vector<std::byte> numbers;    ///< little-endian, back to back; a bool is a byte of 0 or 1
  std::vector<std::string> strings;  ///< raw bytes, UTF-8 or not

  /// Element `i` as an integer; nullopt for floats, strings, bools, and negative numbers.
  std::optional<uint64_t> as_uint(uint64_t i = 0) const;
  /// Any number but a bool.
  std::optional<double> as_double(uint64_t i = 0) const;
  std::optional<bool> as_bool(uint64_t i = 0) const;
  /// Of a string; nullopt for the rest.
  std::optional<std::string_view> as_string(uint64_t i = 0) const;
};

struct KeyValue {
  std::string key;
  Value value;
};

struct TensorInfo {
  std::string name;
  GgmlType type = GgmlType::kF32;
  uint32_t n_dims = 1;                        ///< 1..4
  std::array<uint64_t, 4> ne = {1, 1, 1, 1};  ///< contiguous axis first; unused ones are 1
  uint64_t offset_bytes = 0;                  ///< from the start of the file
  uint64_t size_bytes = 0;
};

struct Header {
  uint32_t version = 3;
  bool big_endian = false;  ///< of the file; `metadata` is in this machine's terms all the same
  uint64_t alignment_bytes = 32;
  std::vector<KeyValue> metadata;   ///< in file order
  std::vector<TensorInfo> tensors;  ///< in file order of their infos
  uint64_t data_offset_bytes = 0;   ///< start of the data section

  /// nullptr if there is no such key.
  const Value* find(std::string_view key) const;
};

/// Read and check the header of `file`: every limit and the order of checks of SPEC.md, so that
/// afterwards each tensor's range lies inside the file and overlaps no other. Oddities that harm
/// nothing (gaps, trailing bytes, a small alignment, unusual key characters) are warned about.
/// `alignment_bytes` replaces general.alignment (a shard other than the first takes the first's).
/// Errors: kBadMagic, kUnsupportedVersion, kTruncated, kHeaderSize, kHeaderSyntax, kBadName,
/// kDuplicateName, kUnknownDtype (an id that is no type of a stored tensor), kBadShape, kOverlap,
/// kUnsupportedFormat (nested arrays), kIo; the message says where in the file.
Result<Header> read_header(const ReadFile& file, Log& log,
                           std::optional<uint64_t> alignment_bytes = std::nullopt);
/// The same of a whole file in memory; errors name no file.
Result<Header> read_header(Bytes file, Log& log,
                           std::optional<uint64_t> alignment_bytes = std::nullopt);

}  // namespace imp::gguf
