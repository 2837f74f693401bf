#include "src/plan/plan.h"

#include <algorithm>
#include <numeric>

#include "formats/imp/targets.h"
#include "formats/imp/writer.h"
#include "src/model/gguf_manifest.h"
#include "src/plan/constants.h"
#include "src/plan/fusion.h"
#include "src/plan/index.h"
#include "src/plan/placement.h"
#include "src/plan/steps.h"

namespace imp::plan {
namespace {

using model::Model;

// Fixed memory of a run: slabs in flight (source, packed, read-back) stay below this whatever the
// thread count.
constexpr uint64_t kSlabMemoryBytes = 96u << 20;
constexpr uint64_t kMaxSlabBytes = 8u << 20;
// Code, allocator, header parser, exceptions in memory.
constexpr uint64_t kBaseMemoryBytes = 96u << 20;

/// Being read, waiting for workers or in them, and waiting for the hasher or in it.
uint64_t slabs_in_flight(uint64_t threads) { return 1 + 2 * threads + kHashQueueSlabs + 1; }

Status check_targets(const Options& options) {
  if (options.sms.empty() && !options.layout)
    return Error{ErrorKind::kUsage, "name at least one --target (see --list-targets) or a --layout",
                 "", ""};
  for (const uint32_t sm : options.sms)
    if (!artifact::target_mask(sm))
      return Error{ErrorKind::kUsage,
                   "sm_" + std::to_string(sm) + " is no known target; see --list-targets", "", ""};
  return {};
}

std::vector<uint32_t> sorted_by_name(const std::vector<Operand>& operands) {
  std::vector<uint32_t> order(operands.size());
  std::iota(order.begin(), order.end(), 0u);
  std::sort(order.begin(), order.end(),
            [&](uint32_t a, uint32_t b) { return operands[a].name < operands[b].name; });
  return order;
}

std::vector<artifact::PayloadExtent> extents_of(const Plan& plan) {
  std::vector<artifact::PayloadExtent> extents;
  for (const Blob& blob : plan.blobs) extents.push_back({blob.offset_bytes, blob.size_bytes});
  return extents;
}

uint64_t companion_bytes(const Model& model) {
  uint64_t total = 0;
  // Frame overhead of zstd on incompressible data is below 1/256 + 64 bytes.
  const auto add = [&](const std::string& name, uint64_t size) {
    total += size + size / 256 + 64 + sizeof(artifact::CompanionRecord) + name.size();
  };
  for (const auto& [name, bytes] : model.source.made_companions) add(name, bytes.size());
  for (const std::string& name : model.source.companions) {
    std::error_code error;
    const auto size = std::filesystem::file_size(model.source.folder / name, error);
    if (!error) add(name, size);
  }
  return total;
}

uint64_t manifest_bound(const Model& model, const Plan& plan) {
  // One operand's or file's JSON before compression, 127 counted scale bytes included.
  constexpr uint64_t kPerItem = 8192;
  return kPerItem * (plan.operands.size() + model.source.files.size() + 16) +
         model::gguf_manifest_bound(model.source);
}

}  // namespace

Result<Plan> make_plan(const Model& model, const Options& options) {
  IMP_TRY(check_targets(options));
  Plan plan;
  plan.layout = options.layout;
  plan.sms = options.sms;
  std::sort(plan.sms.begin(), plan.sms.end());
  plan.sms.erase(std::unique(plan.sms.begin(), plan.sms.end()), plan.sms.end());
  IMP_ASSIGN(plan.operands, make_operands(model, {plan.sms, plan.layout}));
  plan.by_name = sorted_by_name(plan.operands);
  // Sizes of the index do not depend on the offsets in it, so it is built once to learn them.
  plan.payload_offset_bytes =
      artifact::payload_offset_bytes(artifact::counts_of(build_index(model, plan)));
  plan.blobs = place_payload(plan.operands, plan.payload_offset_bytes);
  plan.payload_end_bytes = plan.blobs.empty()
                               ? plan.payload_offset_bytes
                               : plan.blobs.back().offset_bytes + plan.blobs.back().size_bytes;
  plan.steps = make_steps(model, plan);
  plan.constants = make_constants(model, plan);
  plan.exceptions_bound_bytes = exceptions_bound_bytes(plan);
  plan.tail_bound_bytes =
      artifact::chunk_table_bound_bytes(extents_of(plan), plan.exceptions_bound_bytes) +
      manifest_bound(model, plan) + companion_bytes(model);
  return plan;
}

StreamBudget stream_budget(uint64_t threads) {
  // Each job holds its source slab and at most twice as much of packed bytes, one form after the
  // other.
  const uint64_t in_flight = slabs_in_flight(threads);
  const uint64_t slab = std::min(kMaxSlabBytes, kSlabMemoryBytes / (3 * in_flight));
  return {std::max<uint64_t>(slab, 64u << 10), threads};
}

uint64_t peak_memory_bytes(const Model& model, const Plan& plan, uint64_t threads) {
  const StreamBudget budget = stream_budget(threads);
  const uint64_t slabs = 3 * slabs_in_flight(threads) * budget.slab_bytes;
  // Names, records and steps: index twice (plan and records), inventory once.
  const uint64_t inventory = 512 * model.source.tensors.size() + 2 * plan.payload_offset_bytes;
  uint64_t one_row = 0;  // a slab is at least one tile of rows
  for (const Operand& operand : plan.operands) one_row = std::max(one_row, 128 * operand.k);
  // Source, canonical and packed bytes of planes that cannot be cut.
  uint64_t whole = 0;
  for (const Step& step : plan.steps)
    for (const Write& write : step.writes)
      if (write.action != Action::kCopy &&
          (quant::cut_rows(step.coding) == 0 || takes_whole_plane(write)))
        whole = std::max(whole, quant::source_bytes(step.coding));
  if (whole != 0) whole = 4 * (kLargePlaneBytes + whole);
  return kBaseMemoryBytes + slabs + inventory + one_row + whole;
}

}  // namespace imp::plan
