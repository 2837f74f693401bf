#include "src/verify/content.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstring>
#include <string>

#include "src/base/digest.h"
#include "src/base/interrupt.h"
#include "src/base/little_endian.h"
#include "src/base/work_queue.h"
#include "src/quant/f16.h"
#include "src/verify/packed_planes.h"
#include "src/verify/planes.h"
#include "src/verify/stored_planes.h"

namespace imp::verify {
namespace {

using artifact::ComponentKind;
using artifact::Reader;
using artifact::ScalarRecord;
using artifact::ScalarState;
using artifact::SourceTensorRecord;

/// The source's bits of a number of the index, which widened them exactly; empty for a dtype that
/// no scale has.
std::vector<std::byte> narrow_bits(const ScalarRecord& scalar, Dtype dtype) {
  std::vector<std::byte> bytes(dtype_bits(dtype) / 8);
  if (dtype == Dtype::kF32)
    store_le(bytes.data(), scalar.bits);
  else if (dtype == Dtype::kBF16)
    store_le(bytes.data(), static_cast<uint16_t>(scalar.bits >> 16));
  else if (dtype == Dtype::kF16)
    store_le(bytes.data(), quant::f16_from_float(std::bit_cast<float>(scalar.bits)));
  else
    bytes.clear();
  return bytes;
}

/// Scalars of the index are source tensors too.
class ScalarCheck {
 public:
  ScalarCheck(const Reader& reader, const PlaneTable& planes, uint32_t operand, Problems& problems)
      : reader_(reader),
        record_(reader.operands()[operand]),
        operand_(operand),
        planes_(planes),
        problems_(problems) {}

  /// Source tensors compared.
  uint64_t run() {
    const auto parts = reader_.parts_of(record_);
    for (uint32_t p = 0; p < parts.size(); ++p) {
      check_presence(p, ComponentKind::kMultiplier, parts[p].first_multiplier,
                     parts[p].multiplier_count);
      check_presence(p, ComponentKind::kInputScale, parts[p].first_input_scale,
                     parts[p].input_scale_count);
    }
    uint64_t compared = 0;
    for (const SourceTensorRecord* tensor : planes_.of_operand(operand_)) {
      const auto plane = static_cast<ComponentKind>(tensor->plane);
      const artifact::PartRecord& part = parts[tensor->part];
      if (plane == ComponentKind::kMultiplier)
        compared += compare(*tensor, part.first_multiplier, part.multiplier_count);
      else if (plane == ComponentKind::kInputScale)
        compared += compare(*tensor, part.first_input_scale, part.input_scale_count);
    }
    return compared;
  }

 private:
  void check_presence(uint32_t part, ComponentKind plane, uint64_t first, uint64_t count) {
    for (uint32_t e = 0; e < count; ++e) {
      const bool present =
          reader_.scalars()[first + e].state != static_cast<uint8_t>(ScalarState::kAbsent);
      if (present == (planes_.find_for(operand_, part, e, plane) != nullptr)) continue;
      problems_.add(Error{ErrorKind::kInverseMismatch,
                          "a scalar of part " + std::to_string(part) + ", expert " +
                              std::to_string(e) +
                              (present ? " has no source tensor" : " is missing"),
                          reader_.path(), std::string(reader_.string(record_.name))});
    }
  }

  uint64_t compare(const SourceTensorRecord& tensor, uint64_t first, uint64_t count) {
    if (count == 0) {
      problems_.add(differs(tensor));
      return 0;
    }
    const bool all = tensor.expert == artifact::kNone;
    std::vector<std::byte> bytes;
    for (uint64_t e = all ? 0 : tensor.expert; e < (all ? count : tensor.expert + 1); ++e) {
      const auto one = narrow_bits(reader_.scalars()[first + e], static_cast<Dtype>(tensor.dtype));
      // One number may be that of all experts, which then must agree.
      if (all && e > 0 && one.size() == tensor.size_bytes && one == bytes) continue;
      bytes.insert(bytes.end(), one.begin(), one.end());
    }
    const Digest128 digest = xxh3_128(bytes);
    if (std::memcmp(digest.data(), tensor.digest, digest.size()) != 0)
      problems_.add(differs(tensor));
    return 1;
  }

  Error differs(const SourceTensorRecord& tensor) const {
    return Error{ErrorKind::kInverseMismatch,
                 "bytes recovered from the scalar table are not those of the source (XXH3-128 "
                 "differs)",
                 reader_.path(), std::string(reader_.string(tensor.name))};
  }

  const Reader& reader_;
  const artifact::OperandRecord& record_;
  const uint32_t operand_;
  const PlaneTable& planes_;
  Problems& problems_;
};

/// Source tensors of one form that were compared.
Result<uint64_t> check_form(const FormView& view, uint32_t operand, const PlaneTable& planes,
                            Problems& problems) {
  TensorChecks checks(view, problems);
  IMP_TRY(check_stored_planes(view, operand, planes, checks));
  if (view.is_packed(ComponentKind::kCodes))
    IMP_TRY(check_packed_planes(view, operand, planes, checks));
  return checks.compared();
}

void check_chunks(const Reader& reader, uint64_t threads, Problems& problems) {
  constexpr size_t kChunksPerJob = 8;
  WorkQueue queue(threads, threads);
  const auto chunks = reader.chunks();
  for (size_t first = 0; first < chunks.size(); first += kChunksPerJob) {
    const Status status = queue.push([&reader, &problems, chunks, first]() -> Status {
      std::vector<std::byte> scratch;
      for (size_t c = first; c < std::min(first + kChunksPerJob, chunks.size()); ++c) {
        IMP_TRY(check_interrupted());
        problems.add(reader.verify_chunk(chunks[c], scratch));
      }
      return {};
    });
    if (!status.ok()) break;
  }
  problems.add(queue.drain());
}

}  // namespace

ContentCounts check_content(const Reader& reader, const FormSet& forms, uint64_t threads,
                            Problems& problems) {
  ContentCounts counts;
  counts.chunks = reader.chunks().size();
  for (const artifact::ChunkRecord& chunk : reader.chunks()) counts.bytes += chunk.size_bytes;
  check_chunks(reader, threads, problems);
  const PlaneTable planes(reader);
  std::atomic<uint64_t> compared{0};
  std::vector<bool> wanted(reader.forms().size(), false);
  for (const uint32_t form : forms) wanted[form] = true;
  WorkQueue queue(threads, threads);
  for (uint32_t o = 0; o < reader.operands().size(); ++o) {
    const artifact::OperandRecord& operand = reader.operands()[o];
    compared += ScalarCheck(reader, planes, o, problems).run();
    for (uint32_t f = operand.first_form; f < operand.first_form + operand.form_count; ++f) {
      if (!wanted[f]) continue;
      const FormView view{reader, operand, reader.forms()[f]};
      const Status status = queue.push([view, o, &planes, &problems, &compared]() -> Status {
        Result<uint64_t> count = check_form(view, o, planes, problems);
        if (count.ok())
          compared += *count;
        else
          problems.add(std::move(count).error());
        return {};
      });
      if (!status.ok()) break;
    }
  }
  problems.add(queue.drain());
  counts.planes = compared;
  return counts;
}

}  // namespace imp::verify
