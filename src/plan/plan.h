// The plan: what the artifact will hold and where, and which source bytes go there. Pure data, made
// from the model without reading a plane; the CPU and the GPU executor take the same steps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "kernels/layouts/engine_orders.h"
#include "kernels/layouts/registry.h"
#include "src/base/result.h"
#include "src/model/model.h"
#include "src/quant/encoding.h"

namespace imp::plan {

using layouts::LayoutId;
using model::ComponentKind;

struct Options {
  std::vector<uint32_t>
      sms;  ///< targets as compute capability x 10; order and repeats do not matter
  std::optional<LayoutId> layout;  ///< for every operand that it can hold
};

/// A run of payload bytes. Several components may be the same blob (equal forms share bytes).
struct Blob {
  uint64_t offset_bytes = 0;  ///< from the start of the artifact; exact
  uint64_t size_bytes = 0;
  uint64_t targets = 0;  ///< union of the forms that use it
  uint32_t operand = 0;
};

struct Component {
  ComponentKind kind = ComponentKind::kCodes;
  bool required = true;
  Dtype dtype = Dtype::kU8;
  Shape shape;
  uint64_t expert_stride_bytes = 0;  ///< 0 where there is one expert
  uint64_t size_bytes = 0;           ///< for exceptions: 0, the size is known only at the end
  uint32_t blob = model::kNone;      ///< kNone for exceptions
};

struct Form {
  LayoutId layout = LayoutId::kPlain;
  uint16_t major = 0;
  uint16_t dialect = 0;  ///< of plain: the encoding of the codes
  uint64_t targets = 0;  ///< bits of formats/imp/targets.h
  uint64_t padded_n = 0;
  uint64_t padded_k = 0;
  std::vector<Component> components;
};

struct Part {
  uint32_t weight = 0;  ///< index into Model::weights
  uint64_t n0 = 0;
  uint64_t n_count = 0;
};

struct Operand {
  std::string name;
  model::Role role{};
  model::Scheme scheme{};
  uint32_t layer = model::kNone;
  uint64_t experts = 1;
  uint64_t n = 0;
  uint64_t k = 0;
  uint32_t group_size = 0;
  uint32_t group_rows = 1;
  bool gemm = false;
  bool tied_head = false;
  model::StoredAs stored_as = model::StoredAs::kItself;
  std::vector<Part> parts;
  std::vector<Form> forms;
  std::string fusion;  ///< "", "fused: q_proj, k_proj, v_proj" or "not fused: why"
  /// "" or why the layout that was asked for does not hold it: "not marlin: scales are F32, ..."
  std::string refused;
};

enum class Action : uint8_t {
  kCopy,          ///< bytes as they are
  kCanonical,     ///< the canonical plane, in the row order of the codes
  kMma64Nvfp4,    ///< codes and block scales of the same rows to blocks; scales per 32 stand twice
  kMma64Mxfp4,    ///< codes and block scales of the same rows to blocks
  kMma64Codes,    ///< codes of 4 or 8 bits to blocks
  kMma64Plane,    ///< scales of groups or zero points to lane order
  kNativeRows,    ///< 4-bit codes to rows of 16-byte pitch
  kNativeBytes,   ///< 8-bit codes to rows of 16-byte pitch
  kSf128x4,       ///< block scales to 128x4 tiles
  kEngineTiles,   ///< codes to tiles of another engine's layout
  kEngineGroups,  ///< scales of groups or zero points to [groups, N] of another engine's layout
};

/// How the elements of such a plane of groups follow from the source's.
enum class GroupValues : uint8_t {
  kAsIs,
  kMarlinScale,    ///< e4m3 to S0E5M3, rescaled by what the operand's largest allows
  kMarlinA0Scale,  ///< e4m3 to S0E5M3, each byte for itself
  kMaxScale,       ///< e4m3 times the part's multiplier, as bf16
  kFp8Scale,       ///< a float as bf16 times 2^120; rows under one scale have it each
  kFoldedZero,     ///< of a zero point -(scale * zero point), in the scale's type
};

/// How a plane lies in another engine's layout (src/repack/engine_tiles.h): pieces at a stride, one
/// for each step along K, a run of rows in each.
struct Pieces {
  layouts::TileOrder tiles{};    ///< of kEngineTiles
  layouts::GroupOrder groups{};  ///< of kEngineGroups
  /// Of kEngineTiles of nvfp4: what becomes of the scales, which says what the exceptions must
  /// hold.
  GroupValues values = GroupValues::kAsIs;
  uint32_t bits = 8;  ///< of a packed element
  uint64_t count = 1;
  uint64_t stride_bytes = 0;
  uint64_t row_bits = 0;        ///< of one row of W in a piece
  uint64_t padded_columns = 0;  ///< K or groups
  uint64_t group_rows = 1;      ///< rows of W that have one row of the source's plane
  uint64_t first_row = 0;       ///< rows of the part that this write takes
  uint64_t rows = 0;
  uint64_t padded_rows = 0;  ///< rows that they take, padding included
};

/// Where the rows of one source tensor go in one form.
struct Write {
  Action action = Action::kCopy;
  uint64_t offset_bytes =
      0;  ///< from the start of the artifact, for row 0 of (expert 0 of) the tensor
  uint64_t expert_stride_bytes = 0;  ///< of a tensor that holds every expert
  uint64_t size_bytes = 0;           ///< bytes this write covers in the end, of one expert
  uint32_t exceptions =
      model::kNone;  ///< index of the exceptions component in the artifact's component table
  Pieces pieces;     ///< of kEngineTiles and kEngineGroups; offset_bytes is that of the first
};

/// Slabs of rows would not begin at whole tiles: of two halves in one tensor the second begins
/// anywhere.
constexpr bool takes_whole_plane(const Write& write) { return write.pieces.first_row % 128 != 0; }

/// One source tensor in one operand. `writes` is empty for a tensor whose numbers live in the index
/// or that other steps read.
struct Step {
  uint32_t tensor = 0;
  uint32_t operand = 0;
  uint32_t part = 0;    ///< ordinal in the operand
  uint32_t expert = 0;  ///< kNone for a tensor that holds every expert, or is every expert's
  ComponentKind plane = ComponentKind::kCodes;
  /// How one expert's plane of this part is coded: codes, scales, zero points, bias.
  quant::PlaneCoding coding;
  /// The block scales that belong to a codes plane, or to zero points that are folded into them.
  uint32_t scale_tensor = model::kNone;
  quant::PlaneCoding scale_coding;
  std::vector<Write> writes;
};

/// Bytes that come from the model, not from a plane: multipliers, input scales, order of columns,
/// table of codes.
struct Constant {
  uint64_t offset_bytes = 0;
  std::vector<std::byte> bytes;
};

struct Plan {
  std::vector<uint32_t> sms;  ///< ascending, without repeats
  std::optional<LayoutId> layout;
  std::vector<Operand> operands;  ///< in execution order
  std::vector<uint32_t> by_name;  ///< operand indices sorted by name: the order of the records
  std::vector<Blob> blobs;        ///< in order of offset
  std::vector<Step> steps;        ///< in order of the source files
  std::vector<Constant> constants;
  uint64_t payload_offset_bytes = 0;  ///< also the size of header and index
  uint64_t payload_end_bytes = 0;
  uint64_t exceptions_bound_bytes = 0;  ///< one record per group of every form that can lose bits
  uint64_t tail_bound_bytes = 0;        ///< digests, manifest, companions
};

/// Errors: kUsage (neither target nor layout, a target that is none), kNoFormForTarget (the layout
/// does not serve a target), kDuplicateName.
Result<Plan> make_plan(const model::Model& model, const Options& options);

/// Source bytes per slab and jobs in flight of a run with `threads` workers: what bounds memory.
struct StreamBudget {
  uint64_t slab_bytes = 0;
  uint64_t queue_slabs = 0;
};
StreamBudget stream_budget(uint64_t threads);
/// Planes that can only be packed whole are in flight together up to this many source bytes, or
/// one.
inline constexpr uint64_t kLargePlaneBytes = 64u << 20;
/// Slabs that may wait for the thread that hashes source files.
inline constexpr uint64_t kHashQueueSlabs = 2;

/// Upper bound of the memory that a conversion by this plan needs, mapped pages included.
uint64_t peak_memory_bytes(const model::Model& model, const Plan& plan, uint64_t threads);

}  // namespace imp::plan
