#include "src/model/gguf/stored_modules.h"

#include <charconv>
#include <utility>

namespace imp::model {
namespace {

struct Ending {
  std::string_view text;
  uint32_t StoredModule::*slot;
};

// Where one ends another, the longer is first.
constexpr Ending kEndings[] = {
    {".weight.input_scale", &StoredModule::input_scale},
    {".weight.scale", &StoredModule::scale},
    {".input_scale", &StoredModule::input_scale},
    {".weight", &StoredModule::weight},
    {".scale", &StoredModule::scale},
    {".bias", &StoredModule::bias},
};

constexpr std::string_view kBlock = "blk.";

/// Take "N." off a name; false for another form of number.
bool take_block(std::string_view& name, uint32_t& block) {
  const char* end = name.data() + name.size();
  const auto [next, error] = std::from_chars(name.data(), end, block);
  if (error != std::errc{} || next == end || *next != '.') return false;
  // "00" would be a second name of block 0.
  if (name.front() == '0' && next - name.data() > 1) return false;
  name.remove_prefix(static_cast<size_t>(next - name.data()) + 1);
  return !name.empty();
}

Status add(const Source& source, uint32_t stored, std::string_view name, StoredBlock& block) {
  uint32_t StoredModule::*slot = &StoredModule::weight;
  for (const Ending& ending : kEndings) {
    if (name.size() <= ending.text.size() || !name.ends_with(ending.text)) continue;
    slot = ending.slot;
    name.remove_suffix(ending.text.size());
    break;
  }
  uint32_t& place = block[std::string(name)].*slot;
  if (place != kNone)
    return stored_error(source, stored, ErrorKind::kDuplicateName,
                        "means the same as tensor '" + source.stored[place].name + "'");
  place = stored;
  return {};
}

}  // namespace

Error stored_error(const Source& source, uint32_t stored, ErrorKind kind, std::string message) {
  const StoredTensor& tensor = source.stored[stored];
  return Error{kind, std::move(message), source.files[tensor.file].handle.path(), tensor.name};
}

std::string stored_text(const StoredTensor& tensor) {
  return std::string(ggml_type_info(tensor.type).name) + " " + tensor.shape.to_string();
}

bool is_tied(const StoredModules& stored) {
  const auto output = stored.top.find("output");
  return output == stored.top.end() || output->second.weight == kNone;
}

Result<StoredModules> sort_stored(const Source& source, uint64_t num_blocks) {
  StoredModules modules;
  for (uint32_t i = 0; i < source.stored.size(); ++i) {
    std::string_view name = source.stored[i].name;
    if (!name.starts_with(kBlock)) {
      IMP_TRY(add(source, i, name, modules.top));
      continue;
    }
    name.remove_prefix(kBlock.size());
    uint32_t block = 0;
    if (!take_block(name, block))
      return stored_error(source, i, ErrorKind::kUnknownTensor,
                          "has no plain block number, expected 'blk.N.NAME'");
    if (block >= num_blocks)
      return stored_error(source, i, ErrorKind::kUnknownTensor,
                          "is in block " + std::to_string(block) + ", the metadata has " +
                              std::to_string(num_blocks) + " blocks");
    IMP_TRY(add(source, i, name, modules.blocks[block]));
  }
  return modules;
}

}  // namespace imp::model
