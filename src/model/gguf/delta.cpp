// Gated DeltaNet: projections put together again, V heads back in the order of their K heads (5.3).
#include <string>
#include <utility>

#include "src/model/gguf/block.h"

namespace imp::model {
namespace {

class DeltaBlock {
 public:
  explicit DeltaBlock(const BlockJob& job)
      : job_(job),
        heads_(job.facts.delta),
        key_rows_(2 * heads_.keys * heads_.key_dim),
        value_rows_(heads_.values * heads_.value_dim) {}

  Status add() {
    if (job_.facts.family->has(kDeltaFused)) {
      IMP_TRY(add_qkvz());
      IMP_TRY(add_rows("ssm_ba", "linear_attn.in_proj_ba", 2 * heads_.values, 0, false));
    } else {
      IMP_TRY(add_rows("attn_qkv", "linear_attn.in_proj_qkv", key_rows_ + value_rows_, key_rows_,
                       true));
      IMP_TRY(add_rows("attn_gate", "linear_attn.in_proj_z", value_rows_, 0, true));
      IMP_TRY(add_rows("ssm_alpha", "linear_attn.in_proj_a", heads_.values, 0, true));
      IMP_TRY(add_rows("ssm_beta", "linear_attn.in_proj_b", heads_.values, 0, true));
    }
    IMP_TRY(add_conv());
    IMP_TRY(add_vector("ssm_a", &StoredModule::weight, "linear_attn.A_log", StoredAs::kNegExp));
    IMP_TRY(add_vector("ssm_dt", &StoredModule::bias, "linear_attn.dt_bias", StoredAs::kItself));
    return add_out();
  }

 private:
  bool tiled() const { return job_.facts.family->has(kDeltaTiled) && heads_.values != heads_.keys; }

  void set_tiled(uint64_t first, TensorView& view) const {
    if (!tiled()) return;
    view.order = RowOrder::kTiledHeads;
    view.a = first;
    view.b = heads_.keys;
    view.c = heads_.values / heads_.keys;
  }

  Error wrong_shape(uint32_t stored, const std::string& expected) const {
    return stored_error(job_.source(), stored, ErrorKind::kShapeMismatch,
                        stored_text(job_.source().stored[stored]) + ", expected " + expected +
                            " by the numbers of heads in the metadata");
  }

  Status check_rows(const StoredModule& module, uint64_t rows) const {
    IMP_TRY(check_matrix(job_.facts, job_.source(), module.weight, Hidden::kIn));
    if (matrix_of(job_.weight(module)).rows == rows) return {};
    return wrong_shape(module.weight, std::to_string(rows) + " rows");
  }

  /// A projection; from row `first` on its rows are those of V heads.
  Status add_rows(const char* name, const char* hub, uint64_t rows, uint64_t first, bool of_heads) {
    const StoredModule* module = job_.find(name);
    if (module == nullptr) return {};
    IMP_TRY(check_rows(*module, rows));
    RowSlice slice = all_rows(job_.source(), *module);
    if (of_heads && tiled()) {
      slice.order = RowOrder::kTiledHeads;
      slice.a = first;
      slice.b = heads_.keys;
      slice.c = heads_.values / heads_.keys;
    }
    return add_linear(job_.writer, job_.layer(hub), *module, slice, PlaneNames::kModule);
  }

  /// in_proj_qkvz has q, k, v, z of one K head after those of another.
  Status add_qkvz() {
    const StoredModule* qkv = job_.find("attn_qkv");
    const StoredModule* gate = job_.find("attn_gate");
    if (qkv == nullptr || gate == nullptr) return {};
    IMP_TRY(check_rows(*qkv, key_rows_ + value_rows_));
    IMP_TRY(check_rows(*gate, value_rows_));
    if (job_.weight(*qkv).type != job_.weight(*gate).type || qkv->scale != kNone ||
        gate->scale != kNone)
      return add_apart();
    TensorView view = view_of_rows(job_.source(), qkv->weight, 0, key_rows_ / 2);
    view.pieces.push_back({qkv->weight, key_rows_ / 2, key_rows_ / 2});
    view.pieces.push_back({qkv->weight, key_rows_, value_rows_});
    view.pieces.push_back({gate->weight, 0, value_rows_});
    view.order = RowOrder::kHeadsTogether;
    view.a = heads_.keys;
    job_.writer.add_weight(job_.layer("linear_attn.in_proj_qkvz"), view, PlaneNames::kModule);
    return {};
  }

  /// Rows of two types are no one tensor: they stay as the file has them, under the names that
  /// later models of the family give to those parts.
  Status add_apart() {
    job_.log.warn("tensors 'blk." + std::to_string(job_.number) +
                  ".attn_qkv' and 'attn_gate' are of different types: in_proj_qkvz stays apart as "
                  "in_proj_qkv and in_proj_z");
    IMP_TRY(add_rows("attn_qkv", "linear_attn.in_proj_qkv", key_rows_ + value_rows_, 0, false));
    return add_rows("attn_gate", "linear_attn.in_proj_z", value_rows_, 0, false);
  }

  /// [channels, 1, k] in the hub; channels are rows of q, k, v.
  Status add_conv() {
    const StoredModule* conv = job_.find("ssm_conv1d");
    if (conv == nullptr) return {};
    IMP_TRY(check_plain(job_.source(), conv->weight));
    const StoredMatrix matrix = matrix_of(job_.weight(*conv));
    if (matrix.rows != key_rows_ + value_rows_)
      return wrong_shape(conv->weight, std::to_string(key_rows_ + value_rows_) + " channels");
    TensorView view = view_of_rows(job_.source(), conv->weight, 0, matrix.rows);
    set_tiled(key_rows_, view);
    job_.writer.add(job_.layer("linear_attn.conv1d.weight"), Shape{matrix.rows, 1, matrix.columns},
                    std::move(view));
    return {};
  }

  Status add_vector(const char* name, uint32_t StoredModule::*slot, const char* hub,
                    StoredAs stored_as) {
    const auto it = job_.stored.find(name);
    if (it == job_.stored.end() || it->second.*slot == kNone) return {};
    const uint32_t stored = it->second.*slot;
    IMP_TRY(check_plain(job_.source(), stored));
    if (job_.source().stored[stored].shape.num_elems() != heads_.values)
      return wrong_shape(stored, std::to_string(heads_.values) + " elements");
    TensorView view = view_of_elems(job_.source(), stored, 0, heads_.values);
    set_tiled(0, view);
    job_.writer.add(job_.layer(hub), Shape{heads_.values}, std::move(view), stored_as);
    return {};
  }

  /// The columns of out_proj are those of V heads.
  Status add_out() {
    const StoredModule* out = job_.find("ssm_out");
    if (out == nullptr) return {};
    const StoredTensor& tensor = job_.weight(*out);
    IMP_TRY(check_matrix(job_.facts, job_.source(), out->weight, Hidden::kOut));
    if (matrix_of(tensor).columns != value_rows_)
      return wrong_shape(out->weight, std::to_string(value_rows_) + " columns");
    RowSlice slice = all_rows(job_.source(), *out);
    const uint64_t block = ggml_type_info(tensor.type).block_elems;
    if (tiled() && heads_.value_dim % block != 0)
      return stored_error(job_.source(), out->weight, ErrorKind::kUnsupportedScheme,
                          stored_text(tensor) + ": its V heads of " +
                              std::to_string(heads_.value_dim) +
                              " columns are in another order than the hub's, and blocks of " +
                              std::to_string(block) +
                              " columns cannot be reordered without a loss; --as-is keeps the "
                              "order of the file");
    if (tiled()) {
      slice.order = RowOrder::kTiledColumns;
      slice.b = heads_.keys;
      slice.c = heads_.values / heads_.keys;
    }
    return add_linear(job_.writer, job_.layer("linear_attn.out_proj"), *out, slice,
                      PlaneNames::kModule);
  }

  const BlockJob& job_;
  const DeltaHeads& heads_;
  const uint64_t key_rows_;    ///< of q and k
  const uint64_t value_rows_;  ///< of v; as many as of z
};

}  // namespace

Status add_delta(const BlockJob& job) {
  const bool family = job.facts.family->has(kDeltaFused) || job.facts.family->has(kDeltaTiled);
  if (!family || job.find("ssm_out") == nullptr) return {};
  return DeltaBlock(job).add();
}

}  // namespace imp::model
