#include "src/inspect/manifest.h"

#include <fmt/format.h>

#include <utility>

namespace imp::inspect {
namespace {

using artifact::Reader;
using nlohmann::ordered_json;

constexpr int kMaxDepth = 32;

std::string string_at(const ordered_json& object, const char* key) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

/// A number to so many digits; JSON has no infinite ones and writes null for them.
std::string number_at(const ordered_json& object, const char* key, int digits) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  if (it == object.end()) return "?";
  if (it->is_null()) return "infinite";
  return it->is_number() ? fmt::format("{:.{}g}", it->get<double>(), digits) : "?";
}

/// "block_scale_bytes": pairs of a byte and a count; anything else in it empties the list.
std::vector<std::pair<uint8_t, uint64_t>> scale_bytes(const ordered_json& json) {
  std::vector<std::pair<uint8_t, uint64_t>> list;
  const auto pairs = json.find("block_scale_bytes");
  if (pairs == json.end() || !pairs->is_array()) return list;
  for (const ordered_json& pair : *pairs) {
    if (!pair.is_array() || pair.size() != 2 || !pair[0].is_number_unsigned() ||
        !pair[1].is_number_unsigned() || pair[0].get<uint64_t>() > 0xFF)
      return {};
    list.emplace_back(pair[0].get<uint8_t>(), pair[1].get<uint64_t>());
  }
  return list;
}

/// One entry of "operands": layout names, which the index has as numbers, and the remark on fusion.
void take_operand(const Reader& reader, const ordered_json& json, Manifest& manifest) {
  const auto operand = reader.find_operand(string_at(json, "name"));
  if (!operand) return;
  if (std::string fusion = string_at(json, "fusion"); !fusion.empty())
    manifest.fusion[*operand] = std::move(fusion);
  if (auto list = scale_bytes(json); !list.empty())
    manifest.block_scale_bytes[*operand] = std::move(list);
  const auto forms = reader.forms_of(reader.operands()[*operand]);
  const auto names = json.find("forms");
  if (names == json.end() || !names->is_array() || names->size() != forms.size()) return;
  for (size_t i = 0; i < forms.size(); ++i)
    if (std::string name = string_at((*names)[i], "layout"); !name.empty())
      manifest.layout_names.emplace(forms[i].layout, std::move(name));
}

}  // namespace

Result<Manifest> read_manifest(const Reader& reader) {
  IMP_ASSIGN(const std::string text, reader.read_manifest());
  Manifest manifest;
  std::string top_key;
  bool shallow = true;
  // Operands, the long list, are looked at and dropped one by one.
  const auto on_event = [&](int depth, ordered_json::parse_event_t event, ordered_json& value) {
    if (depth > kMaxDepth) shallow = false;
    if (event == ordered_json::parse_event_t::key && depth == 1) {
      top_key = value.get<std::string>();
      if (top_key == "gguf") return false;  // a list of every tensor, for imp-unpack
    }
    if (depth == 2 && event == ordered_json::parse_event_t::object_end && top_key == "operands") {
      take_operand(reader, value, manifest);
      return false;
    }
    return depth <= kMaxDepth;
  };
  manifest.head = ordered_json::parse(text, on_event, false);
  if (!shallow || !manifest.head.is_object())
    return Error{ErrorKind::kBadSection,
                 "section manifest: is not a JSON object of at most 32 levels", reader.path(), ""};
  manifest.head.erase("operands");
  return manifest;
}

std::vector<std::string> Manifest::transcoded() const {
  std::vector<std::string> lines;
  const auto list = head.find("transcoded");
  if (list == head.end() || !list->is_array()) return lines;
  for (const ordered_json& weight : *list)
    lines.push_back(string_at(weight, "module") + ": " + string_at(weight, "from") + " to " +
                    string_at(weight, "to") + ", relative RMS error " +
                    number_at(weight, "relative_rms_error", 3) + ", SNR " +
                    number_at(weight, "snr_db", 4) + " dB, largest error " +
                    number_at(weight, "max_error", 3));
  return lines;
}

std::string Manifest::layout_name(uint16_t layout) const {
  const auto it = layout_names.find(layout);
  return it != layout_names.end() ? it->second : "layout " + std::to_string(layout);
}

std::string Manifest::text(std::initializer_list<const char*> keys) const {
  const ordered_json* at = &head;
  for (const char* key : keys) {
    const auto it = at->is_object() ? at->find(key) : at->end();
    if (it == at->end()) return "?";
    at = &*it;
  }
  if (at->is_string()) return at->get<std::string>();
  if (!at->is_array()) return at->dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  std::string list;
  for (const ordered_json& item : *at)
    list +=
        (list.empty() ? "" : " ") + (item.is_string() ? item.get<std::string>() : std::string("?"));
  return list.empty() ? "none" : list;
}

}  // namespace imp::inspect
