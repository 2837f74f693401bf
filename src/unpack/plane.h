// Where the bits of one source tensor lie in an artifact.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "formats/imp/reader.h"
#include "kernels/layouts/registry.h"
#include "src/base/result.h"
#include "src/model/schemes.h"
#include "src/quant/encoding.h"

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
  model::Scheme scheme() const { return static_cast<model::Scheme>(operand->scheme); }
  bool is_gemm() const { return operand->flags & artifact::kOperandGemm; }
  /// Codes or a plane of groups, in an order of the form's layout; what else there is lies in the
  /// form as in the source, but for the order of rows of a bias.
  bool is_packed() const;
  /// The layout is that of another engine (engine_rows.h).
  bool is_engine() const {
    return layout() >= layouts::LayoutId::kMarlin && layout() <= layouts::LayoutId::kMachete8;
  }
  /// Component that has the plane's bytes where it is not packed.
  artifact::ComponentKind stored_kind() const;
  /// How the source holds one expert's rows of `of`, a part of the operand. REQUIRES: codes, a
  /// plane of groups or a bias of an operand that a GEMM takes.
  quant::PlaneCoding coding_of(const artifact::PartRecord& of) const;
  quant::PlaneCoding coding() const { return coding_of(*part); }
};

/// REQUIRES: source tensor `tensor` is not ignored. Of the operand's forms the one that serves
/// `form_sm`, else any; among those plain before native before mma64.
/// Errors: kUnsupportedScheme (also an encoding that this version does not know),
/// kUnsupportedLayout (no form in a layout, version and dialect known here).
Result<Plane> find_plane(const artifact::Reader& reader, uint32_t tensor,
                         std::optional<uint32_t> form_sm);

/// An error about a plane, with the artifact as file and the source tensor's name.
Error plane_error(const artifact::Reader& reader, const Plane& plane, ErrorKind kind,
                  std::string message);
/// Fill in what an error from below does not know.
Error with_place(const artifact::Reader& reader, const Plane& plane, Error error);

}  // namespace imp::unpack
