#include "formats/hf/shard_index.h"

#include <nlohmann/json.hpp>
#include <optional>

#include "formats/safetensors/header.h"
#include "formats/safetensors/json_stream.h"
#include "src/base/text.h"

namespace imp::hf {
namespace {

using nlohmann::json;

/// For the parts that nobody reads ("metadata" may be anything).
constexpr size_t kMaxIndexDepth = 100;

bool is_plain_file_name(const std::string& name) {
  return !name.empty() && name != "." && name != ".." && name.find('/') == std::string::npos &&
         name.find('\\') == std::string::npos && is_clean_utf8(name);
}

class IndexSax final : public json::json_sax_t {
 public:
  explicit IndexSax(const IndexEntry& entry) : entry_(entry) {}

  bool null() override { return other_value(); }
  bool boolean(bool) override { return other_value(); }
  bool number_integer(json::number_integer_t) override { return other_value(); }
  bool number_unsigned(json::number_unsigned_t) override { return other_value(); }
  bool number_float(json::number_float_t, const std::string&) override { return other_value(); }
  bool binary(json::binary_t&) override { return other_value(); }
  bool string(std::string& shard) override;
  bool start_object(size_t) override;
  bool end_object() override;
  bool start_array(size_t) override { return other_value() && deeper(); }
  bool end_array() override;
  bool key(std::string& name) override;
  bool parse_error(size_t, const std::string&, const json::exception&) override { return false; }

  /// What the handler refused; empty if the JSON itself was malformed.
  std::optional<Error> error;
  bool has_weight_map = false;

 private:
  bool fail(ErrorKind kind, std::string message, std::string tensor = "") {
    error = Error{kind, std::move(message), "", std::move(tensor)};
    return false;
  }
  /// True where any value may stand: in the parts that nobody reads.
  bool other_value() {
    if (depth_ == 0) return fail(ErrorKind::kBadIndex, "index is no JSON object, expected one");
    if (at_weight_map_) return fail(ErrorKind::kBadIndex, "weight_map is no object, expected one");
    if (in_weight_map_)
      return fail(ErrorKind::kBadIndex, "index gives no shard name, expected a string", key_);
    return true;
  }
  bool deeper() {
    if (++depth_ <= kMaxIndexDepth) return true;
    return fail(ErrorKind::kBadIndex, "index is nested deeper than 100 levels");
  }

  const IndexEntry& entry_;
  size_t depth_ = 0;
  bool at_weight_map_ = false;  ///< the key was weight_map, the value comes next
  bool in_weight_map_ = false;
  std::string key_;
};

bool IndexSax::string(std::string& shard) {
  if (!in_weight_map_) return other_value();
  if (!is_plain_file_name(shard))
    return fail(ErrorKind::kBadIndex,
                "index names shard '" + shard.substr(0, 256) +
                    "', expected the plain name of a file in this folder",
                key_);
  Status status = entry_(key_, shard);
  if (!status.ok()) error = std::move(status).error();
  return !error;
}

bool IndexSax::start_object(size_t) {
  if (at_weight_map_) {
    at_weight_map_ = false;
    in_weight_map_ = true;
  } else if (depth_ > 0 && !other_value()) {
    return false;
  }
  return deeper();
}

bool IndexSax::end_object() {
  --depth_;
  in_weight_map_ = false;
  return true;
}

bool IndexSax::end_array() {
  --depth_;
  return true;
}

bool IndexSax::key(std::string& name) {
  if (in_weight_map_) {
    key_ = std::move(name);
  } else if (depth_ == 1 && name == "weight_map") {
    if (has_weight_map)
      return fail(ErrorKind::kDuplicateName, "weight_map occurs twice, expected once");
    has_weight_map = true;
    at_weight_map_ = true;
  }
  return true;
}

Status read_index(const ReadFile& file, const IndexEntry& entry) {
  if (file.size_bytes() > safetensors::kMaxHeaderBytes)
    return Error{ErrorKind::kBadIndex,
                 "index has " + std::to_string(file.size_bytes()) + " bytes, expected at most " +
                     std::to_string(safetensors::kMaxHeaderBytes),
                 "", ""};
  safetensors::JsonStream stream(
      [&file](uint64_t offset_bytes, MutableBytes out) { return file.read_at(offset_bytes, out); },
      0, file.size_bytes());
  IndexSax sax(entry);
  if (safetensors::parse_json(stream, sax, /*whole=*/true)) {
    if (sax.has_weight_map) return {};
    return Error{ErrorKind::kBadIndex, "index has no weight_map, expected one", "", ""};
  }
  if (stream.error()) return *stream.error();
  if (sax.error) return *std::move(sax.error);
  return Error{ErrorKind::kBadIndex,
               "index is malformed JSON before byte " + std::to_string(stream.position_bytes()) +
                   ", expected one object with a weight_map",
               "", ""};
}

}  // namespace

Status read_shard_index(const ReadFile& file, const IndexEntry& entry) {
  Status status = read_index(file, entry);
  if (!status.ok()) return std::move(status).error().in_file(file.path());
  return status;
}

}  // namespace imp::hf
