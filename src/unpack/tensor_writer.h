// One tensor of an unpacked checkpoint: streamed out of the artifact, checked, written.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "src/base/file.h"
#include "src/unpack/outputs.h"
#include "src/unpack/plane.h"

namespace imp::unpack {

class TensorWriter {
 public:
  /// `slab_bytes`: stored bytes in memory at a time and job (at least kSlabUnitRows rows).
  TensorWriter(const artifact::Reader& reader, std::optional<uint32_t> form_sm,
               uint64_t slab_bytes);

  /// Write `output` to its place in `file`; thread-safe. Every plane that is read, also the scales
  /// behind values, is compared with its digest. Errors: see unpack.h.
  Status write(const Output& output, const safetensors::TensorInfo& info, OutputFile& file) const;

 private:
  Status copy(const Plane& plane, const safetensors::TensorInfo& info, OutputFile& file) const;
  Status convert(const Plane& plane, const safetensors::TensorInfo& info, OutputFile& file) const;
  Status merge(const Plane& key, const Output& output, const safetensors::TensorInfo& info,
               OutputFile& file) const;
  Status values(const Plane& codes, uint32_t source, const safetensors::TensorInfo& info,
                OutputFile& file) const;
  /// A plane that belongs to a codes plane, as source tensor: that of the expert, or that of all;
  /// nullopt if there is neither.
  Result<std::optional<Plane>> sibling(const Plane& codes, artifact::ComponentKind kind,
                                       uint64_t expert) const;
  /// The source's global scales are those of the index.
  Status check_multipliers(const Plane& codes) const;

  const artifact::Reader& reader_;
  std::optional<uint32_t> form_sm_;
  uint64_t slab_bytes_;
  std::vector<uint32_t> by_place_;  ///< source tensors sorted by operand, part, expert, plane
};

}  // namespace imp::unpack
