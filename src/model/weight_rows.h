// Values of a weight's rows, from the planes of its source.
#pragma once

#include <map>
#include <span>
#include <vector>

#include "src/base/result.h"
#include "src/model/model.h"
#include "src/quant/decode.h"

namespace imp::model {

/// How the weight's planes make values: scale dtype, groups, tables. REQUIRES: no blocks.
quant::WeightFormat format_of(const Source& source, const Weight& weight);

/// Reads rows of one weight; not thread-safe. The weight and the source must outlive it.
class WeightRows {
 public:
  /// Errors: kUnsupportedScheme for sparse weights and for values that are no weights.
  static Result<WeightRows> open(const Source& source, const Weight& weight);

  /// Values [rows, K] of one expert, the exact product rounded once. REQUIRES: the rows are in it,
  /// out.size() == rows * K. Errors: kIo, kTruncated, those of quant::to_canonical.
  Status read(uint64_t expert, uint64_t row0, uint64_t rows, std::span<float> out);

 private:
  WeightRows(const Source& source, const Weight& weight) : source_(source), weight_(weight) {}
  Status read_blocks(uint64_t expert, uint64_t row0, uint64_t rows, std::span<float> out);
  /// Rows of a plane in canonical order; empty if the weight has no such plane.
  Result<Bytes> canonical(ComponentKind kind, uint64_t expert, uint64_t row0, uint64_t rows);
  quant::GlobalScale global_of(uint64_t expert) const;
  Status open_expert(uint64_t expert);

  struct Held {
    uint64_t expert = 0;
    uint64_t row0 = 0;
    uint64_t rows = 0;
    std::vector<std::byte> bytes;
  };

  const Source& source_;
  const Weight& weight_;
  quant::WeightFormat format_;
  uint64_t expert_ = ~uint64_t{0};
  std::vector<uint32_t> groups_;
  std::map<ComponentKind, Held> held_;
  std::vector<double> exact_;
};

}  // namespace imp::model
