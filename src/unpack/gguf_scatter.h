// Rows of a view back to their places in GGUF files.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "formats/gguf/frame.h"
#include "src/base/file.h"
#include "src/model/gguf_manifest.h"

namespace imp::unpack {

/// The files that are written, and which of their bytes were. Thread-safe.
class GgufFiles {
 public:
  explicit GgufFiles(std::vector<std::unique_ptr<AtomicFile>> files)
      : files_(std::move(files)), written_(files_.size()) {}

  AtomicFile& file(uint32_t index) { return *files_[index]; }
  Status write(uint32_t file, uint64_t offset_bytes, Bytes bytes);
  /// What nobody wrote, ascending. REQUIRES: nobody writes any more.
  std::vector<gguf::ByteRange> ranges_left(uint32_t file, uint64_t file_bytes) const;

 private:
  std::vector<std::unique_ptr<AtomicFile>> files_;
  std::mutex mutex_;
  std::vector<std::vector<gguf::ByteRange>> written_;  ///< neighbours written in order are one
};

class ViewScatter {
 public:
  /// REQUIRES: a view of parse_gguf_manifest.
  ViewScatter(const model::GgufManifest& manifest, const model::TensorView& view, GgufFiles& files);

  /// Bytes of a whole row, all fields together.
  uint64_t row_bytes() const { return row_bytes_; }
  /// Write rows [row0, row0 + rows), counted through all experts, as stored but little-endian and
  /// in the order of the view; `bytes` is used up. Of kMlaKeyValue each head in ascending order.
  Status put(uint64_t row0, uint64_t rows, MutableBytes bytes);

 private:
  void move_columns(uint64_t rows, MutableBytes bytes);
  Status put_key_value(uint64_t row0, uint64_t rows, MutableBytes bytes);
  Status write(const model::ViewPlace& place, uint64_t row_bytes, MutableBytes bytes);

  const model::GgufManifest& manifest_;
  const model::TensorView& view_;
  GgufFiles& files_;
  const uint64_t row_bytes_;
  const uint64_t rows_of_expert_;
  std::vector<std::byte> line_, head_;
};

}  // namespace imp::unpack
