// Files that read_header accepts, and what it says about them.
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "formats/safetensors/header.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::safetensors {
namespace {

using testing::as_bytes;
using testing::safetensors_file;
using testing::TempFolder;

TEST(SafetensorsHeader, GivesNamesDtypesShapesAndPlacesInTheFile) {
  const std::string json = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                           R"("b":{"dtype":"U8","shape":[2,2],"data_offsets":[8,12]}})";
  const TempFolder folder;
  const auto path = folder.write("x.safetensors", safetensors_file(json, "0123456789ab"));
  auto file = ReadFile::open(path);
  ASSERT_TRUE(file.ok());
  const auto header = read_header(*file);
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  ASSERT_EQ(header->tensors.size(), 2u);
  EXPECT_FALSE(header->has_metadata);
  EXPECT_EQ(header->data_offset_bytes, 8 + json.size());
  const TensorInfo& a = header->tensors[0];
  EXPECT_EQ(a.name, "a");
  EXPECT_EQ(a.dtype, Dtype::kF32);
  EXPECT_EQ(a.shape, Shape({2}));
  EXPECT_EQ(a.offset_bytes, 8 + json.size());
  EXPECT_EQ(a.size_bytes, 8u);
  const TensorInfo& b = header->tensors[1];
  EXPECT_EQ(b.name, "b");
  EXPECT_EQ(b.dtype, Dtype::kU8);
  EXPECT_EQ(b.shape, Shape({2, 2}));
  EXPECT_EQ(b.offset_bytes, 8 + json.size() + 8);
  EXPECT_EQ(b.size_bytes, 4u);
}

struct DtypeCase {
  std::string name;
  Dtype dtype;
  uint32_t bits;
};

void PrintTo(const DtypeCase& c, std::ostream* out) { *out << c.name; }

class SafetensorsDtype : public ::testing::TestWithParam<DtypeCase> {};

// Four elements fill whole bytes for each of them.
TEST_P(SafetensorsDtype, IsReadWithItsNumberOfBits) {
  const DtypeCase& c = GetParam();
  const std::string data(4 * c.bits / 8, 'x');
  const std::string json = R"({"t":{"dtype":")" + c.name + R"(","shape":[4],"data_offsets":[0,)" +
                           std::to_string(data.size()) + "]}}";
  const auto header = read_header(as_bytes(safetensors_file(json, data)));
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  EXPECT_EQ(header->tensors[0].dtype, c.dtype);
  EXPECT_EQ(header->tensors[0].size_bytes, data.size());
}

INSTANTIATE_TEST_SUITE_P(
    All, SafetensorsDtype,
    ::testing::Values(
        DtypeCase{"BOOL", Dtype::kBool, 8}, DtypeCase{"F4", Dtype::kF4, 4},
        DtypeCase{"F6_E2M3", Dtype::kF6E2M3, 6}, DtypeCase{"F6_E3M2", Dtype::kF6E3M2, 6},
        DtypeCase{"U8", Dtype::kU8, 8}, DtypeCase{"I8", Dtype::kI8, 8},
        DtypeCase{"F8_E5M2", Dtype::kF8E5M2, 8}, DtypeCase{"F8_E4M3", Dtype::kF8E4M3, 8},
        DtypeCase{"F8_E8M0", Dtype::kF8E8M0, 8}, DtypeCase{"F8_E4M3FNUZ", Dtype::kF8E4M3Fnuz, 8},
        DtypeCase{"F8_E5M2FNUZ", Dtype::kF8E5M2Fnuz, 8}, DtypeCase{"I16", Dtype::kI16, 16},
        DtypeCase{"U16", Dtype::kU16, 16}, DtypeCase{"F16", Dtype::kF16, 16},
        DtypeCase{"BF16", Dtype::kBF16, 16}, DtypeCase{"I32", Dtype::kI32, 32},
        DtypeCase{"U32", Dtype::kU32, 32}, DtypeCase{"F32", Dtype::kF32, 32},
        DtypeCase{"C64", Dtype::kC64, 64}, DtypeCase{"F64", Dtype::kF64, 64},
        DtypeCase{"I64", Dtype::kI64, 64}, DtypeCase{"U64", Dtype::kU64, 64}),
    [](const auto& param) { return param.param.name; });

TEST(SafetensorsHeader, SortsByOffsetAndKeepsHeaderOrderOfEmptyTensors) {
  const auto header = read_header(
      as_bytes(safetensors_file(R"({"last":{"dtype":"U8","shape":[2],"data_offsets":[1,3]},)"
                                R"("z":{"dtype":"U8","shape":[0],"data_offsets":[1,1]},)"
                                R"("first":{"dtype":"U8","shape":[],"data_offsets":[0,1]},)"
                                R"("y":{"dtype":"F32","shape":[7,0],"data_offsets":[1,1]},)"
                                R"("end":{"dtype":"F32","shape":[0],"data_offsets":[3,3]}})",
                                "abc")));
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  std::string order;
  for (const TensorInfo& tensor : header->tensors) order += tensor.name + " ";
  EXPECT_EQ(order, "first z y last end ");
  EXPECT_EQ(header->tensors[0].shape.rank, 0u);
  EXPECT_EQ(header->tensors[2].shape, Shape({7, 0}));
}

TEST(SafetensorsHeader, ReadsMetadataInFileOrder) {
  const auto header = read_header(
      as_bytes(safetensors_file(R"({"__metadata__":{"z":"1","format":"pt","a\n":"\u00e9"}})", "")));
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  EXPECT_TRUE(header->has_metadata);
  const std::vector<std::pair<std::string, std::string>> expected = {
      {"z", "1"}, {"format", "pt"}, {"a\n", "\xC3\xA9"}};
  EXPECT_EQ(header->metadata, expected);
}

TEST(SafetensorsHeader, TellsEmptyMetadataFromNone) {
  const auto with = read_header(as_bytes(safetensors_file(R"({"__metadata__":{}})", "")));
  const auto without = read_header(as_bytes(safetensors_file("{}", "")));
  ASSERT_TRUE(with.ok() && without.ok());
  EXPECT_TRUE(with->has_metadata);
  EXPECT_FALSE(without->has_metadata);
}

TEST(SafetensorsHeader, AcceptsSpacesBehindTheJsonAndWhiteSpaceWithin) {
  const std::string spaces(200'000, ' ');  // more than one piece of 64 KiB
  const auto header = read_header(as_bytes(safetensors_file(
      "{ \n\t\"a\" :\r{\"dtype\":\"U8\", \"shape\":[ 1 ] ,\"data_offsets\":[0,1]}" + spaces + "}" +
          spaces,
      "x")));
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  EXPECT_EQ(header->tensors.size(), 1u);
}

TEST(SafetensorsHeader, AcceptsTheLongestNameAndEscapesInNames) {
  const std::string name(65536, 'n');
  const auto header = read_header(as_bytes(
      safetensors_file("{\"" + name + R"(":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)" +
                           R"("q\"\\\u00e9/":{"dtype":"U8","shape":[1],"data_offsets":[1,2]}})",
                       "xy")));
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  EXPECT_EQ(header->tensors[0].name, name);
  EXPECT_EQ(header->tensors[1].name, "q\"\\\xC3\xA9/");
}

// The listing between ```hex and ``` in SPEC.md: "OFFSET: HEX BYTES | remark".
std::string example_bytes() {
  std::ifstream spec(IMP_SAFETENSORS_SPEC);
  std::string line;
  std::string bytes;
  while (std::getline(spec, line) && line != "```hex") {
  }
  while (std::getline(spec, line) && line != "```") {
    const size_t begin = line.find(':') + 1;
    std::istringstream numbers(line.substr(begin, line.find('|') - begin));
    for (unsigned byte = 0; numbers >> std::hex >> byte;) bytes += static_cast<char>(byte);
  }
  return bytes;
}

TEST(SafetensorsHeader, ReadsTheExampleOfTheSpecification) {
  const std::string bytes = example_bytes();
  ASSERT_EQ(bytes.size(), 66u);
  const auto header = read_header(as_bytes(bytes));
  ASSERT_TRUE(header.ok()) << header.error().to_line();
  ASSERT_EQ(header->tensors.size(), 1u);
  EXPECT_EQ(header->tensors[0].name, "a");
  EXPECT_EQ(header->tensors[0].dtype, Dtype::kU8);
  EXPECT_EQ(header->tensors[0].shape, Shape({2}));
  EXPECT_EQ(header->tensors[0].offset_bytes, 64u);
  EXPECT_EQ(bytes.substr(64), "\x01\xFF");
}

TEST(SafetensorsHeader, WritesTheExampleOfTheSpecification) {
  Header header;
  header.tensors = {{"a", Dtype::kU8, Shape({2}), 0, 2}};
  EXPECT_EQ(write_header(header), example_bytes().substr(0, 64));
}

}  // namespace
}  // namespace imp::safetensors
