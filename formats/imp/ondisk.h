// Records of an .imp file, byte for byte. SPEC.md beside this file is the contract; the
// static_asserts here and the worked example there hold the two together. Little-endian, no padding
// between fields.
#pragma once

#include <cstddef>
#include <cstdint>

namespace imp::artifact {

/// A text-mode transfer changes 0x0D 0x0A, an 8-bit-unsafe one 0x89 (the idea of the PNG
/// signature).
inline constexpr uint8_t kMagic[8] = {0x89, 'I', 'M', 'P', 0x0D, 0x0A, 0x1A, 0x0A};
inline constexpr uint16_t kMajorVersion = 0;
inline constexpr uint16_t kMinorVersion = 1;

inline constexpr uint64_t kSmallComponentBytes =
    64 * 1024;  ///< below this a component lives in a pool
inline constexpr uint64_t kPoolAlignmentBytes = 256;
inline constexpr uint64_t kLargeAlignmentBytes = 4096;  ///< O_DIRECT
inline constexpr uint64_t kChunkBytes = 4u << 20;       ///< payload bytes under one digest
inline constexpr uint32_t kNone = 0xFFFFFFFFu;

/// A string of the string table.
struct StringRef {
  uint32_t offset_bytes;  ///< from the start of the strings section
  uint32_t size_bytes;
};

struct FileHeader {
  uint8_t magic[8];
  uint16_t major_version;          ///< a reader refuses a major it does not know
  uint16_t minor_version;          ///< a reader accepts any minor
  uint32_t header_bytes;           ///< sizeof(FileHeader)
  uint64_t incompatible_features;  ///< a reader refuses if a bit it does not know is set
  uint64_t compatible_features;    ///< a reader ignores bits it does not know
  uint64_t total_bytes;            ///< size of this file
  uint64_t section_table_offset_bytes;
  uint32_t section_count;
  uint32_t section_entry_bytes;      ///< sizeof(SectionEntry)
  uint8_t artifact_id[32];           ///< SHA-256, see SPEC "Artifact id"
  uint8_t section_table_digest[16];  ///< XXH3-128 of the section table
  uint64_t checksum;                 ///< XXH3-64 of this header with checksum = 0
  uint8_t reserved[144];             ///< zero
};
static_assert(sizeof(FileHeader) == 256);
static_assert(offsetof(FileHeader, total_bytes) == 32);
static_assert(offsetof(FileHeader, artifact_id) == 56);
static_assert(offsetof(FileHeader, section_table_digest) == 88);
static_assert(offsetof(FileHeader, checksum) == 104);

enum class SectionType : uint32_t {
  kOperands = 1,
  kParts = 2,
  kForms = 3,
  kComponents = 4,
  kScalars = 5,
  kSourceFiles = 6,
  kSourceTensors = 7,
  kPayloadFiles = 8,
  kStrings = 9,
  kPayload = 10,
  kExceptions = 11,
  kChunks = 12,
  kManifest = 13,  ///< JSON, zstd
  kCompanionTable = 14,
  kCompanionBytes = 15,  ///< one zstd frame per companion file
};

enum SectionFlags : uint32_t {
  kSectionRequired = 1u << 0,  ///< a reader that does not know the type refuses the file
  kSectionZstd = 1u << 1,      ///< the section is one zstd frame
};

struct SectionEntry {
  uint32_t type;
  uint32_t flags;
  uint64_t offset_bytes;  ///< from the start of the file
  uint64_t stored_bytes;
  uint64_t raw_bytes;  ///< after decompression; equals stored_bytes without kSectionZstd
  uint8_t digest[16];  ///< XXH3-128 of the stored bytes; zero for payload and exceptions, which
                       ///< chunks cover
  uint64_t record_count;
  uint32_t record_bytes;  ///< 0 where the section holds no records
  uint32_t reserved;      ///< zero
};
static_assert(sizeof(SectionEntry) == 64);

/// What one GEMM call takes, or one tensor that no GEMM takes. Sorted by name (bytes).
struct OperandRecord {
  StringRef name;
  uint16_t role;        ///< registry "roles" in SPEC.md
  uint16_t scheme;      ///< registry "schemes"
  uint32_t layer;       ///< kNone where the tensor belongs to no layer
  uint64_t experts;     ///< 1 for dense
  uint64_t n;           ///< rows of one expert: output features, all parts together
  uint64_t k;           ///< columns: input features
  uint32_t group_size;  ///< codes along K that share a block scale; 0: no block scales
  uint32_t flags;       ///< OperandFlags
  uint32_t first_part;
  uint32_t part_count;
  uint32_t first_form;
  uint32_t form_count;
  uint32_t execution_index;  ///< order in which a forward pass meets the operands, 0..count-1
  uint32_t group_rows;       ///< rows that share a block scale, 2 or more; 0: each row has its own
  uint32_t stored_as;        ///< registry "stored as": how the hub checkpoint's values follow
  uint32_t reserved[5];      ///< zero
};
static_assert(sizeof(OperandRecord) == 96);
static_assert(offsetof(OperandRecord, experts) == 16);

enum OperandFlags : uint32_t {
  kOperandTiedHead = 1u << 0,  ///< this token embedding is also the output head
  kOperandGemm = 1u << 1,  ///< a GEMM takes it: n, k, parts have their meaning. Otherwise one part,
                           ///< one plain form.
};

/// A source module inside an operand: rows [n0, n0 + n_count) of each expert.
struct PartRecord {
  StringRef
      module;  ///< canonical module name, experts as "*": "model.layers.0.mlp.experts.*.gate_proj"
  uint64_t n0;
  uint64_t n_count;
  uint32_t first_multiplier;  ///< index into scalars, `multiplier_count` of them
  uint32_t multiplier_count;  ///< experts, or 0 where the scheme has no global scale
  uint32_t first_input_scale;
  uint32_t input_scale_count;  ///< experts, or 0 where no expert has one
  uint32_t reserved[6];        ///< zero
};
static_assert(sizeof(PartRecord) == 64);

enum class ScalarState : uint8_t {
  kAbsent = 0,      ///< the source has no such scalar
  kMultiplier = 1,  ///< value multiplies
  kDivisor = 2,     ///< value divides: a kernel multiplies by fl32(1 / value)
  /// The source's bits are no scale and nothing depends on them (the input scale of an expert that
  /// was never routed to; the global scale of codes that are all zero): a kernel gets the absent
  /// value for an input scale and 1 for a multiplier.
  kUnused = 3,
};

/// One number of the source with its original 32 bits.
struct ScalarRecord {
  uint32_t bits;  ///< IEEE binary32; a narrower source dtype is widened exactly
  uint8_t state;  ///< ScalarState
  uint8_t reserved[3];
};
static_assert(sizeof(ScalarRecord) == 8);

inline constexpr uint64_t kTargetAny = 1ull << 63;  ///< bit of FormRecord::targets: every GPU

/// The operand's weights in one layout.
struct FormRecord {
  uint16_t layout;   ///< registry "layouts"
  uint16_t major;    ///< registry "layout variants": version of the layout for this scheme
  uint16_t dialect;  ///< 0 where the layout has none; of plain the encoding of the codes
  uint16_t reserved0;
  uint64_t targets;  ///< bit set over registry "targets"; kTargetAny
  uint64_t padded_n;
  uint64_t padded_k;
  uint32_t first_component;
  uint32_t component_count;
  uint64_t reserved[3];
};
static_assert(sizeof(FormRecord) == 64);

enum class ComponentKind : uint16_t {
  kCodes = 1,   ///< codes or plain values, [E, N, ...]
  kBlocks = 2,  ///< codes and scales interleaved
  kBlockScale = 3,
  kSuperScale = 4,
  kZeroPoint = 5,
  kGroupMin = 6,
  kLut = 7,
  kMultiplier = 8,  ///< f32 [E, parts]: what a kernel multiplies by (fl32(1/x) for divisors)
  kInputScale = 9,  ///< f32 [E, parts]; absent ones are the NaN 0x7FC00000
  kKScale = 10,
  kKGather = 11,  ///< u32 [E, K]: source column of each packed column
  kBias = 12,     ///< [E, N]
  kSvdA = 13,
  kSvdB = 14,
  kExceptions = 15,
  kFp8Grid = 16,         ///< f32: grid of the fp8 intermediate of W4A8_AWQ; no factor of the weight
  kSourceShape = 17,     ///< the source's own record of [N, K]
  kBitmask = 18,         ///< of the bitmask encodings
  kRowOffsets = 19,      ///< of encoding bitmask
  kInputZeroPoint = 20,  ///< zero point of asymmetric static activations
  kOutputScale = 21,     ///< scale of the module's output; no part of the GEMM
  kGroupIndex = 22,      ///< i32 [K]: group of each column, as act-order checkpoints have it
  kSuperMin = 23,        ///< beside super_scale, where the scheme has a group_min
  kSourceScale = 24,     ///< the source's block scales, where the form's are made from them
};
inline constexpr uint16_t kLastComponentKind = static_cast<uint16_t>(ComponentKind::kSourceScale);

enum ComponentFlags : uint16_t {
  kComponentRequired = 1u << 0,  ///< a reader that does not know the kind refuses the operand
};

struct ComponentRecord {
  uint16_t kind;  ///< ComponentKind
  uint16_t flags;
  uint16_t dtype;  ///< Dtype numbers (registry "dtypes")
  uint16_t rank;
  uint32_t payload_file;  ///< index into payload files; 0 is this file
  uint32_t reserved0;
  uint64_t dims[8];
  uint64_t expert_stride_bytes;  ///< expert e lies at offset + e * stride; 0 where experts is 1 or
                                 ///< all experts share it
  uint64_t offset_bytes;         ///< from the start of the payload file
  uint64_t size_bytes;
  uint64_t reserved[3];
};
static_assert(sizeof(ComponentRecord) == 128);
static_assert(offsetof(ComponentRecord, expert_stride_bytes) == 80);

struct SourceFileRecord {
  StringRef name;      ///< file name inside the source folder
  StringRef metadata;  ///< "__metadata__" as a JSON object, or empty where the file has none
  uint64_t size_bytes;
  uint8_t sha256[32];
  uint32_t first_tensor;  ///< its tensors are source_tensors[first, first + count), in data order
  uint32_t tensor_count;
};
static_assert(sizeof(SourceFileRecord) == 64);

enum class Disposition : uint16_t { kConverted = 1, kCopied = 2, kIgnored = 3 };

/// One tensor of the source and where its bits went.
struct SourceTensorRecord {
  StringRef name;  ///< as in the source
  uint16_t dtype;
  uint16_t rank;
  uint16_t disposition;
  uint16_t plane;  ///< ComponentKind that it is in the canonical model (codes, block_scale,
                   ///< multiplier, input_scale, bias)
  uint64_t dims[8];
  uint64_t size_bytes;
  uint8_t digest[16];  ///< XXH3-128 of the tensor's bytes; zero if ignored
  uint32_t operand;    ///< index into operands, kNone if ignored
  uint32_t part;       ///< ordinal inside the operand
  uint32_t expert;     ///< kNone for a tensor that holds every expert
  uint16_t encoding;   ///< registry "encodings": how its bytes are the canonical plane
  uint16_t reserved0;
  StringRef reason;  ///< why it was ignored; else empty
  uint64_t reserved[2];
};
static_assert(sizeof(SourceTensorRecord) == 144);

struct PayloadFileRecord {
  StringRef name;       ///< file name beside this one; empty for this file (record 0)
  uint64_t size_bytes;  ///< whole file; 0 for record 0
};
static_assert(sizeof(PayloadFileRecord) == 16);

/// A run of payload bytes under one digest. Sorted by (payload_file, offset).
struct ChunkRecord {
  uint64_t offset_bytes;
  uint32_t size_bytes;
  uint32_t payload_file;
  uint8_t digest[16];  ///< XXH3-128
};
static_assert(sizeof(ChunkRecord) == 32);

struct CompanionRecord {
  StringRef name;
  uint64_t offset_bytes;  ///< of the zstd frame, from the start of the companion bytes
  uint64_t stored_bytes;
  uint64_t raw_bytes;
  uint8_t sha256[32];  ///< of the raw bytes
};
static_assert(sizeof(CompanionRecord) == 64);

}  // namespace imp::artifact
