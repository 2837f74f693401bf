#include "formats/hf/json_file.h"

#include <algorithm>
#include <string>
#include <string_view>
#include <system_error>

#include "src/base/file.h"

namespace imp::hf {
namespace {

using nlohmann::json;

/// Upper bound of the nesting depth, found before the parser builds anything.
size_t bracket_depth(std::string_view text) {
  size_t depth = 0;
  size_t deepest = 0;
  bool in_string = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string && c == '\\') {
      ++i;
    } else if (c == '"') {
      in_string = !in_string;
    } else if (!in_string && (c == '{' || c == '[')) {
      deepest = std::max(deepest, ++depth);
    } else if (!in_string && (c == '}' || c == ']') && depth > 0) {
      --depth;
    }
  }
  return deepest;
}

Result<json> parse_object(const std::string& text) {
  if (bracket_depth(text) > kMaxConfigDepth)
    return Error{ErrorKind::kBadConfig,
                 "is nested deeper than " + std::to_string(kMaxConfigDepth) + " levels", "", ""};
  try {
    json value = json::parse(text);
    if (value.is_object()) return value;
    return Error{ErrorKind::kBadConfig,
                 std::string("holds a JSON ") + value.type_name() + ", expected an object", "", ""};
  } catch (const json::exception& parse_error) {
    // what() quotes the last token, which may be as long as the file.
    return Error{
        ErrorKind::kBadConfig,
        "is not JSON: " + std::string(parse_error.what()).substr(0, 200) + "; expected an object",
        "", ""};
  }
}

}  // namespace

Result<std::optional<json>> read_json_object(const std::filesystem::path& path) {
  std::error_code error;
  const auto link_status = std::filesystem::symlink_status(path, error);
  if (link_status.type() == std::filesystem::file_type::not_found) return std::optional<json>();
  if (!std::filesystem::is_regular_file(path, error))
    return Error{ErrorKind::kIo, "is a folder, a broken link or a special file, expected a file",
                 path.string(), ""};
  Result<std::string> text = read_small_file(path, kMaxConfigBytes);
  if (!text.ok()) {
    Error refused = std::move(text).error();
    if (refused.kind == ErrorKind::kHeaderSize) refused.kind = ErrorKind::kBadConfig;
    return refused;
  }
  Result<json> value = parse_object(*text);
  if (!value.ok()) return std::move(value).error().in_file(path.string());
  return std::optional<json>(std::move(value).take());
}

}  // namespace imp::hf
