#include "src/unpack/companions.h"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "formats/hf/json_file.h"
#include "src/model/gguf_manifest.h"

namespace imp::unpack {
namespace {

using artifact::CompanionRecord;
using artifact::Reader;
using nlohmann::ordered_json;

/// Frames of GGUF files mean nothing without them.
bool is_frame(const Reader& reader, std::string_view name) {
  return std::ranges::any_of(reader.source_files(), [&](const artifact::SourceFileRecord& file) {
    return name == model::frame_name(reader.string(file.name));
  });
}

bool is_left_out(const Reader& reader, std::string_view name, CompanionUse use) {
  return (use == CompanionUse::kUnquantized && name == "hf_quant_config.json") ||
         is_frame(reader, name);
}

}  // namespace

Status claim_companions(const Reader& reader, CompanionUse use, OutputFolder& folder) {
  for (const CompanionRecord& companion : reader.companions())
    if (!is_left_out(reader, reader.string(companion.name), use))
      IMP_TRY(folder.claim(reader.string(companion.name)));
  return {};
}

Status write_companions(const Reader& reader, CompanionUse use, OutputFolder& folder) {
  for (const CompanionRecord& companion : reader.companions()) {
    const std::string name(reader.string(companion.name));
    if (is_left_out(reader, name, use)) continue;
    IMP_ASSIGN(std::string bytes, reader.read_companion(companion));
    if (use == CompanionUse::kUnquantized && name == "config.json") {
      Result<std::string> config = without_quantization(bytes);
      if (!config.ok()) return std::move(config).error().in_file(reader.path());
      bytes = std::move(config).take();
    }
    IMP_TRY(folder.write_whole(name, bytes));
  }
  return {};
}

Result<std::string> without_quantization(const std::string& config) {
  // What lies too deep is dropped while it is parsed, so that nothing recurses into it.
  bool shallow = true;
  ordered_json object = ordered_json::parse(
      config,
      [&](int depth, ordered_json::parse_event_t, ordered_json&) {
        const bool keep = depth <= static_cast<int>(hf::kMaxConfigDepth);
        shallow = shallow && keep;
        return keep;
      },
      false);
  if (!shallow || !object.is_object())
    return Error{ErrorKind::kBadConfig,
                 "companion 'config.json' is not a JSON object of at most " +
                     std::to_string(hf::kMaxConfigDepth) + " levels",
                 "", ""};
  if (object.erase("quantization_config") == 0) return config;
  return object.dump(2) + "\n";
}

}  // namespace imp::unpack
