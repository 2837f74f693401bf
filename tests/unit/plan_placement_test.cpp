// Where everything lies: exact offsets, alignment, order, sharing. For every fixture and every kind
// of target set.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "formats/imp/targets.h"
#include "src/plan/index.h"
#include "tests/unit/plan_make.h"

namespace imp::plan {
namespace {

using testing::find_component;
using testing::Planned;

constexpr uint64_t kSmall =
    64 * 1024;  // formats/imp/SPEC.md: below this a component lives in a pool

template <class Check>
void for_all_plans(const Check& check) {
  for (const std::string& fixture : testing::planned_fixtures())
    for (const Options& options : testing::all_options()) {
      const Planned planned(fixture, options);
      std::string what = fixture;
      for (const uint32_t sm : options.sms) what += " sm_" + std::to_string(sm);
      SCOPED_TRACE(what);
      check(planned);
    }
}

uint64_t up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

TEST(Placement, PayloadBeginsBehindTheIndex) {
  for_all_plans([](const Planned& planned) {
    const artifact::Index index = build_index(planned.model(), planned.plan);
    EXPECT_EQ(planned.plan.payload_offset_bytes,
              artifact::payload_offset_bytes(artifact::counts_of(index)));
    // The same by the sizes that SPEC.md gives: header 256, 15 section entries of 64, sections at
    // multiples of 64.
    uint64_t end = 256 + 15 * 64;
    for (const uint64_t bytes :
         {index.operands.size() * 96, index.parts.size() * 64, index.forms.size() * 64,
          index.components.size() * 128, index.scalars.size() * 8, index.source_files.size() * 64,
          index.source_tensors.size() * 144, index.payload_files.size() * 16,
          index.strings.bytes().size()})
      end = up(end, 64) + bytes;
    EXPECT_EQ(planned.plan.payload_offset_bytes, up(end, 4096));
  });
}

TEST(Placement, BlobsAreSortedDisjointAlignedAndTight) {
  for_all_plans([](const Planned& planned) {
    uint64_t end = planned.plan.payload_offset_bytes;
    for (const Blob& blob : planned.plan.blobs) {
      ASSERT_GT(blob.size_bytes, 0u);
      const uint64_t alignment = blob.size_bytes < kSmall ? 256 : 4096;
      ASSERT_EQ(blob.offset_bytes, up(end, alignment)) << "at the next multiple, no hole beyond it";
      end = blob.offset_bytes + blob.size_bytes;
    }
    EXPECT_EQ(planned.plan.payload_end_bytes, end);
  });
}

TEST(Placement, OrderIsTargetsThenPoolThenExecution) {
  for_all_plans([](const Planned& planned) {
    std::set<uint64_t> finished;
    const Blob* before = nullptr;
    for (const Blob& blob : planned.plan.blobs) {
      if (before != nullptr && before->targets != blob.targets) {
        EXPECT_TRUE(finished.insert(before->targets).second);
        EXPECT_FALSE(finished.contains(blob.targets)) << "one set of targets is one range";
        EXPECT_EQ(blob.targets & artifact::kTargetAny,
                  before->targets & artifact::kTargetAny & blob.targets)
            << "any comes first";
      } else if (before != nullptr) {
        const bool small = blob.size_bytes < kSmall, small_before = before->size_bytes < kSmall;
        EXPECT_GE(small_before, small) << "the pool comes before what is large";
        if (small == small_before) {
          EXPECT_LE(before->operand, blob.operand) << "execution order";
        }
      }
      before = &blob;
    }
  });
}

TEST(Placement, OneTargetReadsFewRanges) {
  for_all_plans([](const Planned& planned) {
    std::set<uint64_t> sets;
    for (const Blob& blob : planned.plan.blobs) sets.insert(blob.targets);
    for (const uint32_t sm : planned.plan.sms) {
      const uint64_t mask = *artifact::target_mask(sm) | artifact::kTargetAny;
      size_t ranges = 0;
      bool in_range = false;
      for (const Blob& blob : planned.plan.blobs) {
        const bool mine = (blob.targets & mask) != 0;
        ranges += mine && !in_range;
        in_range = mine;
      }
      // One for a file of one layout; with two, what both share lies behind what is the first one's
      // alone.
      EXPECT_LE(ranges, sets.size() > 2 ? 2u : 1u) << sm;
    }
  });
}

TEST(Placement, EveryComponentHasItsBlob) {
  for_all_plans([](const Planned& planned) {
    std::vector<uint64_t> targets(planned.plan.blobs.size(), 0);
    for (uint32_t o = 0; o < planned.plan.operands.size(); ++o)
      for (const Form& form : planned.plan.operands[o].forms)
        for (const Component& c : form.components) {
          if (c.kind == ComponentKind::kExceptions) continue;
          ASSERT_LT(c.blob, planned.plan.blobs.size());
          EXPECT_EQ(planned.blob(c).size_bytes, c.size_bytes);
          EXPECT_EQ(planned.blob(c).operand, o);
          targets[c.blob] |= form.targets;
          const uint64_t experts = planned.plan.operands[o].experts;
          EXPECT_EQ(c.expert_stride_bytes, experts == 1 ? 0 : c.size_bytes / experts);
        }
    for (size_t b = 0; b < targets.size(); ++b)
      EXPECT_EQ(planned.plan.blobs[b].targets, targets[b]) << b;
  });
}

TEST(Placement, FormsShareVectorsAndNothingElse) {
  const Planned planned("modelopt-nvfp4-llama-odd", {{75, 89, 120}, {}});
  const Operand& down = planned.operand("model.layers.0.mlp.down_proj");
  ASSERT_EQ(down.forms.size(), 3u);
  std::map<uint32_t, std::set<ComponentKind>> kinds;
  std::map<uint32_t, int> uses;
  for (const Form& form : down.forms)
    for (const Component& c : form.components)
      if (c.blob != model::kNone) {
        kinds[c.blob].insert(c.kind);
        ++uses[c.blob];
      }
  // Plain and native: codes and scales each; mma64: blocks; then multiplier, input scale, bias.
  EXPECT_EQ(uses.size(), 2u + 2 + 1 + 3);
  for (const auto& [blob, of_kind] : kinds) {
    EXPECT_EQ(of_kind.size(), 1u);
    const ComponentKind kind = *of_kind.begin();
    const bool vector = kind == ComponentKind::kMultiplier || kind == ComponentKind::kInputScale ||
                        kind == ComponentKind::kBias;
    EXPECT_EQ(uses[blob], vector ? 3 : 1);
  }
}

TEST(Placement, TheBoundOfExceptionsIsARecordAGroup) {
  // llama: every quantized matrix of both layers; a record is a u64, the scale byte and 8 bytes of
  // codes.
  const uint64_t groups = 2 * (256 * 16 + 2 * 128 * 16 + 256 * 16 + 2 * 512 * 16 + 256 * 32);
  EXPECT_EQ(Planned("modelopt-nvfp4-llama", {{89}, {}}).plan.exceptions_bound_bytes, groups * 17);
  EXPECT_EQ(Planned("modelopt-nvfp4-llama", {{89, 120}, {}}).plan.exceptions_bound_bytes,
            groups * 17)
      << "native loses nothing";
  EXPECT_EQ(Planned("modelopt-nvfp4-llama", {{120}, {}}).plan.exceptions_bound_bytes, 0u);
  // qwen2moe: four experts.
  const uint64_t moe =
      2 * ((128 + 64 + 64 + 128) * 8 + 4 * (2 * 64 * 8 + 128 * 4) + 2 * 128 * 8 + 128 * 8);
  EXPECT_EQ(Planned("modelopt-nvfp4-qwen2moe", {{80}, {}}).plan.exceptions_bound_bytes, moe * 17);
}

TEST(Memory, StaysBelowTheBudgetWhateverTheThreads) {
  const Planned planned("modelopt-nvfp4-llama", {{89, 120}, {}});
  for (const uint64_t threads : {0u, 1u, 2u, 4u, 16u, 64u, 128u}) {
    EXPECT_LT(peak_memory_bytes(planned.model(), planned.plan, threads), uint64_t{256} << 20)
        << threads;
    EXPECT_GE(stream_budget(threads).slab_bytes, uint64_t{64} << 10) << threads;
  }
}

}  // namespace
}  // namespace imp::plan
