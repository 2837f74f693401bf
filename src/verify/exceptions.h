// The exceptions component of a form, read in order while its rows are walked
// (kernels/layouts/README.md, "exceptions").
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "src/verify/slab.h"

namespace imp::verify {

class ExceptionCursor {
 public:
  explicit ExceptionCursor(const FormView& view);

  /// Why a record of the slab's group `at` is none that the layout needs: the end of a sentence
  /// that begins with the group, nullptr if it is one.
  using Refusal = std::function<const char*(uint64_t at, uint8_t scale, uint64_t codes)>;

  /// Put the recorded bits of the slab's groups of 16 back, codes and scales of 16 columns. Slabs
  /// must come in ascending order of (expert, row). Errors: kInverseMismatch for a record out of
  /// order or refused; kIo.
  Status apply(const StoredSlab& slab, CanonicalSlab& canonical, const Refusal& refusal);
  /// After the last slab: a record is left only if its group lies outside the operand.
  Status finish();

 private:
  struct Record {
    uint64_t group;
    uint8_t scale;
    uint64_t codes;
  };
  Status load_next();
  Error error(const std::string& what) const;

  FormView view_;
  const artifact::ComponentRecord* component_ = nullptr;
  uint64_t next_offset_bytes_ = 0;
  std::vector<std::byte> buffer_;
  uint64_t buffer_at_ = 0;
  std::optional<Record> next_;
  std::optional<uint64_t> last_group_;
  bool started_ = false;
};

}  // namespace imp::verify
