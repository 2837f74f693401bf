// Plans of the fixtures, and the sets of targets that the tests of plans go through.
#pragma once

#include <optional>
#include <stdexcept>
#include <vector>

#include "src/plan/plan.h"
#include "tests/unit/model_import.h"

namespace imp::testing {

using layouts::LayoutId;
using model::ComponentKind;

/// A model and a plan of it. REQUIRES: imports and plans; throws otherwise.
struct Planned {
  Imported imported;
  plan::Plan plan;

  template <class Source>
  Planned(Source&& source, plan::Options options) : imported(source), plan(make(options)) {}

  const model::Model& model() const { return *imported.model; }
  const plan::Operand& operand(std::string_view name) const { return plan.operands[index(name)]; }
  uint32_t index(std::string_view name) const {
    for (uint32_t o = 0; o < plan.operands.size(); ++o)
      if (plan.operands[o].name == name) return o;
    throw std::runtime_error("no operand " + std::string(name));
  }
  uint32_t tensor(std::string_view name) const {
    for (uint32_t t = 0; t < model().source.tensors.size(); ++t)
      if (model().source.tensors[t].name == name) return t;
    throw std::runtime_error("no tensor " + std::string(name));
  }
  /// The one step of a tensor.
  const plan::Step& step(std::string_view tensor_name) const {
    for (const plan::Step& step : plan.steps)
      if (step.tensor == tensor(tensor_name)) return step;
    throw std::runtime_error("no step for " + std::string(tensor_name));
  }
  const plan::Blob& blob(const plan::Component& component) const {
    return plan.blobs.at(component.blob);
  }

 private:
  plan::Plan make(const plan::Options& options) {
    if (!imported.ok()) throw std::runtime_error(imported.error_line());
    Result<plan::Plan> result = plan::make_plan(*imported.model, options);
    if (!result.ok()) throw std::runtime_error(result.error().to_line());
    return std::move(result).take();
  }
};

inline const plan::Form* find_form(const plan::Operand& operand, LayoutId layout) {
  for (const plan::Form& form : operand.forms)
    if (form.layout == layout) return &form;
  return nullptr;
}

inline const plan::Component* find_component(const plan::Form& form, ComponentKind kind) {
  for (const plan::Component& component : form.components)
    if (component.kind == kind) return &component;
  return nullptr;
}

/// Every kind of plan: one layout, two, three, and a layout by name with and without targets.
inline const std::vector<plan::Options>& all_options() {
  static const std::vector<plan::Options> options = {
      {{75}, {}},
      {{89}, {}},
      {{80, 90}, {}},
      {{120}, {}},
      {{89, 120}, {}},
      {{75, 89, 120}, {}},
      {{120}, LayoutId::kMma64},
      {{}, LayoutId::kMma64},
      {{}, LayoutId::kNative},
      {{89}, LayoutId::kPlain},
  };
  return options;
}

/// Fixtures that differ in what a plan looks at: shapes, biases, tied head, experts, shared
/// experts, KV scales, shards.
inline const std::vector<std::string>& planned_fixtures() {
  static const std::vector<std::string> names = {
      "modelopt-nvfp4-llama",         "modelopt-nvfp4-llama-odd",   "modelopt-nvfp4-mlponly-llama",
      "modelopt-nvfp4-qwen2moe",      "modelopt-nvfp4-qwen3moe",    "modelopt-nvfp4-kvfp8-llama",
      "modelopt-nvfp4-sharded-llama", "modelopt-nvfp4-lmhead-llama"};
  return names;
}

}  // namespace imp::testing
