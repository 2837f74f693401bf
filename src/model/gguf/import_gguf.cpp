#include "src/model/gguf/import_gguf.h"

#include <algorithm>
#include <set>
#include <tuple>
#include <utility>

#include "formats/gguf/checkpoint.h"
#include "src/model/gguf/as_is.h"
#include "src/model/gguf/facts.h"
#include "src/model/gguf/frames.h"
#include "src/model/gguf/hub_config.h"
#include "src/model/gguf/hub_tensors.h"
#include "src/model/gguf/metadata.h"
#include "src/model/gguf/stored_modules.h"
#include "src/model/gguf/view_writer.h"

namespace imp::model {
namespace {

/// Layout of the blocks since 2023; the value is in every quantized file of today.
constexpr uint64_t kQuantizationVersion = 2;

Shape shape_of(const gguf::TensorInfo& info) {
  Shape shape;
  for (uint32_t i = info.n_dims; i > 0; --i) shape.dims[shape.rank++] = info.ne[i - 1];
  return shape;
}

/// Takes the file handles.
Source take_stored(gguf::Checkpoint& checkpoint) {
  Source source;
  source.folder = checkpoint.folder;
  for (uint32_t file = 0; file < checkpoint.shards.size(); ++file) {
    gguf::Shard& shard = checkpoint.shards[file];
    for (const gguf::TensorInfo& info : shard.header.tensors)
      source.stored.push_back(
          {info.name, file, info.type, shape_of(info), info.offset_bytes, info.size_bytes});
    source.files.push_back({shard.name, std::move(shard.handle), false, {}});
    source.big_endian = shard.header.big_endian;
  }
  std::sort(source.stored.begin(), source.stored.end(),
            [](const StoredTensor& a, const StoredTensor& b) {
              return std::tie(a.file, a.offset_bytes) < std::tie(b.file, b.offset_bytes);
            });
  return source;
}

std::string types_of(const Source& source) {
  std::set<GgmlType> types;
  for (const StoredTensor& tensor : source.stored)
    if (is_blocks(tensor.type)) types.insert(tensor.type);
  std::string text;
  for (const GgmlType type : types)
    text += (text.empty() ? "" : ", ") + std::string(ggml_type_info(type).name);
  return text;
}

Status check_is_model(const Metadata& metadata, bool has_blocks) {
  if (const gguf::Value* type = metadata.header().find("general.type")) {
    const std::string word(type->as_string().value_or(""));
    if (word != "model")
      return Error{ErrorKind::kUnsupportedFormat,
                   "general.type is '" + word + "', expected 'model': only whole models are read",
                   metadata.file(), ""};
  }
  const gguf::Value* version = metadata.header().find("general.quantization_version");
  if (version == nullptr || !has_blocks || version->as_uint() == kQuantizationVersion) return {};
  return Error{ErrorKind::kUnsupportedVersion,
               "general.quantization_version is not " + std::to_string(kQuantizationVersion) +
                   ": blocks of other versions have other layouts",
               metadata.file(), ""};
}

/// Early conversions of Llama 3.1 lack the factors of its long context (gguf.md, 5.4).
void warn_of_rope(const Metadata& metadata, const Facts& facts, const Source& source, Log& log) {
  const gguf::Value* context = metadata.find("context_length");
  const gguf::Value* base = metadata.find("rope.freq_base");
  if (facts.family->name != "llama" || context == nullptr || base == nullptr) return;
  if (context->as_uint().value_or(0) < 131072 || base->as_double() != 500000.0) return;
  const bool held =
      std::any_of(source.stored.begin(), source.stored.end(),
                  [](const StoredTensor& t) { return t.name == "rope_freqs.weight"; });
  if (!held)
    log.warn(
        "looks like Llama 3.1 or later, but rope_freqs.weight is missing: made by an early "
        "converter, the rotation of long contexts is lost");
}

nlohmann::json as_is_config() { return {{"architectures", {"gguf"}}, {"model_type", "gguf"}}; }

void add_companion(Source& source, std::string name, std::string bytes) {
  source.companions.push_back(name);
  source.made_companions.emplace_back(std::move(name), std::move(bytes));
}

void add_companions(const Metadata& metadata, const nlohmann::json& config, Source& source) {
  const auto text = [&](const char* key) -> std::optional<std::string> {
    const gguf::Value* value = metadata.header().find(key);
    if (value == nullptr || value->is_array || !value->as_string()) return std::nullopt;
    return std::string(*value->as_string());
  };
  if (auto chat = text("tokenizer.chat_template"))
    add_companion(source, "chat_template.jinja", std::move(*chat));
  // Names and tokens of a file can be bytes that are no text.
  add_companion(source, "config.json",
                config.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  if (auto tokenizer = text("tokenizer.huggingface.json"))
    add_companion(source, "tokenizer.json", std::move(*tokenizer));
}

Result<nlohmann::json> as_hub(const Metadata& metadata, const ImportOptions& options,
                              ViewWriter& writer, Log& log) {
  IMP_ASSIGN(const Facts facts, read_facts(metadata));
  IMP_ASSIGN(const StoredModules stored, sort_stored(writer.source(), facts.blocks));
  if (options.assume_unpermuted_qk && !facts.family->permuted)
    log.note("rows of q and k of architecture '" + std::string(facts.family->name) +
             "' are never permuted; --assume-unpermuted-qk changes nothing");
  warn_of_rope(metadata, facts, writer.source(), log);
  IMP_TRY(add_hub_tensors(facts, stored, options, writer, log));
  return hub_config(metadata, facts, stored, writer.source());
}

}  // namespace

Result<GgufSource> read_gguf_source(const std::filesystem::path& path, const ImportOptions& options,
                                    Log& log) {
  IMP_ASSIGN(gguf::Checkpoint checkpoint, gguf::open_checkpoint(path, log));
  GgufSource out;
  out.source = take_stored(checkpoint);
  out.types = types_of(out.source);
  const Metadata metadata(checkpoint.shards.front().header, out.source.files.front().handle.path());
  IMP_TRY(check_is_model(metadata, !out.types.empty()));
  ViewWriter writer(out.source);
  if (options.as_is) {
    IMP_TRY(add_as_is(writer));
    out.config = as_is_config();
    IMP_ASSIGN(out.config["gguf"], gguf_member(metadata, out.source));
  } else {
    IMP_ASSIGN(out.config, as_hub(metadata, options, writer, log));
  }
  writer.finish();
  add_companions(metadata, out.config, out.source);
  IMP_TRY(add_frames(checkpoint, out.source, log));
  return out;
}

}  // namespace imp::model
