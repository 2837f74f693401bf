// The manifest's record of views: what is written is read again, and nothing else is.
#include "src/model/gguf_manifest.h"

#include <gtest/gtest.h>

#include <functional>
#include <ostream>

namespace imp::model {
namespace {

using nlohmann::ordered_json;
using quant::BlockField;

constexpr uint64_t kFileBytes = 1 << 20;

/// One stored tensor of each kind that the orders need, and a view of each order.
Source sample() {
  Source source;
  source.stored = {{"f32", 0, GgmlType::kF32, {}, 1000, 48 * 4},       // 12 x 4, or 24 x 2
                   {"q8", 0, GgmlType::kQ8_0, {}, 2000, 24 * 2 * 34},  // 24 x 64
                   {"q4", 1, GgmlType::kQ4_K, {}, 0, 6 * 144}};        // 6 x 256
  const auto add = [&](TensorView view) {
    SourceTensor tensor;
    tensor.size_bytes = view.rows_of_expert() * view.experts * view.row_bytes();
    tensor.view = std::move(view);
    source.tensors.push_back(std::move(tensor));
  };
  const GgmlType f32 = GgmlType::kF32, q8 = GgmlType::kQ8_0, q4 = GgmlType::kQ4_K;
  add({f32, 4, {{0, 1, 5}, {0, 6, 2}}, 1, RowOrder::kAsStored, 0, 0, 0, BlockField::kRows});
  add({q8, 64, {{1, 0, 24}}, 1, RowOrder::kRopePairs, 6, 0, 0, BlockField::kCodes});
  add({q8, 64, {{1, 0, 24}}, 1, RowOrder::kRopePairs, 6, 0, 0, BlockField::kScale});
  add({f32, 4, {{0, 0, 12}}, 1, RowOrder::kTiledHeads, 4, 2, 2, BlockField::kRows});
  add({q8, 64, {{1, 0, 24}}, 1, RowOrder::kTiledColumns, 0, 2, 1, BlockField::kRows});
  add({f32, 4, {{0, 0, 6}, {0, 6, 6}}, 1, RowOrder::kInterleaved, 0, 0, 0, BlockField::kRows});
  add({f32, 4, {{0, 0, 8}, {0, 8, 4}}, 1, RowOrder::kHeadsTogether, 2, 0, 0, BlockField::kRows});
  add({f32, 4, {{0, 0, 8}, {0, 10, 2}}, 1, RowOrder::kMlaKeyValue, 2, 2, 0, BlockField::kRows});
  add({q4, 256, {{2, 0, 2}, {2, 4, 2}}, 2, RowOrder::kAsStored, 0, 0, 0, BlockField::kSuperMin});
  source.tensors.emplace_back();  // a tensor that is no view
  return source;
}

std::vector<uint64_t> sizes_of(const Source& source) {
  std::vector<uint64_t> sizes;
  for (const SourceTensor& tensor : source.tensors) sizes.push_back(tensor.size_bytes);
  return sizes;
}

Result<GgufManifest> parse(const ordered_json& json, const Source& source) {
  const std::vector<uint64_t> files = {kFileBytes, kFileBytes};
  return parse_gguf_manifest(json, files, sizes_of(source));
}

TEST(GgufManifest, ComesBack) {
  Source source = sample();
  source.big_endian = true;
  const ordered_json json = gguf_manifest(source);
  EXPECT_LE(json.dump().size(), gguf_manifest_bound(source));
  const auto manifest = parse(json, source);
  ASSERT_TRUE(manifest.ok()) << manifest.error().to_line();
  EXPECT_TRUE(manifest->big_endian);
  ASSERT_EQ(manifest->stored.size(), 3u);
  EXPECT_EQ(manifest->stored[2].name, "q4");
  EXPECT_EQ(manifest->stored[2].type, GgmlType::kQ4_K);
  EXPECT_EQ(manifest->stored[2].file, 1u);
  EXPECT_EQ(manifest->stored[1].offset_bytes, 2000u);
  EXPECT_EQ(manifest->stored[1].size_bytes, 24u * 68);
  ASSERT_EQ(manifest->views.size(), source.tensors.size());
  for (size_t t = 0; t < source.tensors.size(); ++t) {
    const auto& want = source.tensors[t].view;
    const auto& got = manifest->views[t];
    ASSERT_EQ(got.has_value(), want.has_value()) << t;
    if (!want) continue;
    EXPECT_EQ(got->type, want->type) << t;
    EXPECT_EQ(got->columns, want->columns) << t;
    EXPECT_EQ(got->experts, want->experts) << t;
    EXPECT_EQ(got->order, want->order) << t;
    EXPECT_EQ(got->field, want->field) << t;
    EXPECT_EQ((std::array{got->a, got->b, got->c}), (std::array{want->a, want->b, want->c})) << t;
    ASSERT_EQ(got->pieces.size(), want->pieces.size()) << t;
    for (size_t p = 0; p < want->pieces.size(); ++p) {
      EXPECT_EQ(got->pieces[p].stored, want->pieces[p].stored);
      EXPECT_EQ(got->pieces[p].first_row, want->pieces[p].first_row);
      EXPECT_EQ(got->pieces[p].rows, want->pieces[p].rows);
    }
  }
}

TEST(GgufManifest, OfOtherSourcesThereIsNone) { EXPECT_TRUE(gguf_manifest(Source()).is_null()); }

struct Damage {
  std::string name;
  std::function<void(ordered_json&)> change;
  std::string fragment;
  friend std::ostream& operator<<(std::ostream& out, const Damage& d) { return out << d.name; }
};

class GgufManifestDamage : public ::testing::TestWithParam<Damage> {};

TEST_P(GgufManifestDamage, IsRefused) {
  const Source source = sample();
  ordered_json json = gguf_manifest(source);
  ASSERT_TRUE(parse(json, source).ok());
  GetParam().change(json);
  // As text, where a number that is not negative has no sign.
  const auto manifest = parse(ordered_json::parse(json.dump()), source);
  ASSERT_FALSE(manifest.ok());
  EXPECT_EQ(error_kind_name(manifest.error().kind), "bad_record");
  EXPECT_NE(manifest.error().message.find(GetParam().fragment), std::string::npos)
      << manifest.error().to_line();
}

/// Entry `i` of view `view` becomes `value`.
std::function<void(ordered_json&)> view_number(size_t view, size_t i, ordered_json value) {
  return [=](ordered_json& json) { json["views"][view][i] = value; };
}
std::function<void(ordered_json&)> stored_member(size_t tensor, const char* key,
                                                 ordered_json value) {
  return [=](ordered_json& json) { json["stored"][tensor][key] = value; };
}

constexpr uint64_t kHuge = 1ull << 63;
// In a view: 2 to 4 a, b, c; 5 columns; 6 experts; then stored tensor, first row, rows of a piece.
INSTANTIATE_TEST_SUITE_P(
    Cases, GgufManifestDamage,
    ::testing::Values(
        Damage{"no_object", [](auto& json) { json = ordered_json::array(); }, "is no object"},
        Damage{"no_views", [](auto& json) { json.erase("views"); }, "is no object"},
        Damage{"byte_order_a_number", [](auto& json) { json["big_endian"] = 1; }, "is no object"},
        Damage{"one_view_less", [](auto& json) { json["views"].erase(0); }, "has 9 views"},
        Damage{"stored_no_name", [](auto& json) { json["stored"][0].erase("name"); }, "no name"},
        Damage{"stored_type_unknown", stored_member(0, "type", 43), "'f32' has no type"},
        Damage{"stored_type_wraps", stored_member(0, "type", 1ull << 32), "'f32' has no type"},
        Damage{"stored_file_unknown", stored_member(2, "file", 2), "'q4'"},
        Damage{"stored_past_the_end", stored_member(1, "offset", kFileBytes), "'q8'"},
        Damage{"stored_offset_negative", stored_member(1, "offset", -32), "'q8'"},
        Damage{"stored_size_wraps", stored_member(1, "size", ~0ull), "'q8'"},
        Damage{"stored_overlap", stored_member(1, "offset", 1191), "overlap"},
        Damage{"view_of_text", [](auto& json) { json["views"][0] = "x"; }, "view 0"},
        Damage{"view_short", [](auto& json) { json["views"][0].erase(9); }, "view 0"},
        Damage{"view_without_pieces",
               [](auto& json) { json["views"][0] = {"rows", "as_stored", 0, 0, 0, 4, 1}; },
               "view 0"},
        Damage{"field_unknown", view_number(1, 0, "blocks"), "view 1"},
        Damage{"field_that_the_type_lacks", view_number(1, 0, "min"), "view 1"},
        Damage{"field_of_plain_numbers", view_number(0, 0, "codes"), "view 0"},
        Damage{"order_unknown", view_number(1, 1, "sorted"), "view 1"},
        Damage{"number_negative", view_number(1, 2, -6), "view 1"},
        Damage{"number_a_float", view_number(1, 2, 6.0), "view 1"},
        Damage{"columns_0", view_number(0, 5, 0), "view 0"},
        Damage{"columns_huge", view_number(0, 5, kHuge), "view 0"},
        Damage{"columns_no_blocks", view_number(1, 5, 48), "view 1"},
        Damage{"experts_0", view_number(8, 6, 0), "view 8"},
        Damage{"experts_more_than_pieces", view_number(8, 6, 4), "view 8"},
        Damage{"experts_unlike", view_number(8, 9, 1), "view 8"},
        Damage{"stored_unknown", view_number(0, 7, 3), "view 0"},
        Damage{"stored_of_another_type", view_number(0, 10, 1), "view 0"},
        Damage{"rows_past_the_end", view_number(0, 8, 8), "view 0"},
        Damage{"rows_wrap", view_number(0, 8, ~0ull), "view 0"},
        Damage{"another_size", view_number(0, 9, 4), "view 0"},
        Damage{"pairs_of_0", view_number(1, 2, 0), "view 1"},
        Damage{"pairs_odd", view_number(1, 2, 3), "view 1"},
        Damage{"pairs_do_not_divide", view_number(1, 2, 10), "view 1"},
        Damage{"tiles_of_0", view_number(3, 3, 0), "view 3"},
        Damage{"tiles_wrap", view_number(3, 3, kHuge), "view 3"},
        Damage{"tiles_do_not_divide", view_number(3, 4, 3), "view 3"},
        Damage{"tiles_from_behind_the_end", view_number(3, 2, 13), "view 3"},
        Damage{"columns_in_parts_of_blocks", view_number(4, 4, 2), "view 4"},
        Damage{"interleaved_unlike", view_number(5, 12, 5), "view 5"},
        Damage{"heads_of_0", view_number(6, 2, 0), "view 6"},
        Damage{"heads_do_not_divide", view_number(6, 2, 3), "view 6"},
        Damage{"keys_of_0", view_number(7, 3, 0), "view 7"},
        Damage{"keys_of_other_heads", view_number(7, 2, 1), "view 7"}),
    [](const auto& c) { return c.param.name; });

}  // namespace
}  // namespace imp::model
