// The canonical model: every importer ends here, everything behind it starts here.
//
// Conventions, fixed once: a GEMM weight is [N, K] (or E experts of it), K contiguous; w = (code -
// zero_point) * block_scale * multiplier. Names are canonical ("model.layers.0.self_attn.q_proj");
// each plane knows the source tensor it is.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/imp/ondisk.h"
#include "src/base/digest.h"
#include "src/base/dtype.h"
#include "src/base/file.h"
#include "src/base/shape.h"
#include "src/model/roles.h"
#include "src/model/schemes.h"
#include "src/model/tensor_view.h"
#include "src/quant/encoding.h"

namespace imp::model {

using artifact::ComponentKind;
using artifact::Disposition;
using artifact::kNone;
using artifact::ScalarState;
using quant::Encoding;

/// A file of the source, open for reading.
struct SourceFile {
  std::string name;
  ReadFile handle;
  bool has_metadata = false;
  std::vector<std::pair<std::string, std::string>> metadata;
};

/// What is stored instead of a tensor of the hub checkpoint, where undoing the difference would
/// round. Numbers are frozen: they are stored in .imp files (OperandRecord::stored_as).
enum class StoredAs : uint32_t {
  kItself = 0,
  kPlusOne = 1,   ///< x + 1 (norms of gemma, nemotron, qwen3next)
  kNegExp = 2,    ///< -exp(x) (A_log)
  kMlaKey = 3,    ///< of kv_b_proj each head's rows of K, transposed: [heads * kv_lora, nope]
  kMlaValue = 4,  ///< of kv_b_proj each head's rows of V: [heads * v_head_dim, kv_lora]
};

inline constexpr StoredAs kLastStoredAs = StoredAs::kMlaValue;

/// A tensor of a GGUF file. Views say what it is in the model.
struct StoredTensor {
  std::string name;
  uint32_t file = 0;
  GgmlType type = GgmlType::kF32;
  Shape shape;                ///< slowest dimension first
  uint64_t offset_bytes = 0;  ///< from the start of the file
  uint64_t size_bytes = 0;
};

struct Source;

/// Bytes that no file holds: computed from other tensors, row by row (a weight that is quantised
/// anew).
class MadeTensor {
 public:
  virtual ~MadeTensor() = default;
  virtual uint64_t row_bytes() const = 0;
  /// REQUIRES: out.size() == rows * row_bytes(). Errors: kIo, kTruncated, those of the encoding.
  virtual Status read_rows(const Source& source, uint64_t row0, uint64_t rows,
                           MutableBytes out) const = 0;
  /// The source tensor after which, in its file, all rows can be made.
  virtual uint32_t made_from() const = 0;
};

/// A tensor of the source with its place in the closed inventory.
struct SourceTensor {
  std::string name;
  uint32_t file = 0;
  Dtype dtype = Dtype::kU8;
  Shape shape;
  uint64_t offset_bytes = 0;  ///< from the start of the file; of a view where its last rows lie
  uint64_t size_bytes = 0;
  Disposition disposition = Disposition::kCopied;
  std::string reason;              ///< why it is ignored
  std::optional<TensorView> view;  ///< of GGUF; else the file holds the bytes
  StoredAs stored_as = StoredAs::kItself;
  std::shared_ptr<const MadeTensor> made;  ///< of a tensor that is computed

  /// A file holds the bytes back to back, from offset_bytes on.
  bool in_file() const { return !view && made == nullptr; }
};

struct Source {
  std::filesystem::path folder;
  std::vector<SourceFile> files;
  std::vector<SourceTensor> tensors;  ///< by (file, offset)
  std::vector<std::string>
      companions;                    ///< names, sorted: files in `folder`, and those that are made
  std::vector<StoredTensor> stored;  ///< of GGUF, by (file, offset); views refer to them
  bool big_endian = false;           ///< of `stored`
  /// Companions that are made, not found (name, bytes): config.json of a GGUF file's metadata.
  std::vector<std::pair<std::string, std::string>> made_companions;
};

/// The source tensors that are one kind of plane of a weight, one an expert (kNone: this expert has
/// none). One entry for a tensor that holds all experts (its first dimension), and for one whose
/// bytes are every expert's (scales of a stack).
struct PlaneSet {
  ComponentKind kind = ComponentKind::kCodes;
  std::vector<uint32_t> tensors;
  Encoding encoding = Encoding::kRows;
};

/// A number of the source, bits and convention kept.
struct Scalar {
  uint32_t bits = 0;  ///< IEEE binary32
  ScalarState state = ScalarState::kAbsent;
  bool operator==(const Scalar&) const = default;
};

/// One module (all its experts), or one tensor that no GEMM takes.
struct Weight {
  std::string name;  ///< canonical module, experts as '*'; for a tensor that no GEMM takes the
                     ///< canonical tensor name
  Role role = Role::kTokenEmbedding;
  uint32_t layer = kNone;
  /// A GEMM takes it; also of a quantized token embedding, which has scales as a GEMM's weight has.
  bool gemm = false;
  Scheme scheme = Scheme::kRaw;
  uint64_t experts = 1;
  uint64_t n = 0;  ///< of one expert; for non-GEMM tensors the elements of the leading dimensions
  uint64_t k = 0;
  uint32_t group_size =
      0;  ///< columns under one block scale (k for a scale per row); 0: no block scales
  uint32_t group_rows = 1;   ///< rows under one block scale
  Dtype dtype = Dtype::kU8;  ///< of the codes plane
  Shape shape;               ///< of the codes plane of one expert, as in the source
  bool stacked = false;      ///< one source tensor holds the codes of all experts
  /// The producer means activations of 8 bits (fp8, int8), static or dynamic: an 8-bit GEMM takes
  /// the codes as they are.
  bool activations_8bit = false;
  std::string
      why;  ///< which tensors and which words of the configuration made it this scheme, for
            ///< people: "weight U8 + weight_scale F8_E4M3 [N, K/16] + weight_scale_2: NVFP4"
  std::vector<PlaneSet> planes;
  std::vector<Scalar> multipliers;   ///< one an expert, or empty where the weight has none
  std::vector<Scalar> input_scales;  ///< one an expert, or empty where no expert has one
  /// Act-order weights, one an expert: column of the source that is column i once columns are
  /// sorted by group, equal groups in source order. Empty where columns are in the order of their
  /// groups.
  std::vector<std::vector<uint32_t>> k_gather;
  std::vector<Digest128>
      k_scales;            ///< of the k_scale plane, one an expert; empty where it has none
  bool tied_head = false;  ///< token embedding that is the output head too
  StoredAs stored_as = StoredAs::kItself;

  const PlaneSet* find(ComponentKind kind) const {
    for (const PlaneSet& set : planes)
      if (set.kind == kind) return &set;
    return nullptr;
  }
};

/// Weights that take the same activations, in part order: one operand if layouts and schemes allow.
struct FusionGroup {
  std::string name;  ///< canonical module name that the fused weights would have, e.g.
                     ///< "model.layers.0.self_attn.qkv_proj"
  Role role = Role::kAttnQkv;
  std::vector<uint32_t> weights;
};

/// What quantising a weight anew cost, over all its elements and experts.
struct Transcoded {
  uint32_t weight = 0;
  std::string from;  ///< scheme names
  std::string to;
  double relative_rms = 0;  ///< root mean square of the error over that of the values
  double snr_db = 0;        ///< 20 log10 of its reciprocal; infinite where nothing changed
  double max_error = 0;     ///< absolute
};

struct Model {
  Source source;
  std::string architecture;     ///< as config.json names it
  std::string producer;         ///< "modelopt 0.47.0"
  std::string quantization;     ///< the producer's own name of its recipe, e.g. "NVFP4"
  std::vector<Weight> weights;  ///< in execution order
  std::vector<FusionGroup> groups;
  std::vector<Transcoded> transcoded;  ///< by weight
};

}  // namespace imp::model
