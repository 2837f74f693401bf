// The scale audit of a whole model: one row a quantized tensor, and all together.
#pragma once

#include <iosfwd>
#include <string>
#include <vector>

#include "src/inspect/scale_audit.h"

namespace imp::inspect {

class ScaleReport {
 public:
  /// A row whose block scales were read.
  void add(ScaleRow row, const BlockScaleTally& blocks);
  /// A row without them: row.why_no_blocks says why.
  void add(ScaleRow row);

  void print(std::ostream& out) const;
  nlohmann::ordered_json json() const;

 private:
  void add_scalars(const ScaleRow& row);

  std::vector<ScaleRow> rows_;
  BlockScaleTally blocks_;
  uint64_t rows_without_blocks_ = 0;
  ScalarStats globals_;
  ScalarStats inputs_;
};

}  // namespace imp::inspect
