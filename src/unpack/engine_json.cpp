#include "src/unpack/engine_json.h"

#include <utility>
#include <vector>

#include "kernels/layouts/layout_facts.h"
#include "kernels/layouts/padded_shape.h"
#include "src/model/schemes.h"
#include "src/unpack/engine_rows.h"

namespace imp::unpack {
namespace {

using artifact::ComponentKind;
using artifact::FormRecord;
using artifact::OperandRecord;
using layouts::LayoutId;
using model::Scheme;
using nlohmann::ordered_json;

// The ops' signatures as registered in this file.
constexpr const char* kVllmOps = "vLLM 00256d59e659, csrc/torch_bindings.cpp";
constexpr const char* kVllmMoeOps = "vLLM b4ae92e37450, csrc/moe/torch_bindings.cpp";

class EngineForm {
 public:
  EngineForm(const OperandRecord& operand, const FormRecord& form, const FileOf& file_of)
      : operand_(operand),
        form_(form),
        file_of_(file_of),
        bits_(model::code_bits(scheme())),
        groups_(groups_of_form()) {}

  ordered_json json() const {
    ordered_json json;
    json["read_by"] = layouts::facts_of(layout()).engine;
    json["status"] = "as read from the engine's sources, not run with it";
    if (layout() == LayoutId::kMaxSm8x)
      max_sm8x(json);
    else if (layout() == LayoutId::kMachete4 || layout() == LayoutId::kMachete8)
      machete(json);
    else
      marlin(json);
    json["output"] = output();
    return json;
  }

 private:
  LayoutId layout() const { return static_cast<LayoutId>(form_.layout); }
  Scheme scheme() const { return static_cast<Scheme>(operand_.scheme); }
  bool experts() const { return operand_.experts > 1; }
  bool has(ComponentKind kind) const { return file_of_(kind).has_value(); }
  bool has_zeros() const { return has(ComponentKind::kZeroPoint); }
  const char* activations() const { return form_.dialect == 1 ? "float16" : "bfloat16"; }

  bool has_row_scales() const {
    const uint64_t group = operand_.group_size;
    return model::group_size_of(scheme()) == 0 && (group == 0 || group >= operand_.k);
  }
  uint64_t groups_of_form() const {
    return has_row_scales() ? 1 : form_.padded_k / operand_.group_size;
  }

  /// A file seen as a tensor; experts lead.
  ordered_json tensor(ComponentKind kind, const char* dtype, std::vector<uint64_t> shape) const {
    const std::optional<std::string> file = file_of_(kind);
    if (!file) return nullptr;
    if (experts()) shape.insert(shape.begin(), operand_.experts);
    return {{"file", *file}, {"dtype", dtype}, {"shape", std::move(shape)}};
  }

  ordered_json input() const {
    ordered_json a = {{"dtype", activations()}, {"shape", {"m", form_.padded_k}}};
    if (form_.padded_k != operand_.k)
      a["columns_from_k_on"] = "zero: K is " + std::to_string(operand_.k);
    if (const auto gather = file_of_(ComponentKind::kKGather))
      a["columns"] = "in the order of " + *gather + " before the op, which then takes no perm";
    if (const auto scale = file_of_(ComponentKind::kKScale))
      a["times"] = "the columns of " + *scale;
    return a;
  }

  /// Where the operand's rows are among the op's columns.
  ordered_json output() const {
    const Plane plane{nullptr, &operand_, nullptr, &form_};
    const layouts::MatrixShape shape = engine_shape(plane);
    ordered_json json = {{"shape", {"m", form_.padded_n}}, {"rows_of_w", operand_.n}};
    const uint64_t part_rows = layouts::padded_shape(layout(), shape).part_rows;
    if (part_rows != 0) {
      json["rows_of_a_part"] = operand_.n / shape.parts;
      json["part_begins_at_multiples_of"] = part_rows;
    }
    return json;
  }

  const char* marlin_type() const {
    switch (scheme()) {
      case Scheme::kFp8:
        return "float8_e4m3fn";
      case Scheme::kInt4:
        return has_zeros() ? "uint4" : "uint4b8";
      case Scheme::kInt8:
        return has_zeros() ? "uint8" : "uint8b128";
      default:
        return "float4_e2m1f";
    }
  }

  const char* scales_type() const {
    if (scheme() == Scheme::kNvfp4) return "float8_e4m3fn";
    return scheme() == Scheme::kMxfp4 ? "float8_e8m0fnu" : activations();
  }

  ordered_json bias() const {
    ordered_json json = tensor(ComponentKind::kBias, "as stored", {operand_.n});
    if (!json.is_null())
      json["before_use"] =
          "cast to the type of a, zeros up to " + std::to_string(form_.padded_n) +
          ", then in each 32 channels element 8 * (n % 8 / 2) + 2 * (n / 8) + n % 2 is channel n";
    return json;
  }

  void marlin(ordered_json& json) const {
    const uint64_t n = form_.padded_n, k = form_.padded_k;
    json["op"] = experts() ? "moe_wna16_marlin_gemm" : "marlin_gemm";
    json["op_as_read_from"] = experts() ? kVllmMoeOps : kVllmOps;
    ordered_json& a = json["arguments"];
    a["a"] = input();
    a["c_or_none"] = nullptr;
    a["b_q_weight"] = tensor(ComponentKind::kBlocks, "int32", {k / 16, n * 16 * bits_ / 32});
    a["b_bias_or_none"] = bias();
    a["b_scales"] = tensor(ComponentKind::kBlockScale, scales_type(), {groups_, n});
    a["a_scales"] = nullptr;
    a["global_scale"] = nullptr;
    if (model::has_two_levels(scheme()))
      a["global_scale"] = tensor(ComponentKind::kMultiplier, "float32",
                                 experts() ? std::vector<uint64_t>{} : std::vector<uint64_t>{1});
    a["b_zeros_or_none"] = tensor(ComponentKind::kZeroPoint, "int32", {groups_, n * bits_ / 32});
    a["g_idx_or_none"] = nullptr;
    a["perm_or_none"] = nullptr;
    a["workspace"] = {{"dtype", "int32"},
                      {"zeros", experts() ? "4 for each SM of the device" : "1 for each SM"}};
    if (experts())
      a["sorted_token_ids, expert_ids, num_tokens_past_padded, topk_weights, moe_block_size, "
        "top_k, mul_topk_weights"] = "of the router";
    a["b_type_id"] = std::string("id of scalar_types.") + marlin_type();
    a["size_m"] = "m";
    a["size_n"] = n;
    a["size_k"] = k;
    a[experts() ? "is_full_k" : "is_k_full"] = true;
    a["use_atomic_add"] = false;
    a["use_fp32_reduce"] = true;
    a["is_zp_float"] = false;
    if (experts())
      for (const char* choice : {"thread_k", "thread_n", "blocks_per_sm"}) a[choice] = -1;
  }

  void machete(ordered_json& json) const {
    const char* type = bits_ == 4 ? "uint4" : "uint8";
    const bool mins = has(ComponentKind::kGroupMin);
    const uint64_t n = form_.padded_n, k = form_.padded_k;
    json["op"] = "machete_mm";
    json["op_as_read_from"] = kVllmOps;
    ordered_json& a = json["arguments"];
    a["A"] = input();
    a["B"] = tensor(ComponentKind::kBlocks, "int32", {k * bits_ / 32, n});
    a["b_type"] = std::string("id of scalar_types.") + type +
                  (mins         ? ""
                   : bits_ == 4 ? "b8"
                                : "b128");
    a["out_type"] = nullptr;
    a["group_scales"] = tensor(ComponentKind::kBlockScale, activations(), {groups_, n});
    a["group_zeros"] = tensor(ComponentKind::kGroupMin, activations(), {groups_, n});
    if (has_row_scales())
      a["group_size"] = -1;
    else
      a["group_size"] = operand_.group_size;
    a["channel_scales"] = nullptr;
    a["token_scales"] = nullptr;
    a["schedule"] = nullptr;
  }

  void max_sm8x(ordered_json& json) const {
    const uint64_t n = form_.padded_n, k = form_.padded_k;
    json["op"] = "the GEMM behind MAX_NVFP4_SKELETON_GEMM";
    json["op_as_read_from"] = "modular 4b2b5677 and 051d3d7, draft pull request 6708";
    ordered_json& a = json["arguments"];
    a["activations"] = input();
    a["weights_and_scales"] = tensor(ComponentKind::kBlocks, "uint8", {n, k / 2 + k / 8});
    a["scales_begin_at_byte"] = n * k / 2;
    a["global_scale"] = "none: it is in the scales";
  }

  const OperandRecord& operand_;
  const FormRecord& form_;
  const FileOf& file_of_;
  const uint64_t bits_;
  const uint64_t groups_;
};

}  // namespace

ordered_json engine_json(const OperandRecord& operand, const FormRecord& form,
                         const FileOf& file_of) {
  const auto layout = static_cast<LayoutId>(form.layout);
  if (layout < LayoutId::kMarlin || layout > LayoutId::kMachete8) return nullptr;
  return EngineForm(operand, form, file_of).json();
}

}  // namespace imp::unpack
