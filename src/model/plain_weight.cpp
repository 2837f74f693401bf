#include "src/model/plain_weight.h"

#include <string>

#include "src/base/checked.h"
#include "src/model/module_planes.h"
#include "src/model/scalars.h"

namespace imp::model {
namespace {

/// Norms are vectors, embeddings matrices, both of floats; of what has no known form any is taken.
Status check_known_form(const ImportContext& context, const Module& module, Suffix suffix,
                        uint32_t tensor) {
  const SourceTensor& t = context.source.tensors[tensor];
  const ModuleKind kind = module.role.kind;
  if (kind != ModuleKind::kNorm && kind != ModuleKind::kEmbedding) return {};
  // OpenAI's own files call the weight of a norm its scale.
  const bool scale = suffix == Suffix::kScale && kind == ModuleKind::kNorm;
  if (suffix != Suffix::kWeight && suffix != Suffix::kBias && !scale)
    return tensor_error(context.source, tensor, ErrorKind::kUnknownTensor,
                        shape_text(t) + " is not supported: a " +
                            (kind == ModuleKind::kNorm ? "norm" : "token embedding") +
                            " has weight and bias");
  const uint32_t rank = kind == ModuleKind::kNorm || suffix == Suffix::kBias ? 1 : 2;
  if (t.shape.rank != rank || t.size_bytes == 0)
    return tensor_error(context.source, tensor, ErrorKind::kShapeMismatch,
                        shape_text(t) + ", expected rank " + std::to_string(rank));
  const bool blocks = t.view && kind == ModuleKind::kEmbedding && suffix == Suffix::kWeight;
  if (!is_plain_float(t.dtype) && !blocks)
    return tensor_error(context.source, tensor, ErrorKind::kUnsupportedScheme,
                        shape_text(t) +
                            ", expected F32, F16 or BF16 in a module that is not "
                            "quantized");
  return {};
}

bool is_kv_scale(Suffix suffix) { return suffix == Suffix::kKScale || suffix == Suffix::kVScale; }

Status check_kv_values(const ImportContext& context, Suffix suffix, uint32_t tensor) {
  if (!is_kv_scale(suffix)) return {};
  IMP_ASSIGN(const std::vector<uint32_t> values, read_floats(context.source, tensor));
  for (const uint32_t bits : values)
    if (!is_scale(bits)) return bad_scale(context.source, tensor, bits);
  return {};
}

Role role_of(const Module& module, Suffix suffix) {
  if (suffix == Suffix::kKScale) return Role::kKvKScale;
  if (suffix == Suffix::kVScale) return Role::kKvVScale;
  const bool own = suffix == Suffix::kWeight || suffix == Suffix::kParameter ||
                   (suffix == Suffix::kScale && module.role.kind == ModuleKind::kNorm);
  return own ? module.role.role : Role::kOther;
}

}  // namespace

Result<Weight> plain_weight(const ImportContext& context, const Module& module, Suffix suffix,
                            uint32_t tensor) {
  IMP_TRY(check_known_form(context, module, suffix, tensor));
  IMP_TRY(check_kv_values(context, suffix, tensor));
  const SourceTensor& t = context.source.tensors[tensor];
  Weight weight;
  const bool embedding = module.role.kind == ModuleKind::kEmbedding && suffix == Suffix::kWeight;
  weight.name = embedding ? module.name : normalise_prefix(t.name);
  weight.role = role_of(module, suffix);
  weight.layer = module.layer;
  weight.scheme = scheme_of_plain(t.dtype);
  weight.dtype = t.dtype;
  weight.shape = t.shape;
  weight.k = t.shape.rank < 2 ? 1 : t.shape[t.shape.rank - 1];
  weight.n = weight.k == 0 ? 0 : num_elems(t) / weight.k;
  weight.why = shape_text(t) + ": no GEMM takes it, copied";
  weight.stored_as = t.stored_as;
  if (t.view && ggml_type_info(t.view->type).block_elems != 1) {
    weight.scheme = blocks_scheme(t.view->type);
    weight.k = t.view->columns;
    weight.why = shape_text(t) + ": " + std::string(ggml_type_info(t.view->type).name) +
                 " blocks, no GEMM takes them, copied";
  }
  weight.planes.push_back({ComponentKind::kCodes, {tensor}, Encoding::kRows});
  return weight;
}

}  // namespace imp::model
