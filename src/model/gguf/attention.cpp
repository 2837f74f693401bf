// Rotated rows, fused projections, and the two halves of MLA's kv_b_proj.
#include "src/model/gguf/block.h"
#include "src/quant/ggml_blocks.h"

namespace imp::model {
namespace {

Status check_heads(const BlockJob& job, const StoredModule& module, uint64_t rows, uint64_t heads) {
  const bool pairs = job.facts.family->permuted && !job.assume_unpermuted_qk;
  if (rows % heads == 0 && (!pairs || rows / heads % 2 == 0)) return {};
  return stored_error(job.source(), module.weight, ErrorKind::kShapeMismatch,
                      stored_text(job.weight(module)) + ": " + std::to_string(rows) +
                          " rows are not " + std::to_string(heads) + " heads of " +
                          (pairs ? "an even number of rows" : "equal size"));
}

Status add_rotated_rows(const BlockJob& job, const std::string& hub, const StoredModule& module,
                        RowSlice rows, uint64_t heads) {
  IMP_TRY(check_heads(job, module, rows.rows, heads));
  if (job.facts.family->permuted && !job.assume_unpermuted_qk) {
    rows.order = RowOrder::kRopePairs;
    rows.a = rows.rows / heads;
  }
  return add_linear(job.writer, hub, module, rows, PlaneNames::kModule);
}

/// Rows of bytes of one half, for --dequantize to merge.
void add_half(const BlockJob& job, const std::string& name, uint32_t stored, StoredAs stored_as) {
  const StoredMatrix matrix = matrix_of(job.source().stored[stored]);
  TensorView view = view_of_rows(job.source(), stored, 0, matrix.rows);
  const uint64_t columns = is_blocks(view.type) ? view.row_bytes() : matrix.columns;
  job.writer.add(name, Shape{matrix.rows, columns}, std::move(view), stored_as);
}

/// [H, r, nope] and [H, v, r].
Status check_halves(const BlockJob& job, const StoredModule& key, const StoredModule& value) {
  const Shape& k = job.weight(key).shape;
  const Shape& v = job.weight(value).shape;
  const uint64_t heads = job.facts.heads[job.number];
  if (k.rank == 3 && v.rank == 3 && k[0] == heads && v[0] == heads && v[2] == k[1]) return {};
  return stored_error(
      job.source(), key.weight, ErrorKind::kShapeMismatch,
      stored_text(job.weight(key)) + " and attn_v_b " + stored_text(job.weight(value)) +
          ", expected [H, r, n] and [H, v, r] of " + std::to_string(heads) + " heads");
}

}  // namespace

Status add_rotated(const BlockJob& job, const std::string& hub, const StoredModule& module,
                   uint64_t heads) {
  return add_rotated_rows(job, hub, module, all_rows(job.source(), module), heads);
}

Status add_split_qkv(const BlockJob& job, const StoredModule& module) {
  const uint64_t heads = job.facts.heads[job.number], kv = job.facts.kv_heads[job.number];
  const RowSlice all = all_rows(job.source(), module);
  IMP_TRY(check_heads(job, module, all.rows, heads + 2 * kv));
  const uint64_t head_rows = all.rows / (heads + 2 * kv);
  RowSlice q = all, k = all, v = all;
  q.rows = heads * head_rows;
  k.first = q.rows;
  k.rows = v.rows = kv * head_rows;
  v.first = k.first + k.rows;
  IMP_TRY(add_rotated_rows(job, job.layer("self_attn.q_proj"), module, q, heads));
  IMP_TRY(add_rotated_rows(job, job.layer("self_attn.k_proj"), module, k, kv));
  return add_linear(job.writer, job.layer("self_attn.v_proj"), module, v, PlaneNames::kModule);
}

Status add_latent_key_value(const BlockJob& job) {
  const StoredModule* key = job.find("attn_k_b");
  const StoredModule* value = job.find("attn_v_b");
  if (key == nullptr && value == nullptr) return {};
  if (key == nullptr || value == nullptr)
    return stored_error(job.source(), (key == nullptr ? value : key)->weight,
                        ErrorKind::kMissingTensor,
                        std::string("is one half of kv_b_proj: attn_") +
                            (key == nullptr ? "k_b" : "v_b") + " is missing");
  IMP_TRY(check_halves(job, *key, *value));
  const StoredTensor& k = job.weight(*key);
  const StoredTensor& v = job.weight(*value);
  const std::string name = job.layer("self_attn.kv_b_proj");
  if (is_blocks(k.type) || is_blocks(v.type) || k.type != v.type) {
    add_half(job, name + ".k_b", key->weight, StoredAs::kMlaKey);
    add_half(job, name + ".v_b", value->weight, StoredAs::kMlaValue);
    return {};
  }
  const uint64_t heads = k.shape[0], latent = k.shape[1], nope = k.shape[2];
  TensorView view;
  view.type = k.type;
  view.columns = latent;
  view.pieces = {{key->weight, 0, heads * latent}, {value->weight, 0, heads * v.shape[1]}};
  view.order = RowOrder::kMlaKeyValue;
  view.a = heads;
  view.b = nope;
  job.writer.add(name + ".weight", Shape{heads * (nope + v.shape[1]), latent}, std::move(view));
  return {};
}

}  // namespace imp::model
