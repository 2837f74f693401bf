#include "src/transcode/new_planes.h"

#include <algorithm>
#include <utility>

#include "src/base/little_endian.h"
#include "src/model/scalars.h"
#include "src/model/weight_rows.h"

namespace imp::transcode {
namespace {

using model::Source;

/// Floats that exist at a time.
constexpr uint64_t kBatchElems = 1u << 18;

quant::TranscodeFormat format_for(const Job& job, uint64_t expert) {
  quant::TranscodeFormat format = job.format;
  format.global = job.globals[expert];
  return format;
}

/// Rows of codes or scales: of one expert, or of all, one expert after the other.
class PlaneTensor : public model::MadeTensor {
 public:
  PlaneTensor(std::shared_ptr<const Job> job, uint32_t expert, bool codes)
      : job_(std::move(job)), expert_(expert), codes_(codes) {}

  uint64_t row_bytes() const override {
    return codes_ ? job_->format.code_row_bytes() : job_->format.scale_row_bytes();
  }
  uint32_t made_from() const override { return job_->codes_tensor; }

  Status read_rows(const Source& source, uint64_t row0, uint64_t rows,
                   MutableBytes out) const override {
    const uint64_t n = job_->weight.n;
    for (uint64_t done = 0; done < rows;) {
      const uint64_t at = row0 + done;
      const uint64_t expert = expert_ == model::kNone ? at / n : expert_;
      const uint64_t row = expert_ == model::kNone ? at % n : at;
      const uint64_t count = std::min({rows - done, n - row, batch_rows()});
      IMP_TRY(read_batch(source, expert, row, count,
                         out.subspan(done * row_bytes(), count * row_bytes())));
      done += count;
    }
    return {};
  }

 private:
  uint64_t batch_rows() const { return std::max<uint64_t>(kBatchElems / job_->weight.k, 1); }

  Status read_batch(const Source& source, uint64_t expert, uint64_t row, uint64_t rows,
                    MutableBytes out) const {
    const quant::TranscodeFormat& format = job_->format;
    std::vector<std::byte> other(rows *
                                 (codes_ ? format.scale_row_bytes() : format.code_row_bytes()));
    IMP_TRY(quantise_rows(source, *job_, expert, row, rows, codes_ ? out : MutableBytes(other),
                          codes_ ? MutableBytes(other) : out));
    // Checkpoints hold integer codes of 8 bits in two's complement.
    if (codes_ && format.target == quant::TranscodeTarget::kInt8)
      for (std::byte& code : out) code ^= std::byte{0x80};
    return {};
  }

  const std::shared_ptr<const Job> job_;
  const uint32_t expert_;
  const bool codes_;
};

class GlobalsTensor : public model::MadeTensor {
 public:
  GlobalsTensor(std::shared_ptr<const Job> job, uint32_t expert)
      : job_(std::move(job)), expert_(expert) {}

  uint64_t row_bytes() const override { return sizeof(float); }
  uint32_t made_from() const override { return job_->codes_tensor; }
  Status read_rows(const Source&, uint64_t row0, uint64_t rows, MutableBytes out) const override {
    for (uint64_t r = 0; r < rows; ++r)
      store_le(&out[r * sizeof(float)],
               job_->globals[expert_ == model::kNone ? row0 + r : expert_]);
    return {};
  }

 private:
  const std::shared_ptr<const Job> job_;
  const uint32_t expert_;
};

}  // namespace

Status quantise_rows(const Source& source, const Job& job, uint64_t expert, uint64_t row0,
                     uint64_t rows, MutableBytes codes, MutableBytes scales) {
  IMP_ASSIGN(model::WeightRows reader, model::WeightRows::open(source, job.weight));
  const uint64_t k = job.weight.k;
  std::vector<float> values(rows * k);
  IMP_TRY(reader.read(expert, row0, rows, values));
  // They were finite when the weight was measured; a file that changed since may hold anything.
  const Result<float> finite = quant::largest_magnitude(values);
  if (!finite.ok())
    return model::tensor_error(source, job.codes_tensor, finite.error().kind,
                               "changed while it was transcoded: " + finite.error().message);
  const quant::TranscodeFormat format = format_for(job, expert);
  const uint64_t code_bytes = format.code_row_bytes(), scale_bytes = format.scale_row_bytes();
  for (uint64_t r = 0; r < rows; ++r)
    quant::transcode_row(format, std::span<const float>(values).subspan(r * k, k),
                         codes.subspan(r * code_bytes, code_bytes),
                         scales.subspan(r * scale_bytes, scale_bytes));
  return {};
}

std::shared_ptr<const model::MadeTensor> make_codes(std::shared_ptr<const Job> job,
                                                    uint32_t expert) {
  return std::make_shared<PlaneTensor>(std::move(job), expert, true);
}

std::shared_ptr<const model::MadeTensor> make_scales(std::shared_ptr<const Job> job,
                                                     uint32_t expert) {
  return std::make_shared<PlaneTensor>(std::move(job), expert, false);
}

std::shared_ptr<const model::MadeTensor> make_globals(std::shared_ptr<const Job> job,
                                                      uint32_t expert) {
  return std::make_shared<GlobalsTensor>(std::move(job), expert);
}

}  // namespace imp::transcode
