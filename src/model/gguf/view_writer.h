// Makes the tensors of the hub checkpoint as views on the stored ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// A stored tensor seen as rows of its last dimension.
struct StoredMatrix {
  uint64_t rows = 0;
  uint64_t columns = 0;
};
StoredMatrix matrix_of(const StoredTensor& tensor);
/// The dtype of plain numbers. REQUIRES: blocks of one element.
Dtype plain_dtype(GgmlType type);
bool is_blocks(GgmlType type);

/// Names of the planes of a module in the hub checkpoint, or none at all.
enum class PlaneNames : uint8_t {
  kBlocks,    ///< not taken apart: X.weight holds rows of bytes
  kModule,    ///< X.weight, X.weight_scale, ...; MXFP4 X.weight_packed as compressed-tensors has it
  kOpenStack  ///< X_blocks and X_scales of gpt-oss, groups of 16 bytes; MXFP4
};

class ViewWriter {
 public:
  /// `source` has files and stored tensors.
  explicit ViewWriter(Source& source) : source_(source), used_(source.stored.size(), false) {}

  const Source& source() const { return source_; }
  bool is_used(uint32_t stored) const { return used_[stored]; }

  /// A tensor of plain numbers or of blocks as they are.
  void add(std::string name, const Shape& shape, TensorView view,
           StoredAs stored_as = StoredAs::kItself);
  /// The weight `module`: what `view` (of whole rows) shows, taken apart into planes where its type
  /// can be and `names` wants it so. A view of all experts becomes tensors [E, N, ...].
  void add_weight(const std::string& module, const TensorView& view, PlaneNames names);
  /// The whole stored tensor under `name`, any rank; blocks have bytes in their last dimension.
  void add_whole(std::string name, uint32_t stored);

  /// Put the tensors in the order in which they end in the files, planes of one place in the order
  /// codes, scale, min, super scale, super min.
  void finish();

 private:
  void place(SourceTensor& tensor);
  Source& source_;
  std::vector<bool> used_;
};

/// Rows [first, first + rows) of a stored tensor as a view; the order may be set afterwards.
TensorView view_of_rows(const Source& source, uint32_t stored, uint64_t first, uint64_t rows);
/// Elements [first, first + count) of a stored tensor of plain numbers, as rows of one element.
TensorView view_of_elems(const Source& source, uint32_t stored, uint64_t first, uint64_t count);

}  // namespace imp::model
