// Importing an edited checkpoint, and what a refusal must say.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "src/base/log.h"
#include "src/model/import.h"
#include "tests/unit/checkpoint_editor.h"
#include "tests/unit/temp_folder.h"

namespace imp::testing {

inline bool any_has(const std::vector<std::string>& lines, std::string_view fragment) {
  return std::any_of(lines.begin(), lines.end(),
                     [&](const std::string& l) { return l.find(fragment) != std::string::npos; });
}

/// An editor's checkpoint on disk and what the importer made of it. The files stay as long as this
/// lives.
struct Imported {
  TempFolder folder;
  std::filesystem::path path;
  CollectingLog log;
  Result<model::Model> model;

  explicit Imported(CheckpointEditor& editor)
      : path(editor.write(folder.path())), model(model::import_checkpoint(path, {}, log)) {}
  explicit Imported(std::string_view fixture)
      : path(std::filesystem::path(IMP_TEST_DATA) / fixture),
        model(model::import_checkpoint(path, {}, log)) {}

  bool ok() const { return model.ok(); }
  std::string error_line() const { return model.ok() ? "" : model.error().to_line(); }
  const model::Weight* find(std::string_view name) const {
    for (const model::Weight& w : model->weights)
      if (w.name == name) return &w;
    return nullptr;
  }
};

/// The kind, exit code 4 or 3, the tensor (empty: none), the file that is named (relative to the
/// checkpoint; "" for the folder itself) and a piece of the sentence.
inline void expect_refused(CheckpointEditor& editor, ErrorKind kind, std::string_view file,
                           std::string_view tensor, std::string_view fragment) {
  const Imported imported(editor);
  ASSERT_FALSE(imported.ok()) << "imported, expected a refusal saying: " << fragment;
  const Error& error = imported.model.error();
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kind)) << error.to_line();
  EXPECT_EQ(error.file, (file.empty() ? imported.path : imported.path / file).string())
      << error.to_line();
  EXPECT_EQ(error.tensor, tensor) << error.to_line();
  EXPECT_NE(error.message.find(fragment), std::string::npos) << error.message;
}

}  // namespace imp::testing
