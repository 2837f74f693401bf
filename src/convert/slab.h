// A slab: whole rows of one expert of one source tensor, small enough to hold, cut where the source
// and every layout can be cut.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "formats/imp/writer.h"
#include "src/base/buffer.h"
#include "src/base/file.h"
#include "src/base/result.h"
#include "src/convert/engine_scales.h"
#include "src/convert/exception_spool.h"
#include "src/convert/packer.h"
#include "src/model/model.h"
#include "src/plan/plan.h"

namespace imp::convert {

/// How a tensor is cut: `experts` pieces of `expert_bytes`, each of `rows` rows of its plane; slabs
/// begin at multiples of `unit_rows`, which are `unit_bytes` in the source. A tensor that is only
/// copied is bytes: rows of one byte.
struct Cut {
  uint64_t experts = 1;
  uint64_t expert_bytes = 0;
  uint64_t rows = 0;
  uint64_t unit_rows = 1;
  uint64_t unit_bytes = 1;
  bool copied = false;  ///< nothing packs it

  /// Rows of a slab of about `slab_bytes`, at least one unit; a multiple of the unit.
  uint64_t slab_rows(uint64_t slab_bytes) const;
  /// Source bytes before row `row`, a multiple of the unit or the end.
  uint64_t bytes_before(uint64_t row) const {
    return row >= rows ? expert_bytes : row / unit_rows * unit_bytes;
  }
};

/// REQUIRES: `steps` are the steps of this tensor.
Cut cut_for(const model::SourceTensor& tensor, const plan::Plan& plan,
            std::span<const plan::Step> steps);

/// Rows at multiples of which a packed plane can be cut.
uint64_t unit_rows_of(plan::Action action);
/// Rows of a plane that a packer takes at once, given the canonical bytes it takes: at least one
/// unit of the action.
uint64_t packer_rows(const plan::Step& step, plan::Action action, uint64_t max_bytes);
/// Rows of W whose pieces are packed at once, given the packed bytes; at least one unit.
uint64_t piece_rows(const plan::Write& write, uint64_t max_bytes);

/// What workers share.
struct SlabContext {
  const model::Model& model;
  const plan::Plan& plan;
  OutputFile& output;
  artifact::ChunkDigester& digester;
  ExceptionSpool& exceptions;
  BufferPool& buffers;
  Packer& packer;
  const std::vector<float>& rescales;  ///< find_rescales
  FlushCounts& flushed;
};

/// Rows [first_row, first_row + rows) of one expert, whose source bytes are `data`. Of a tensor
/// that is only copied `first_row` counts bytes.
struct Slab {
  uint64_t expert = 0;  ///< ordinal in the tensor: 0 for a tensor of one expert
  uint64_t first_row = 0;
  uint64_t rows = 0;
  Bytes data;
};

/// Carry out every write of `step` for the slab.
Status write_slab(const SlabContext& context, const plan::Step& step, const Cut& cut,
                  const Slab& slab);

}  // namespace imp::convert
