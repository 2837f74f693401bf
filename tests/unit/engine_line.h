// Artifacts in other engines' layouts, made by the line.
#pragma once

#include <string>

#include "formats/imp/reader.h"
#include "tests/unit/checkpoint_editor.h"
#include "tests/unit/conversion.h"

namespace imp::testing {

/// REQUIRES: converts.
inline std::string engine_artifact(const std::filesystem::path& input, layouts::LayoutId layout,
                                   bool as_is = false) {
  convert::Options options = options_for(input, {});
  options.plan.layout = layout;
  options.import.as_is = as_is;
  CollectingLog log;
  Result<std::string> bytes = convert_to_memory(options, log);
  if (!bytes.ok()) ADD_FAILURE() << bytes.error().to_line();
  return bytes.ok() ? *bytes : std::string();
}

/// Forms of the file in this layout.
inline size_t count_forms(const std::filesystem::path& artifact, layouts::LayoutId layout) {
  const Result<artifact::Reader> reader = artifact::Reader::open(artifact);
  if (!reader.ok()) return 0;
  size_t count = 0;
  for (const artifact::FormRecord& form : reader->forms())
    count += form.layout == static_cast<uint16_t>(layout) ? 1 : 0;
  return count;
}

/// What a layout may not be able to hold, in the scales of one module: e4m3 subnormals beside the
/// largest scale, minus zero. The first group has code 8 (minus zero) among others.
inline std::filesystem::path write_with_odd_scales(const std::filesystem::path& folder) {
  CheckpointEditor editor("modelopt-nvfp4-llama");
  std::string& scales = editor.tensor("model.layers.0.mlp.down_proj.weight_scale").bytes;
  scales[0] = '\x7E';
  for (size_t i = 1; i < 8; ++i) scales[100 * i] = static_cast<char>(i);
  scales[900] = '\x80';
  scales[1000] = '\0';
  editor.tensor("model.layers.0.mlp.down_proj.weight").bytes[8 * 900] = '\x58';
  return editor.write(folder);
}

/// Every scale of the module is 1.
inline std::filesystem::path write_with_equal_scales(const std::filesystem::path& folder) {
  CheckpointEditor editor("modelopt-nvfp4-llama");
  std::string& scales = editor.tensor("model.layers.0.mlp.down_proj.weight_scale").bytes;
  scales.assign(scales.size(), '\x38');
  return editor.write(folder);
}

/// A global scale so small that bf16 has the same bits for many scales times it.
inline std::filesystem::path write_with_tiny_global(const std::filesystem::path& folder) {
  CheckpointEditor editor("modelopt-nvfp4-llama");
  editor.set_f32("model.layers.0.mlp.down_proj.weight_scale_2", 0x1p-138f);
  return editor.write(folder);
}

}  // namespace imp::testing
