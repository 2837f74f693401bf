// Where the bits of one source tensor lie in an artifact.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/imp/reader.h"
#include "kernels/layouts/registry.h"
#include "src/base/result.h"

namespace imp::unpack {

/// One tensor of the source: a plane of a part, of one expert or of all. Pointers are into the
/// reader.
struct Plane {
  const artifact::SourceTensorRecord* tensor = nullptr;
  const artifact::OperandRecord* operand = nullptr;
  const artifact::PartRecord* part = nullptr;
  const artifact::FormRecord* form = nullptr;  ///< the one that the bits are taken from
  uint64_t first_expert = 0;
  uint64_t expert_count = 1;

  artifact::ComponentKind kind() const {
    return static_cast<artifact::ComponentKind>(tensor->plane);
  }
  layouts::LayoutId layout() const { return static_cast<layouts::LayoutId>(form->layout); }
  bool is_nvfp4() const;
  /// Codes or block scales of a scheme that has both: they may lie interleaved.
  bool is_packed() const;
  /// Rows of one expert that are this part's; a tensor that no GEMM takes counts as one row.
  uint64_t first_row() const { return is_gemm() ? part->n0 : 0; }
  uint64_t rows() const { return is_gemm() ? part->n_count : 1; }
  uint64_t operand_rows() const { return is_gemm() ? operand->n : 1; }

 private:
  bool is_gemm() const { return operand->flags & artifact::kOperandGemm; }
};

/// REQUIRES: source tensor `tensor` is not ignored. Of the operand's forms the one that serves
/// `form_sm`, else any; among those plain before native before mma64.
/// Errors: kUnsupportedScheme, kUnsupportedLayout (no form in a layout, version and dialect known
/// here).
Result<Plane> find_plane(const artifact::Reader& reader, uint32_t tensor,
                         std::optional<uint32_t> form_sm);

/// An error about a plane, with the artifact as file and the source tensor's name.
Error plane_error(const artifact::Reader& reader, const Plane& plane, ErrorKind kind,
                  std::string message);
/// Fill in what an error from below does not know.
Error with_place(const artifact::Reader& reader, const Plane& plane, Error error);

}  // namespace imp::unpack
