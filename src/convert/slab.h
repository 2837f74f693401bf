// A slab: whole rows of one source tensor, small enough to hold, cut where every layout can be cut.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/imp/writer.h"
#include "src/base/buffer.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/convert/exception_spool.h"
#include "src/convert/packer.h"
#include "src/model/model.h"
#include "src/plan/plan.h"

namespace imp::convert {

/// How a tensor is cut: `rows` rows of `row_bytes`, slabs begin at multiples of `unit_rows`.
struct Cut {
  uint64_t rows = 0;
  uint64_t row_bytes = 0;
  uint64_t unit_rows = 1;
  bool copied = false;  ///< nothing packs it

  /// Rows of a slab of about `slab_bytes`, at least one unit.
  uint64_t slab_rows(uint64_t slab_bytes) const;
};

/// REQUIRES: `steps` are the steps of this tensor.
Cut cut_for(const model::SourceTensor& tensor, const plan::Plan& plan,
            std::span<const plan::Step> steps);

/// What workers share.
struct SlabContext {
  const model::Source& source;
  const plan::Plan& plan;
  OutputFile& output;
  artifact::ChunkDigester& digester;
  ExceptionSpool& exceptions;
  BufferPool& buffers;
  Packer& packer;
};

/// Carry out every write of `step` for rows [first_row, first_row + rows) whose bytes are `data`.
Status write_slab(const SlabContext& context, const plan::Step& step, const Cut& cut,
                  uint64_t first_row, Bytes data);

}  // namespace imp::convert
