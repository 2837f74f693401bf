// Writing an .imp file: index first planned, payload in any order, tail and header last.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/imp/ondisk.h"
#include "src/base/digest.h"
#include "src/base/file.h"
#include "src/base/result.h"

namespace imp::artifact {

/// Strings of the index, each stored once, in the order in which they are added.
class StringTable {
 public:
  StringRef add(std::string_view text);
  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
  std::map<std::string, StringRef, std::less<>> known_;
};

/// The index of an artifact in memory. Offsets of components are absolute and final; offset, size,
/// dtype and shape of exceptions components are set by the writer.
struct Index {
  std::vector<OperandRecord> operands;  ///< sorted by name
  std::vector<PartRecord> parts;
  std::vector<FormRecord> forms;
  std::vector<ComponentRecord> components;
  std::vector<ScalarRecord> scalars;
  std::vector<SourceFileRecord> source_files;
  std::vector<SourceTensorRecord> source_tensors;
  std::vector<PayloadFileRecord> payload_files;
  StringTable strings;
};

/// Sizes that fix where everything before the tail lies.
struct IndexCounts {
  uint64_t operands = 0, parts = 0, forms = 0, components = 0, scalars = 0;
  uint64_t source_files = 0, source_tensors = 0, payload_files = 0, string_bytes = 0;
};

/// Bytes from the start of the file to the payload (a multiple of kLargeAlignmentBytes): header,
/// section table and index sections, each section at a multiple of 64.
uint64_t payload_offset_bytes(const IndexCounts& counts);
IndexCounts counts_of(const Index& index);

/// Where the payload's components lie: `offset` absolute, as in the component records.
struct PayloadExtent {
  uint64_t offset_bytes = 0;
  uint64_t size_bytes = 0;
};

/// Chunk boundaries for payload extents, which must be sorted and disjoint (a range that forms
/// share counts once): a chunk is at most kChunkBytes, chunks start anew at each large extent
/// (>= kSmallComponentBytes); neighbouring small extents of a pool (less than kPoolAlignmentBytes
/// between them), with the zero padding between them, share chunks. Digests are left zero.
std::vector<ChunkRecord> chunks_for(std::span<const PayloadExtent> extents);

/// Upper bound of the chunk table's size in bytes for these extents plus at most `exceptions_bytes`
/// of exceptions.
uint64_t chunk_table_bound_bytes(std::span<const PayloadExtent> extents, uint64_t exceptions_bytes);

struct CompanionInput {
  std::string name;
  std::string bytes;
};

/// Gives the bytes of one exceptions component piece by piece.
class ExceptionSource {
 public:
  virtual ~ExceptionSource() = default;
  /// Size of the exceptions of components[component_index].
  virtual uint64_t size_bytes(uint32_t component_index) const = 0;
  /// Call `sink` with consecutive pieces.
  virtual Status read(uint32_t component_index, const std::function<Status(Bytes)>& sink) const = 0;
};

/// Accumulates digests of payload chunks while they are written, and reads back those it did not
/// see whole.
class ChunkDigester {
 public:
  explicit ChunkDigester(std::vector<ChunkRecord> chunks);
  /// Thread-safe; call it after the write. A write that covers a whole chunk digests it from
  /// memory; a chunk that anything else touches is read back by finish().
  void on_write(uint64_t offset_bytes, Bytes data);
  /// Digest what is missing from `file`. Records in order.
  Result<std::vector<ChunkRecord>> finish(const OutputFile& file);

 private:
  struct State;
  std::shared_ptr<State> state_;
};

struct WriteResult {
  uint64_t total_bytes = 0;
  Sha256 artifact_id{};
};

/// Write index, exceptions, chunk table, manifest, companions and header of an artifact whose
/// payload is already in `file` at the offsets of index.components, and commit. Bytes of [0,
/// payload end) that no section or component owns are zero. `manifest` is the JSON text.
/// Deterministic: equal arguments give equal bytes. What Reader::open would refuse is refused
/// before the commit, with the same error. REQUIRES: payload offset ==
/// payload_offset_bytes(counts_of(index)); names of companions are in index.strings already (they
/// count for the payload offset); `digester` was made from chunks_for(). Errors: those of `file`
/// and `exceptions`, of Reader::open for the index, kInternal.
Result<WriteResult> finish_artifact(OutputFile& file, Index index, uint64_t payload_end_bytes,
                                    ChunkDigester digester, const ExceptionSource& exceptions,
                                    std::string_view manifest,
                                    std::span<const CompanionInput> companions);

}  // namespace imp::artifact
