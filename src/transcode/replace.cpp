#include "src/transcode/replace.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <string>
#include <utility>

namespace imp::transcode {
namespace {

using model::ComponentKind;
using model::Model;
using model::PlaneSet;
using model::Scheme;
using model::SourceTensor;
using model::Weight;
using quant::TranscodeTarget;

/// Planes that say how the old codes were numbers.
bool belongs_to_codes(ComponentKind kind) {
  switch (kind) {
    case ComponentKind::kBias:
    case ComponentKind::kInputScale:
    case ComponentKind::kKScale:
    case ComponentKind::kSvdA:
    case ComponentKind::kSvdB:
    case ComponentKind::kInputZeroPoint:
    case ComponentKind::kOutputScale:
      return false;
    default:
      return true;
  }
}

/// What the producer of the target's format calls and holds its tensors.
struct Dialect {
  Scheme scheme;
  Dtype codes;
  Dtype scales;
  const char* codes_name;
  const char* global_name;  ///< nullptr: none
};

Dialect dialect_of(TranscodeTarget target) {
  switch (target) {
    case TranscodeTarget::kNvfp4ModelOpt:
      return {Scheme::kNvfp4, Dtype::kU8, Dtype::kF8E4M3, "weight", "weight_scale_2"};
    case TranscodeTarget::kNvfp4CompressedTensors:
      return {Scheme::kNvfp4, Dtype::kU8, Dtype::kF8E4M3, "weight_packed", "weight_global_scale"};
    case TranscodeTarget::kMxfp4ModelOpt:
      return {Scheme::kMxfp4, Dtype::kU8, Dtype::kU8, "weight", nullptr};
    case TranscodeTarget::kMxfp4CompressedTensors:
      return {Scheme::kMxfp4, Dtype::kU8, Dtype::kU8, "weight_packed", nullptr};
    case TranscodeTarget::kInt8:
      return {Scheme::kInt8, Dtype::kI8, Dtype::kF32, "weight", nullptr};
    case TranscodeTarget::kFp8:
      return {Scheme::kFp8, Dtype::kF8E4M3, Dtype::kF32, "weight", nullptr};
  }
  return {};
}

class Replacer {
 public:
  explicit Replacer(Model& model) : model_(model) {}

  void replace(const Replacement& replacement) {
    Weight& weight = model_.weights[replacement.weight];
    const Job& job = *replacement.job;
    const Dialect dialect = dialect_of(job.format.target);
    drop_old(weight, job);
    weight.scheme = dialect.scheme;
    weight.group_size = static_cast<uint32_t>(job.format.group_size);
    weight.group_rows = 1;
    weight.dtype = dialect.codes;
    weight.shape = {weight.n, job.format.code_row_bytes()};
    weight.activations_8bit = false;
    weight.k_gather.clear();
    weight.why = "transcoded from " + std::string(model::scheme_name(job.weight.scheme)) + " to " +
                 std::string(quant::transcode_name(job.format.target));
    add_planes(weight, replacement.job, dialect);
  }

  /// Computed tensors behind the tensors they are made from.
  void sort() {
    auto& tensors = model_.source.tensors;
    std::vector<uint32_t> order(tensors.size());
    std::iota(order.begin(), order.end(), 0u);
    const auto key = [&](uint32_t t) {
      return tensors[t].made == nullptr ? t : tensors[t].made->made_from();
    };
    std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
      return std::pair(key(a), a) < std::pair(key(b), b);
    });
    std::vector<SourceTensor> sorted;
    std::vector<uint32_t> number(order.size());
    for (const uint32_t t : order) {
      number[t] = static_cast<uint32_t>(sorted.size());
      sorted.push_back(std::move(tensors[t]));
    }
    tensors = std::move(sorted);
    for (Weight& weight : model_.weights) renumber(weight, number);
    for (const auto& job : jobs_) {
      renumber(job->weight, number);
      job->codes_tensor = number[job->codes_tensor];
    }
  }

 private:
  void drop_old(Weight& weight, const Job& job) {
    std::vector<PlaneSet> kept;
    for (PlaneSet& set : weight.planes) {
      if (!belongs_to_codes(set.kind)) {
        kept.push_back(std::move(set));
        continue;
      }
      for (const uint32_t t : set.tensors) {
        if (t == model::kNone) continue;
        model_.source.tensors[t].disposition = model::Disposition::kIgnored;
        model_.source.tensors[t].reason =
            "transcoded to " + std::string(quant::transcode_name(job.format.target));
      }
    }
    weight.planes = std::move(kept);
    weight.multipliers.clear();
  }

  void add_planes(Weight& weight, const std::shared_ptr<Job>& job, const Dialect& dialect) {
    jobs_.push_back(job);
    const std::vector<uint32_t> old = job->weight.find(ComponentKind::kCodes)->tensors;
    PlaneSet codes{ComponentKind::kCodes, {}, encoding_of(*job)};
    PlaneSet scales{ComponentKind::kBlockScale, {}, quant::Encoding::kRows};
    PlaneSet globals{ComponentKind::kMultiplier, {}, quant::Encoding::kRows};
    const bool stacked = old.size() == 1 && weight.experts > 1;
    for (size_t e = 0; e < old.size(); ++e) {
      const uint32_t expert = stacked ? model::kNone : static_cast<uint32_t>(e);
      const uint64_t code_columns = job->format.code_row_bytes();
      const uint64_t scale_columns =
          job->format.scale_row_bytes() / (dtype_bits(dialect.scales) / 8);
      codes.tensors.push_back(add(old[e], dialect.codes_name, dialect.codes,
                                  shape_of(weight, stacked, {weight.n, code_columns}),
                                  make_codes(job, expert)));
      scales.tensors.push_back(add(old[e], "weight_scale", dialect.scales,
                                   shape_of(weight, stacked, {weight.n, scale_columns}),
                                   make_scales(job, expert)));
      if (dialect.global_name != nullptr)
        globals.tensors.push_back(add(old[e], dialect.global_name, Dtype::kF32,
                                      shape_of(weight, stacked, {}), make_globals(job, expert)));
    }
    weight.planes.insert(weight.planes.begin(), {std::move(codes), std::move(scales)});
    if (dialect.global_name == nullptr) return;
    weight.planes.push_back(std::move(globals));
    const auto state =
        quant::transcode_convention(job->format.target) == quant::Convention::kDivisor
            ? model::ScalarState::kDivisor
            : model::ScalarState::kMultiplier;
    for (const float global : job->globals)
      weight.multipliers.push_back({std::bit_cast<uint32_t>(global), state});
  }

  static quant::Encoding encoding_of(const Job& job) {
    return job.format.target == TranscodeTarget::kInt8 ? quant::Encoding::kSignedBytes
                                                       : quant::Encoding::kRows;
  }

  static Shape shape_of(const Weight& weight, bool stacked, std::initializer_list<uint64_t> dims) {
    Shape shape;
    if (stacked) shape.dims[shape.rank++] = weight.experts;
    for (const uint64_t d : dims) shape.dims[shape.rank++] = d;
    return shape;
  }

  uint32_t add(uint32_t old, const std::string& suffix, Dtype dtype, const Shape& shape,
               std::shared_ptr<const model::MadeTensor> made) {
    SourceTensor tensor;
    tensor.name = renamed(model_.source.tensors[old].name, suffix);
    tensor.file = model_.source.tensors[made->made_from()].file;
    tensor.dtype = dtype;
    tensor.shape = shape;
    tensor.offset_bytes = model_.source.tensors[made->made_from()].offset_bytes;
    tensor.size_bytes = shape.num_elems().value_or(0) * dtype_bits(dtype) / 8;
    tensor.disposition = model::Disposition::kConverted;
    tensor.made = std::move(made);
    model_.source.tensors.push_back(std::move(tensor));
    return static_cast<uint32_t>(model_.source.tensors.size() - 1);
  }

  /// "X.weight" and "X.weight_packed" are "X.suffix". No producer of a target has stacks of rows:
  /// codes of one keep its name, by which their values are known later, the others are "X_suffix".
  static std::string renamed(const std::string& name, const std::string& suffix) {
    for (const std::string_view ending : {".weight", ".weight_packed"})
      if (name.ends_with(ending)) return name.substr(0, name.size() - ending.size()) + "." + suffix;
    const bool is_codes = suffix == "weight" || suffix == "weight_packed";
    return is_codes ? name : name + "_" + suffix;
  }

  static void renumber(Weight& weight, const std::vector<uint32_t>& number) {
    for (PlaneSet& set : weight.planes)
      for (uint32_t& t : set.tensors)
        if (t != model::kNone) t = number[t];
  }

  Model& model_;
  std::vector<std::shared_ptr<Job>> jobs_;
};

}  // namespace

void replace_planes(Model& model, const std::vector<Replacement>& replacements) {
  Replacer replacer(model);
  for (const Replacement& replacement : replacements) replacer.replace(replacement);
  replacer.sort();
}

}  // namespace imp::transcode
