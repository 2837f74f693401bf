// A checkpoint whose matrices are larger than a small slab and ragged both ways, with many zero
// block scales over live codes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>

#include "tests/unit/checkpoint_editor.h"

namespace imp::testing {

/// MLP width: no multiple of 64, and odd as a number of groups (251).
inline constexpr uint64_t kRaggedWidth = 4016;

inline void set_matrix(CheckpointEditor& editor, const std::string& module, uint64_t rows,
                       uint64_t k, std::mt19937& random) {
  EditedTensor& codes = editor.tensor(module + ".weight");
  codes.shape = {rows, k / 2};
  codes.bytes.resize(rows * (k / 2));
  for (char& byte : codes.bytes) byte = static_cast<char>(random() % 256);
  EditedTensor& scales = editor.tensor(module + ".weight_scale");
  scales.shape = {rows, k / 16};
  scales.bytes.resize(rows * (k / 16));
  for (char& byte : scales.bytes) {
    const auto kind = random() % 16;
    byte = static_cast<char>(kind == 0 ? 0x00 : kind == 1 ? 0x80 : random() % 127);
  }
}

/// Written into `folder`, which is returned.
inline std::filesystem::path write_ragged_checkpoint(const std::filesystem::path& folder) {
  CheckpointEditor editor("modelopt-nvfp4-llama-odd");  // hidden size 208: 13 groups
  std::mt19937 random(4016);
  for (const std::string layer : {"model.layers.0.mlp.", "model.layers.1.mlp."}) {
    for (const char* name : {"gate_proj", "up_proj"}) {
      set_matrix(editor, layer + name, kRaggedWidth, 208, random);
      EditedTensor& bias = editor.tensor(layer + name + ".bias");
      bias.shape = {kRaggedWidth};
      bias.bytes.assign(2 * kRaggedWidth, '\0');
    }
    set_matrix(editor, layer + "down_proj", 208, kRaggedWidth, random);
  }
  editor.config()["intermediate_size"] = kRaggedWidth;
  return editor.write(folder);
}

}  // namespace imp::testing
