#include "src/transcode/transcode.h"

#include <re2/re2.h>

#include <algorithm>
#include <bit>
#include <memory>
#include <numeric>
#include <utility>

#include "src/base/interrupt.h"
#include "src/base/work_queue.h"
#include "src/model/scalars.h"
#include "src/model/weight_rows.h"
#include "src/quant/decode.h"
#include "src/quant/error_stats.h"
#include "src/transcode/new_planes.h"
#include "src/transcode/replace.h"

namespace imp::transcode {
namespace {

using model::ComponentKind;
using model::Model;
using model::Role;
using model::Source;
using model::Weight;
using quant::Encoding;

/// Floats that exist at a time and worker.
constexpr uint64_t kBatchElems = 1u << 18;

bool may_be_meant(const Weight& weight) {
  return weight.gemm && weight.role != Role::kTokenEmbedding && weight.role != Role::kMlaKvB &&
         weight.role != Role::kRouter;
}

/// Rows and columns of the new tensors are those of the old: the hub's order stays.
bool keeps_rows(Encoding encoding) {
  switch (encoding) {
    case Encoding::kRows:
    case Encoding::kSignedBytes:
    case Encoding::kWords:
    case Encoding::kPaddedWords:
    case Encoding::kNibblesAlongN:
      return true;
    default:
      return false;
  }
}

Result<std::shared_ptr<Job>> make_job(const Source& source, const Weight& weight,
                                      quant::TranscodeTarget target) {
  const model::PlaneSet& codes = *weight.find(ComponentKind::kCodes);
  const uint32_t first = codes.tensors[0];
  if (!keeps_rows(codes.encoding))
    return model::tensor_error(source, first, ErrorKind::kUnsupportedScheme,
                               "cannot be transcoded: encoding " +
                                   std::string(quant::encoding_name(codes.encoding)) +
                                   " does not hold it row by row");
  auto job = std::make_shared<Job>();
  job->weight = weight;
  const bool bf16 = weight.scheme == model::Scheme::kBf16;
  auto format = quant::transcode_format(
      target, bf16 ? quant::ModelFloat::kBf16 : quant::ModelFloat::kF32, weight.k);
  if (!format.ok())
    return model::tensor_error(source, first, format.error().kind, format.error().message);
  job->format = *format;
  job->globals.assign(weight.experts, 1.0f);
  job->codes_tensor = *std::max_element(codes.tensors.begin(), codes.tensors.end());
  return job;
}

/// Hand all rows of one expert to `take`, some at a time: take(row, rows, values).
template <class Take>
Status for_rows(const Source& source, const Job& job, uint64_t expert, const Take& take) {
  IMP_ASSIGN(model::WeightRows reader, model::WeightRows::open(source, job.weight));
  const uint64_t n = job.weight.n, k = job.weight.k;
  const uint64_t batch = std::max<uint64_t>(kBatchElems / k, 1);
  std::vector<float> values;
  for (uint64_t row = 0; row < n; row += batch) {
    IMP_TRY(check_interrupted());
    const uint64_t rows = std::min(batch, n - row);
    values.resize(rows * k);
    IMP_TRY(reader.read(expert, row, rows, values));
    IMP_TRY(take(row, rows, std::span<const float>(values)));
  }
  return {};
}

uint32_t codes_tensor_of(const Job& job, uint64_t expert) {
  const auto& tensors = job.weight.find(ComponentKind::kCodes)->tensors;
  return tensors[tensors.size() == 1 ? 0 : expert];
}

Status find_global(const Source& source, Job& job, uint64_t expert) {
  float largest = 0;
  const auto take = [&](uint64_t row0, uint64_t rows, std::span<const float> values) -> Status {
    for (uint64_t r = 0; r < rows; ++r) {
      const Result<float> found =
          quant::largest_magnitude(values.subspan(r * job.weight.k, job.weight.k));
      if (!found.ok())
        return model::tensor_error(
            source, codes_tensor_of(job, expert), found.error().kind,
            "cannot be transcoded: row " + std::to_string(row0 + r) + ": " + found.error().message);
      largest = std::max(largest, *found);
    }
    return {};
  };
  IMP_TRY(for_rows(source, job, expert, take));
  job.globals[expert] = quant::transcode_global(job.format.target, largest, job.format.dtype);
  return {};
}

quant::WeightFormat decoded_format(const Job& job) {
  using quant::TranscodeTarget;
  quant::WeightFormat format;
  const TranscodeTarget target = job.format.target;
  format.kind = target == TranscodeTarget::kInt8  ? quant::CodeKind::kInteger
                : target == TranscodeTarget::kFp8 ? quant::CodeKind::kE4m3
                                                  : quant::CodeKind::kE2m1;
  format.bits = format.kind == quant::CodeKind::kE2m1 ? 4 : 8;
  format.columns = job.weight.k;
  format.group_size = job.format.group_size;
  format.scale_dtype = job.format.scale_dtype();
  return format;
}

Status measure(const Source& source, const Job& job, uint64_t expert, quant::ErrorStats& stats) {
  quant::WeightFormat format = decoded_format(job);
  const auto groups = quant::column_groups(format, {});
  if (!groups.ok()) return groups.error();
  quant::TranscodeFormat rows_format = job.format;
  rows_format.global = job.globals[expert];
  const quant::GlobalScale global{job.globals[expert],
                                  quant::transcode_convention(job.format.target)};
  std::vector<std::byte> codes(rows_format.code_row_bytes()), scales(rows_format.scale_row_bytes());
  std::vector<double> exact(job.weight.k), wanted(job.weight.k);
  format.rows = 1;
  return for_rows(source, job, expert,
                  [&](uint64_t, uint64_t rows, std::span<const float> values) -> Status {
                    for (uint64_t r = 0; r < rows; ++r) {
                      const auto row = values.subspan(r * job.weight.k, job.weight.k);
                      quant::transcode_row(rows_format, row, codes, scales);
                      quant::CanonicalRows planes;
                      planes.rows = 1;
                      planes.codes = codes;
                      planes.scales = scales;
                      quant::decode_rows(format, planes, *groups, global, exact);
                      std::copy(row.begin(), row.end(), wanted.begin());
                      stats.add(wanted, exact);
                    }
                    return {};
                  });
}

struct Matched {
  uint32_t weight = 0;
  std::shared_ptr<Job> job;
  std::vector<quant::ErrorStats> stats;  ///< one an expert: summed in order
};

Result<std::vector<Matched>> match(const Model& model, const std::vector<Rule>& rules) {
  std::vector<std::unique_ptr<re2::RE2>> patterns;
  for (const Rule& rule : rules)
    patterns.push_back(std::make_unique<re2::RE2>(rule.pattern, re2::RE2::Quiet));
  std::vector<Matched> matched;
  std::vector<bool> used(rules.size(), false);
  for (uint32_t w = 0; w < model.weights.size(); ++w) {
    const Weight& weight = model.weights[w];
    if (!may_be_meant(weight)) continue;
    size_t r = 0;
    while (r < rules.size() && !re2::RE2::PartialMatch(weight.name, *patterns[r])) ++r;
    if (r == rules.size()) continue;
    used[r] = true;
    IMP_ASSIGN(auto job, make_job(model.source, weight, rules[r].target));
    matched.push_back({w, std::move(job), std::vector<quant::ErrorStats>(weight.experts)});
  }
  for (size_t r = 0; r < rules.size(); ++r)
    if (!used[r])
      return Error{ErrorKind::kUsage,
                   "--transcode '" + rule_text(rules[r]) +
                       "' matches no weight that an earlier "
                       "rule left",
                   "", ""};
  return matched;
}

/// Of values, for people who wait.
uint64_t expert_bytes(const Job& job) { return job.weight.n * job.weight.k * sizeof(float); }

Status read_weights(const Source& source, std::vector<Matched>& matched, uint64_t threads,
                    Log& log) {
  uint64_t total = 0, done = 0;
  for (const Matched& m : matched) total += m.job->weight.experts * expert_bytes(*m.job);
  WorkQueue queue(threads, 2 * threads);
  for (Matched& m : matched)
    for (uint64_t e = 0; e < m.job->weight.experts; ++e) {
      const Status pushed = queue.push([&source, &m, e]() -> Status {
        IMP_TRY(find_global(source, *m.job, e));
        return measure(source, *m.job, e, m.stats[e]);
      });
      IMP_TRY(pushed);
      log.progress(done += expert_bytes(*m.job), total);
    }
  return queue.drain();
}

model::Transcoded report_of(const Matched& m) {
  quant::ErrorStats all;
  for (const quant::ErrorStats& stats : m.stats) all.add(stats);
  return {m.weight,
          std::string(model::scheme_name(m.job->weight.scheme)),
          std::string(quant::transcode_name(m.job->format.target)),
          all.relative_rms(),
          all.snr_db(),
          all.largest_error};
}

}  // namespace

Status transcode_weights(Model& model, const std::vector<Rule>& rules, uint64_t threads, Log& log) {
  if (rules.empty()) return {};
  IMP_ASSIGN(std::vector<Matched> matched, match(model, rules));
  IMP_TRY(read_weights(model.source, matched, threads, log));
  std::vector<Replacement> replacements;
  for (const Matched& m : matched) {
    model.transcoded.push_back(report_of(m));
    replacements.push_back({m.weight, m.job});
  }
  replace_planes(model, replacements);
  return {};
}

}  // namespace imp::transcode
