#include "src/convert/engine_scales.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>

#include "src/base/interrupt.h"
#include "src/base/little_endian.h"
#include "src/base/text.h"
#include "src/model/scalars.h"
#include "src/model/source_read.h"
#include "src/plan/constants.h"
#include "src/plan/engine_forms.h"
#include "src/quant/bf16.h"
#include "src/repack/engine_tiles.h"

namespace imp::convert {
namespace {

using model::ComponentKind;
using model::Model;
using model::Scheme;
using model::Weight;
using plan::Form;
using plan::LayoutId;
using plan::Operand;

constexpr uint64_t kReadBytes = 4u << 20;

const Form* find_form(const Operand& operand, LayoutId layout) {
  for (const Form& form : operand.forms)
    if (form.layout == layout) return &form;
  return nullptr;
}

/// The largest e4m3 byte; what is no scale is refused when the plane streams by.
uint8_t largest_scale(Bytes scales) {
  uint8_t largest = 0;
  for (const std::byte b : scales) {
    const auto scale = std::to_integer<uint8_t>(b);
    if (scale < 0x7F) largest = std::max(largest, scale);
  }
  return largest;
}

Result<uint8_t> largest_scale_of(const model::Source& source, uint32_t tensor) {
  const uint64_t size = source.tensors[tensor].size_bytes;
  std::vector<std::byte> buffer(std::min(kReadBytes, size));
  uint8_t largest = 0;
  for (uint64_t at = 0; at < size; at += buffer.size()) {
    IMP_TRY(check_interrupted());
    const MutableBytes part(buffer.data(), std::min<uint64_t>(buffer.size(), size - at));
    IMP_TRY(model::read_tensor(source, tensor, at, part));
    largest = std::max(largest, largest_scale(part));
  }
  return largest;
}

/// Of all parts and experts.
Result<uint8_t> largest_scale_of(const Model& model, const Operand& operand) {
  uint8_t largest = 0;
  for (const plan::Part& part : operand.parts)
    for (const uint32_t tensor :
         model.weights[part.weight].find(ComponentKind::kBlockScale)->tensors) {
      if (tensor == model::kNone) continue;
      IMP_ASSIGN(const uint8_t of_tensor, largest_scale_of(model.source, tensor));
      largest = std::max(largest, of_tensor);
    }
  return largest;
}

float multiplier_of(const Weight& weight, uint64_t expert) {
  return std::bit_cast<float>(plan::kernel_multiplier(weight, expert));
}

/// About the multiplier, where a tensor holds it.
Error bad_multiplier(const Model& model, const Weight& weight, uint64_t expert, float value,
                     const std::string& what) {
  const std::string message = "multiplier " + std::to_string(value) + " " + what;
  const auto* plane = weight.find(ComponentKind::kMultiplier);
  if (plane == nullptr) return Error{ErrorKind::kBadScale, message, "", weight.name};
  const uint32_t tensor = plane->tensors[plane->tensors.size() == 1 ? 0 : expert];
  if (tensor == model::kNone) return Error{ErrorKind::kBadScale, message, "", weight.name};
  return model::tensor_error(model.source, tensor, ErrorKind::kBadScale, message);
}

/// The epilogue's factor: the decoder leaves codes and scales 2^119 too small (kernel-layouts 2.5).
Result<plan::Constant> joint_multipliers(const Model& model, const plan::Plan& plan,
                                         const Operand& operand, const plan::Component& component,
                                         float rescale) {
  const Weight& weight = model.weights[operand.parts[0].weight];
  plan::Constant made{plan.blobs[component.blob].offset_bytes, {}};
  made.bytes.resize(component.size_bytes);
  for (uint64_t e = 0; e < operand.experts; ++e) {
    const float multiplier = multiplier_of(weight, e);
    const auto value = static_cast<float>(std::ldexp(double{multiplier}, 119) / double{rescale});
    if (!std::isnormal(value))
      return bad_multiplier(
          model, weight, e, multiplier,
          "times 2^119 / " + std::to_string(rescale) + " is no normal f32, which marlin needs");
    store_le(made.bytes.data() + 4 * e, std::bit_cast<uint32_t>(value));
  }
  return made;
}

/// One scale a row, the multiplier of the row's part.
Result<plan::Constant> row_scales(const Model& model, const plan::Plan& plan,
                                  const Operand& operand, const Form& form,
                                  const plan::Component& component) {
  plan::Constant made{plan.blobs[component.blob].offset_bytes, {}};
  made.bytes.resize(component.size_bytes);
  const uint64_t of_expert = form.padded_n * 2;
  std::vector<std::byte> rows(of_expert);
  for (uint64_t e = 0; e < operand.experts; ++e) {
    std::fill(rows.begin(), rows.end(), std::byte{0});
    for (uint32_t p = 0; p < operand.parts.size(); ++p) {
      const Weight& weight = model.weights[operand.parts[p].weight];
      const uint16_t scale = marlin_fp8_scale(multiplier_of(weight, e));
      if ((scale & 0x7F80) == 0x7F80)
        return bad_multiplier(model, weight, e, multiplier_of(weight, e),
                              "is 256 or more, which marlin's fp8 kernels cannot scale with");
      for (const plan::PackedRun& run : plan::packed_runs(form.layout, operand, p))
        for (uint64_t row = 0; row < run.rows; ++row)
          store_le(rows.data() + 2 * (run.packed_row + row), scale);
    }
    repack::groups_pack(repack::GroupOrder::kSingle, 16, rows, {form.padded_n, 1, form.padded_n, 1},
                        repack::Path::kMap,
                        MutableBytes(made.bytes).subspan(e * of_expert, of_expert));
  }
  return made;
}

}  // namespace

uint16_t marlin_fp8_scale(float scale) {
  const float rounded = quant::bf16_to_float(quant::bf16_from_float(scale));
  return quant::bf16_from_float(rounded * 0x1p120f);
}

Result<std::vector<float>> find_rescales(const Model& model, const plan::Plan& plan) {
  std::vector<float> rescales(plan.operands.size(), 1.0f);
  for (size_t o = 0; o < plan.operands.size(); ++o) {
    const Operand& operand = plan.operands[o];
    if (operand.scheme != Scheme::kNvfp4 || find_form(operand, LayoutId::kMarlin) == nullptr)
      continue;
    IMP_ASSIGN(const uint8_t largest, largest_scale_of(model, operand));
    rescales[o] = repack::marlin_rescale(largest);
  }
  return rescales;
}

Result<std::vector<plan::Constant>> make_components_of_scales(const Model& model,
                                                              const plan::Plan& plan,
                                                              const std::vector<float>& rescales) {
  std::vector<plan::Constant> made;
  for (size_t o = 0; o < plan.operands.size(); ++o) {
    const Operand& operand = plan.operands[o];
    const Weight& weight = model.weights[operand.parts[0].weight];
    for (const Form& form : operand.forms)
      for (const plan::Component& c : form.components) {
        if (c.kind == ComponentKind::kMultiplier &&
            plan::has_joint_multiplier(form.layout, operand.scheme)) {
          // The rescaling is dialect A2's.
          const float rescale = form.layout == LayoutId::kMarlin ? rescales[o] : 1.0f;
          IMP_ASSIGN(made.emplace_back(), joint_multipliers(model, plan, operand, c, rescale));
        }
        if (c.kind == ComponentKind::kBlockScale && form.layout == LayoutId::kMarlin &&
            weight.find(ComponentKind::kBlockScale) == nullptr) {
          IMP_ASSIGN(made.emplace_back(), row_scales(model, plan, operand, form, c));
        }
      }
  }
  return made;
}

const Form* flushing_form(const Operand& operand) {
  if (operand.scheme != Scheme::kNvfp4) return nullptr;
  const auto form = std::find_if(operand.forms.begin(), operand.forms.end(),
                                 [](const Form& f) { return plan::is_engine_layout(f.layout); });
  return form == operand.forms.end() ? nullptr : &*form;
}

uint64_t FlushCounts::total() const {
  return std::accumulate(counts_.begin(), counts_.end(), uint64_t{0});
}

void FlushCounts::warn(const plan::Plan& plan, Log& log) const {
  uint64_t operands = 0;
  size_t first = counts_.size();
  for (size_t o = 0; o < counts_.size(); ++o) {
    if (counts_[o] == 0) continue;
    first = std::min(first, o);
    ++operands;
  }
  if (operands == 0) return;
  const Operand& operand = plan.operands[first];
  const LayoutId layout = flushing_form(operand)->layout;
  const std::string what =
      layout == LayoutId::kMarlinA0 ? "are subnormal, and a bf16 kernel reads them as about 2^-112"
      : layout == LayoutId::kMarlin ? "are too small for the layout, and its kernels read them as 0"
                                    : "share a rounded product with another scale";
  log.warn(with_thousands(total()) + " block scales in " + with_thousands(operands) +
           " operands (first '" + operand.name + "') " + what +
           "; their bits are in the file, --max-flushed refuses such files");
}

}  // namespace imp::convert
