// Views on stored rows, each order against lists written by hand from specs of the converter's
// transforms (gguf.md, section 5).
#include "src/model/tensor_view.h"

#include <gtest/gtest.h>

#include <cstring>

#include "src/model/model.h"
#include "src/model/source_read.h"
#include "tests/unit/temp_folder.h"

namespace imp::model {
namespace {

using quant::BlockField;

/// A file of plain F32 tensors in which element [row, column] of tensor t is 1000 * t + 10 * row +
/// column.
class Stored {
 public:
  /// Returns the index of the tensor.
  uint32_t add(uint64_t rows, uint64_t columns) {
    const auto tensor = static_cast<uint32_t>(source_.stored.size());
    StoredTensor stored{"t" + std::to_string(tensor),
                        0,
                        GgmlType::kF32,
                        Shape{rows, columns},
                        bytes_.size(),
                        rows * columns * 4};
    for (uint64_t r = 0; r < rows; ++r)
      for (uint64_t c = 0; c < columns; ++c) {
        const auto value = static_cast<float>(1000 * tensor + 10 * r + c);
        bytes_.append(reinterpret_cast<const char*>(&value), 4);
      }
    source_.stored.push_back(stored);
    return tensor;
  }
  uint32_t add_raw(GgmlType type, uint64_t rows, uint64_t columns, const std::string& bytes) {
    source_.stored.push_back({"raw", 0, type, Shape{rows, columns}, bytes_.size(), bytes.size()});
    bytes_ += bytes;
    return static_cast<uint32_t>(source_.stored.size() - 1);
  }

  Source& source() {
    auto file = ReadFile::open(folder_.write("rows.bin", bytes_));
    EXPECT_TRUE(file.ok());
    source_.files.clear();
    source_.files.push_back({"rows.bin", std::move(file).take(), false, {}});
    return source_;
  }

 private:
  imp::testing::TempFolder folder_;
  std::string bytes_;
  Source source_;
};

std::vector<std::byte> read(const Source& source, const TensorView& view, uint64_t row0,
                            uint64_t rows) {
  std::vector<std::byte> out(rows * view.row_bytes(), std::byte{0xAA});
  EXPECT_TRUE(read_view_rows(source, view, row0, rows, out).ok());
  return out;
}

std::vector<float> floats(const std::vector<std::byte>& bytes) {
  std::vector<float> values(bytes.size() / 4);
  std::memcpy(values.data(), bytes.data(), bytes.size());
  return values;
}

/// First elements of all rows.
std::vector<float> first_column(Stored& stored, const TensorView& view) {
  const uint64_t rows = view.rows_of_expert() * view.experts;
  const std::vector<float> values = floats(read(stored.source(), view, 0, rows));
  std::vector<float> column;
  for (uint64_t r = 0; r < rows; ++r) column.push_back(values[r * view.columns]);
  return column;
}

using Rows = std::vector<float>;

TEST(TensorView, PiecesFollowEachOther) {
  Stored stored;
  const uint32_t a = stored.add(3, 2), b = stored.add(4, 2);
  TensorView view;
  view.columns = 2;
  view.pieces = {{a, 1, 2}, {b, 0, 1}};
  EXPECT_EQ(first_column(stored, view), (Rows{10, 20, 1000}));
  EXPECT_EQ(floats(read(stored.source(), view, 1, 2)), (Rows{20, 21, 1000, 1001}));
}

TEST(TensorView, PairsOfRopeComeApart) {
  Stored stored;
  const uint32_t a = stored.add(12, 1);
  TensorView view;
  view.columns = 1;
  view.pieces = {{a, 0, 12}};
  view.order = RowOrder::kRopePairs;
  view.a = 6;  // two heads
  EXPECT_EQ(first_column(stored, view), (Rows{0, 20, 40, 10, 30, 50, 60, 80, 100, 70, 90, 110}));
}

TEST(TensorView, PairsOfRopeInARunOfRows) {
  Stored stored;
  const uint32_t a = stored.add(10, 1);
  TensorView view;
  view.columns = 1;
  view.pieces = {{a, 2, 4}};
  view.order = RowOrder::kRopePairs;
  view.a = 4;
  EXPECT_EQ(first_column(stored, view), (Rows{20, 40, 30, 50}));
}

TEST(TensorView, TiledHeadsGoBackToTheirGroups) {
  // Two rows before the heads; then 2 key heads with 3 value heads each, 2 rows a head. The file
  // has value head j of key head g at 2j + g.
  Stored stored;
  const uint32_t a = stored.add(14, 1);
  TensorView view;
  view.columns = 1;
  view.pieces = {{a, 0, 14}};
  view.order = RowOrder::kTiledHeads;
  view.a = 2;
  view.b = 2;
  view.c = 3;
  EXPECT_EQ(first_column(stored, view),
            (Rows{0, 10, 20, 30, 60, 70, 100, 110, 40, 50, 80, 90, 120, 130}));
}

TEST(TensorView, TiledColumnsGoBackToTheirGroups) {
  Stored stored;
  const uint32_t a = stored.add(2, 6);
  TensorView view;
  view.columns = 6;
  view.pieces = {{a, 0, 2}};
  view.order = RowOrder::kTiledColumns;
  view.b = 2;
  view.c = 3;
  EXPECT_EQ(floats(read(stored.source(), view, 0, 2)),
            (Rows{0, 2, 4, 1, 3, 5, 10, 12, 14, 11, 13, 15}));
}

TEST(TensorView, RowsOfTwoPiecesInterleaveInEachExpert) {
  Stored stored;
  const uint32_t gate = stored.add(4, 1), up = stored.add(4, 1);  // 2 experts of 2 rows
  TensorView view;
  view.columns = 1;
  view.experts = 2;
  view.pieces = {{gate, 0, 2}, {up, 0, 2}, {gate, 2, 2}, {up, 2, 2}};
  view.order = RowOrder::kInterleaved;
  EXPECT_EQ(first_column(stored, view), (Rows{0, 1000, 10, 1010, 20, 1020, 30, 1030}));
}

TEST(TensorView, HeadsOfAllPiecesComeTogether) {
  // 2 heads: one row of q and k each, two of v and z.
  Stored stored;
  const uint32_t qkv = stored.add(8, 1), z = stored.add(4, 1);
  TensorView view;
  view.columns = 1;
  view.pieces = {{qkv, 0, 2}, {qkv, 2, 2}, {qkv, 4, 4}, {z, 0, 4}};
  view.order = RowOrder::kHeadsTogether;
  view.a = 2;
  EXPECT_EQ(first_column(stored, view),
            (Rows{0, 20, 40, 50, 1000, 1010, 10, 30, 60, 70, 1020, 1030}));
}

TEST(TensorView, KeysAreTransposedBesideValues) {
  // 2 heads, 3 latent columns, 2 key rows and 1 value row a head: k_b is [2 * 3, 2], v_b [2 * 1,
  // 3].
  Stored stored;
  const uint32_t k_b = stored.add(6, 2), v_b = stored.add(2, 3);
  TensorView view;
  view.columns = 3;
  view.pieces = {{k_b, 0, 6}, {v_b, 0, 2}};
  view.order = RowOrder::kMlaKeyValue;
  view.a = 2;
  view.b = 2;
  ASSERT_EQ(view.rows_of_expert(), 6u);
  EXPECT_EQ(floats(read(stored.source(), view, 0, 6)),
            (Rows{0, 10, 20, 1, 11, 21, 1000, 1001, 1002,  //
                  30, 40, 50, 31, 41, 51, 1010, 1011, 1012}));
  EXPECT_EQ(floats(read(stored.source(), view, 4, 1)), (Rows{31, 41, 51}));
}

/// A block of Q8_0: scale 1.0 and 32 bytes that count up from `first`.
std::string q8_0_block(int first) {
  std::string block{'\x00', '\x3C'};
  for (int i = 0; i < 32; ++i) block += static_cast<char>(first + i);
  return block;
}

TEST(TensorView, FieldsComeOutOfRowsInTheirOrder) {
  Stored stored;
  stored.add(1, 1);
  const uint32_t a = stored.add_raw(
      GgmlType::kQ8_0, 2, 64, q8_0_block(0) + q8_0_block(32) + q8_0_block(64) + q8_0_block(-32));
  TensorView view;
  view.type = GgmlType::kQ8_0;
  view.columns = 64;
  view.pieces = {{a, 0, 2}};
  view.order = RowOrder::kTiledColumns;  // one group of two chunks: they stay
  view.b = 1;
  view.c = 2;
  view.field = BlockField::kCodes;
  auto codes = read(stored.source(), view, 1, 1);
  ASSERT_EQ(codes.size(), 64u);
  EXPECT_EQ(codes[0], std::byte{128 + 64});
  EXPECT_EQ(codes[32], std::byte{128 - 32});
  view.b = 2;  // two groups of one chunk: they stay too
  view.c = 1;
  EXPECT_EQ(read(stored.source(), view, 1, 1), codes);
  view.field = BlockField::kScale;
  EXPECT_EQ(read(stored.source(), view, 0, 1),
            (std::vector<std::byte>{std::byte{0}, std::byte{0x3C}, std::byte{0}, std::byte{0x3C}}));
}

TEST(TensorView, BigEndianFieldsAreSwapped) {
  Stored stored;
  const uint32_t a = stored.add_raw(GgmlType::kQ8_0, 1, 32, q8_0_block(0));
  TensorView view;
  view.type = GgmlType::kQ8_0;
  view.columns = 32;
  view.pieces = {{a, 0, 1}};
  view.field = BlockField::kScale;
  Source& source = stored.source();
  EXPECT_EQ(read(source, view, 0, 1)[1], std::byte{0x3C});
  source.big_endian = true;
  EXPECT_EQ(read(source, view, 0, 1)[0], std::byte{0x3C});
}

TEST(TensorView, AnyByteRangeOfATensorCanBeRead) {
  Stored stored;
  const uint32_t a = stored.add(6, 2);
  SourceTensor tensor;
  tensor.view.emplace();
  tensor.view->columns = 2;
  tensor.view->pieces = {{a, 0, 6}};
  tensor.view->order = RowOrder::kRopePairs;
  tensor.view->a = 6;
  Source& source = stored.source();
  tensor.shape = Shape{6, 2};
  tensor.size_bytes = 48;
  source.tensors.push_back(tensor);
  std::vector<std::byte> whole(48);
  ASSERT_TRUE(read_tensor(source, 0, 0, whole).ok());
  for (const auto& [first, size] :
       std::vector<std::pair<size_t, size_t>>{{0, 8}, {3, 7}, {8, 40}, {47, 1}}) {
    std::vector<std::byte> part(size);
    ASSERT_TRUE(read_tensor(source, 0, first, part).ok());
    EXPECT_TRUE(std::equal(part.begin(), part.end(), whole.begin() + static_cast<long>(first)))
        << first;
  }
  EXPECT_EQ(end_in_file(source, source.tensors[0]), 48u);
}

}  // namespace
}  // namespace imp::model
