#include "src/plan/constants.h"

#include <bit>
#include <set>
#include <span>

#include "src/base/little_endian.h"
#include "src/plan/engine_forms.h"

namespace imp::plan {
namespace {

using model::Model;
using model::Scalar;
using model::ScalarState;
using model::Weight;

constexpr uint32_t kAbsentInputScale = 0x7FC00000;

/// What a kernel multiplies by: the value, or fl32(1 / value) of a divisor.
uint32_t kernel_bits(const Scalar& scalar) {
  if (scalar.state == ScalarState::kDivisor)
    return std::bit_cast<uint32_t>(1.0f / std::bit_cast<float>(scalar.bits));
  return scalar.state == ScalarState::kMultiplier ? scalar.bits : kAbsentInputScale;
}

/// A multiplier that nothing depends on must be harmless.
uint32_t kernel_bits(const Scalar& scalar, ComponentKind kind) {
  if (kind == ComponentKind::kMultiplier && scalar.state == ScalarState::kUnused)
    return std::bit_cast<uint32_t>(1.0f);
  return kernel_bits(scalar);
}

/// [E, parts] f32 of one scalar kind.
std::vector<std::byte> scalar_matrix(const Model& model, const Operand& operand,
                                     ComponentKind kind) {
  std::vector<std::byte> bytes;
  for (uint64_t e = 0; e < operand.experts; ++e)
    for (const Part& part : operand.parts) {
      const Weight& weight = model.weights[part.weight];
      const auto& list =
          kind == ComponentKind::kMultiplier ? weight.multipliers : weight.input_scales;
      const uint32_t bits = kernel_bits(list.empty() ? Scalar{} : list[e], kind);
      bytes.resize(bytes.size() + sizeof bits);
      store_le(bytes.data() + bytes.size() - sizeof bits, bits);
    }
  return bytes;
}

/// The table that codes of four bits are places in.
std::vector<std::byte> lut_bytes() {
  const auto table = std::as_bytes(std::span(quant::kIq4NlValues));
  return {table.begin(), table.end()};
}

/// [E, K] u32 of an act-order weight; every part has the same.
std::vector<std::byte> gather_matrix(const Weight& weight) {
  std::vector<std::byte> bytes;
  for (const std::vector<uint32_t>& of_expert : weight.k_gather)
    for (const uint32_t column : of_expert) {
      bytes.resize(bytes.size() + sizeof column);
      store_le(bytes.data() + bytes.size() - sizeof column, column);
    }
  return bytes;
}

bool is_constant(ComponentKind kind) {
  return kind == ComponentKind::kMultiplier || kind == ComponentKind::kInputScale ||
         kind == ComponentKind::kKGather || kind == ComponentKind::kLut;
}

/// Depends on planes that are read at conversion.
bool is_made_later(const Form& form, const Operand& operand, ComponentKind kind) {
  return kind == ComponentKind::kMultiplier && has_joint_multiplier(form.layout, operand.scheme);
}

/// REQUIRES: is_constant.
std::vector<std::byte> constant_bytes(const Model& model, const Operand& operand,
                                      ComponentKind kind) {
  if (kind == ComponentKind::kLut) return lut_bytes();
  if (kind == ComponentKind::kKGather) return gather_matrix(model.weights[operand.parts[0].weight]);
  return scalar_matrix(model, operand, kind);
}

}  // namespace

uint32_t kernel_multiplier(const Weight& weight, uint64_t expert) {
  if (weight.multipliers.empty()) return std::bit_cast<uint32_t>(1.0f);
  return kernel_bits(weight.multipliers[expert], ComponentKind::kMultiplier);
}

std::vector<Constant> make_constants(const Model& model, const Plan& plan) {
  std::vector<Constant> constants;
  for (const Operand& operand : plan.operands) {
    // Every form's copy of a vector is the same blob.
    std::set<uint32_t> done;
    for (const Form& form : operand.forms)
      for (const Component& c : form.components)
        if (is_constant(c.kind) && !is_made_later(form, operand, c.kind) &&
            done.insert(c.blob).second)
          constants.push_back(
              {plan.blobs[c.blob].offset_bytes, constant_bytes(model, operand, c.kind)});
  }
  return constants;
}

}  // namespace imp::plan
