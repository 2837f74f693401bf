// One module of the hub checkpoint that is rows of one stored module: weight, bias and scales.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/base/result.h"
#include "src/model/gguf/stored_modules.h"
#include "src/model/gguf/view_writer.h"

namespace imp::model {

/// Which rows, and in which order; as the fields of TensorView.
struct RowSlice {
  uint64_t first = 0;
  uint64_t rows = 0;
  RowOrder order = RowOrder::kAsStored;
  uint64_t a = 0, b = 0, c = 0;
  uint64_t expert = 0;   ///< of a stack: which of its scales
  uint64_t experts = 1;  ///< matrices in the stored tensor
};

/// All rows of a module. REQUIRES: it has a weight.
RowSlice all_rows(const Source& source, const StoredModule& module);
/// Rows of expert `e` of `experts`. REQUIRES: they divide the rows.
RowSlice rows_of_expert(const Source& source, const StoredModule& module, uint64_t e,
                        uint64_t experts);

/// The module `hub` out of those rows. Errors: kUnsupportedScheme for a scale beside another type
/// than NVFP4, and for a bias that is no float; kShapeMismatch for a bias or scales of another
/// length.
Status add_linear(ViewWriter& writer, const std::string& hub, const StoredModule& module,
                  const RowSlice& rows, PlaneNames names);

/// kUnsupportedScheme if the tensor is no plain number.
Status check_plain(const Source& source, uint32_t stored);
/// kMissingTensor about a module that has a bias or scales only.
Status check_has_weight(const Source& source, const StoredModule& module);

}  // namespace imp::model
