#include "formats/safetensors/header_json.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>

#include "src/base/checked.h"
#include "src/base/text.h"

namespace imp::safetensors {
namespace {

using nlohmann::json;

constexpr std::string_view kMetadataKey = "__metadata__";
/// Ours: longer names help nobody, and each is held in memory.
constexpr size_t kMaxNameBytes = 64u << 10;

/// Where in the document the parser is. Anything that has no place is refused, hence the nesting
/// depth is limited to three.
enum class Place { kStart, kRoot, kMetadata, kEntry, kShape, kOffsets, kEnd };
enum class Field { kNone, kDtype, kShape, kOffsets };

class HeaderSax final : public json::json_sax_t {
 public:
  bool null() override { return wrong_type("null"); }
  bool boolean(bool) override { return wrong_type("a boolean"); }
  bool number_integer(json::number_integer_t) override { return wrong_type("a negative number"); }
  bool number_unsigned(json::number_unsigned_t value) override;
  bool number_float(json::number_float_t, const std::string&) override {
    return wrong_type("a fraction or a number above 64 bits");
  }
  bool string(std::string& value) override;
  bool binary(json::binary_t&) override { return wrong_type("binary"); }
  bool start_object(size_t) override;
  bool key(std::string& name) override;
  bool end_object() override;
  bool start_array(size_t) override;
  bool end_array() override;
  bool parse_error(size_t, const std::string&, const json::exception&) override { return false; }

  /// What the handler refused; empty if the JSON itself was malformed.
  std::optional<Error> error;
  Header header;
  /// The entry the parser is in, for messages.
  const std::string& entry_name() const { return entry_.name; }

 private:
  bool fail(ErrorKind kind, std::string message) {
    error = Error{kind, std::move(message), "", entry_.name};
    return false;
  }
  bool wrong_type(const std::string& what_is);
  bool begin_entry(std::string& name);
  bool begin_field(const std::string& name);
  bool add_dim(uint64_t value);
  bool add_offset(uint64_t value);
  bool finish_entry();
  bool finish_metadata();
  bool entry_is_metadata() const { return entry_.name == kMetadataKey; }

  Place place_ = Place::kStart;
  Field field_ = Field::kNone;
  TensorInfo entry_;
  bool has_dtype_ = false;
  bool has_shape_ = false;
  bool has_offsets_ = false;
  std::array<uint64_t, 2> offsets_{};
  size_t num_offsets_ = 0;
};

bool HeaderSax::wrong_type(const std::string& what_is) {
  auto refuse = [&](std::string_view where, std::string_view expected) {
    return fail(ErrorKind::kHeaderSyntax,
                std::string(where) + " is " + what_is + ", expected " + std::string(expected));
  };
  switch (place_) {
    case Place::kRoot:
      return entry_is_metadata() ? refuse("value", "an object of strings")
                                 : refuse("entry", "an object with dtype, shape and data_offsets");
    case Place::kMetadata:
      return refuse("value of '" + header.metadata.back().first + "'", "a string");
    case Place::kEntry:
      if (field_ == Field::kDtype) return refuse("dtype", "a string");
      if (field_ == Field::kShape) return refuse("shape", "an array of unsigned integers");
      return refuse("data_offsets", "an array of two unsigned integers");
    case Place::kShape:
      return refuse("element of shape", "an unsigned 64-bit integer");
    case Place::kOffsets:
      return refuse("element of data_offsets", "an unsigned 64-bit integer");
    case Place::kStart:
    case Place::kEnd:
      break;
  }
  return refuse("header", "an object");
}

bool HeaderSax::number_unsigned(json::number_unsigned_t value) {
  if (place_ == Place::kShape) return add_dim(value);
  if (place_ == Place::kOffsets) return add_offset(value);
  return wrong_type("a number");
}

bool HeaderSax::string(std::string& value) {
  if (place_ == Place::kMetadata) {
    header.metadata.back().second = std::move(value);
    return true;
  }
  if (place_ != Place::kEntry || field_ != Field::kDtype) return wrong_type("a string");
  const std::optional<Dtype> dtype = dtype_from_name(value);
  if (!dtype)
    return fail(ErrorKind::kUnknownDtype,
                "dtype is '" + value.substr(0, 64) + "', expected one of the format's 22 dtypes");
  entry_.dtype = *dtype;
  return true;
}

bool HeaderSax::start_object(size_t) {
  if (place_ == Place::kStart) {
    place_ = Place::kRoot;
    return true;
  }
  if (place_ != Place::kRoot) return wrong_type("an object");
  place_ = entry_is_metadata() ? Place::kMetadata : Place::kEntry;
  return true;
}

bool HeaderSax::key(std::string& name) {
  if (place_ == Place::kRoot) return begin_entry(name);
  if (place_ == Place::kEntry) return begin_field(name);
  header.metadata.emplace_back(std::move(name), std::string());
  return true;
}

bool HeaderSax::begin_entry(std::string& name) {
  entry_ = TensorInfo{};
  has_dtype_ = has_shape_ = has_offsets_ = false;
  num_offsets_ = 0;
  if (name == kMetadataKey) {
    entry_.name = kMetadataKey;
    if (header.has_metadata) return fail(ErrorKind::kDuplicateName, "occurs twice, expected once");
    header.has_metadata = true;
    return true;
  }
  if (name.size() > kMaxNameBytes || name.empty() || !is_clean_utf8(name)) {
    entry_.name = name.substr(0, 64);
    return fail(ErrorKind::kBadName, "name has " + std::to_string(name.size()) +
                                         " bytes, expected 1 to 65536 without control characters");
  }
  entry_.name = std::move(name);
  return true;
}

bool HeaderSax::begin_field(const std::string& name) {
  bool* seen = nullptr;
  if (name == "dtype") {
    field_ = Field::kDtype;
    seen = &has_dtype_;
  } else if (name == "shape") {
    field_ = Field::kShape;
    seen = &has_shape_;
  } else if (name == "data_offsets") {
    field_ = Field::kOffsets;
    seen = &has_offsets_;
  } else {
    return fail(ErrorKind::kHeaderSyntax, "entry has a key '" + name.substr(0, 64) +
                                              "', expected dtype, shape and data_offsets only");
  }
  if (*seen)
    return fail(ErrorKind::kDuplicateName, "entry has '" + name + "' twice, expected once");
  *seen = true;
  return true;
}

bool HeaderSax::start_array(size_t) {
  if (place_ == Place::kEntry && field_ == Field::kShape) {
    place_ = Place::kShape;
  } else if (place_ == Place::kEntry && field_ == Field::kOffsets) {
    place_ = Place::kOffsets;
  } else {
    return wrong_type("an array");
  }
  return true;
}

bool HeaderSax::end_array() {
  if (place_ == Place::kOffsets && num_offsets_ != 2)
    return fail(ErrorKind::kHeaderSyntax,
                "data_offsets has " + std::to_string(num_offsets_) + " elements, expected 2");
  place_ = Place::kEntry;
  return true;
}

bool HeaderSax::add_dim(uint64_t value) {
  Shape& shape = entry_.shape;
  if (shape.rank == kMaxRank)
    return fail(ErrorKind::kUnsupportedFormat,
                "shape has more than " + std::to_string(kMaxRank) + " dimensions");
  shape.dims[shape.rank++] = value;
  return true;
}

bool HeaderSax::add_offset(uint64_t value) {
  if (num_offsets_ == 2)
    return fail(ErrorKind::kHeaderSyntax, "data_offsets has more than 2 elements, expected 2");
  offsets_[num_offsets_++] = value;
  return true;
}

bool HeaderSax::end_object() {
  if (place_ == Place::kEntry && !finish_entry()) return false;
  if (place_ == Place::kMetadata && !finish_metadata()) return false;
  place_ = place_ == Place::kRoot ? Place::kEnd : Place::kRoot;
  return true;
}

bool HeaderSax::finish_entry() {
  if (!has_dtype_ || !has_shape_ || !has_offsets_) {
    const char* missing = !has_dtype_ ? "dtype" : !has_shape_ ? "shape" : "data_offsets";
    return fail(ErrorKind::kHeaderSyntax, std::string("entry has no ") + missing +
                                              ", expected dtype, shape and data_offsets");
  }
  const auto [begin, end] = offsets_;
  if (begin > end)
    return fail(ErrorKind::kBadShape, "data_offsets are " + std::to_string(begin) + ", " +
                                          std::to_string(end) + ", expected begin <= end");
  const std::string what =
      "shape " + entry_.shape.to_string() + " of " + std::string(dtype_name(entry_.dtype));
  const std::optional<uint64_t> num_elems = entry_.shape.num_elems();
  const std::optional<uint64_t> num_bits =
      num_elems ? checked_mul(*num_elems, dtype_bits(entry_.dtype)) : std::nullopt;
  if (!num_bits)
    return fail(ErrorKind::kBadShape, what + " overflows, expected less than 2^64 bits");
  if (*num_bits % 8 != 0)
    return fail(ErrorKind::kBadShape,
                what + " is " + std::to_string(*num_bits) + " bits, expected whole bytes");
  if (*num_bits / 8 != end - begin)
    return fail(ErrorKind::kBadShape, what + " is " + std::to_string(*num_bits / 8) +
                                          " bytes, data_offsets give " +
                                          std::to_string(end - begin));
  entry_.offset_bytes = begin;
  entry_.size_bytes = end - begin;
  header.tensors.push_back(std::move(entry_));
  return true;
}

bool HeaderSax::finish_metadata() {
  std::vector<std::string_view> keys;
  keys.reserve(header.metadata.size());
  for (const auto& [name, value] : header.metadata) keys.push_back(name);
  std::sort(keys.begin(), keys.end());
  const auto twice = std::adjacent_find(keys.begin(), keys.end());
  if (twice == keys.end()) {
    entry_.name.clear();
    return true;
  }
  return fail(ErrorKind::kDuplicateName,
              "key '" + std::string(twice->substr(0, 64)) + "' occurs twice, expected once");
}

}  // namespace

Result<Header> parse_header_json(JsonStream& stream) {
  HeaderSax sax;
  if (parse_json(stream, sax, /*whole=*/false)) return std::move(sax.header);
  if (stream.error()) return *stream.error();
  if (sax.error) return *std::move(sax.error);
  return Error{ErrorKind::kHeaderSyntax,
               "JSON is malformed before byte " + std::to_string(stream.position_bytes()) +
                   " of the file, expected one object of tensor entries",
               "", sax.entry_name()};
}

}  // namespace imp::safetensors
