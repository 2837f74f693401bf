// One file for each rule of formats/safetensors/SPEC.md, made from a good one by one change.
#include <gtest/gtest.h>

#include <filesystem>

#include "formats/safetensors/header.h"
#include "tests/unit/safetensors_bytes.h"
#include "tests/unit/temp_folder.h"

namespace imp::safetensors {
namespace {

using testing::as_bytes;
using testing::le64;
using testing::replace_once;
using testing::safetensors_file;
using testing::TempFolder;

constexpr char kGoodJson[] = R"({"__metadata__":{"k":"v","l":"w"},)"
                             R"("a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                             R"("b":{"dtype":"U8","shape":[2,2],"data_offsets":[8,12]},)"
                             R"("c":{"data_offsets":[12,13],"shape":[2],"dtype":"F4"}})";
constexpr char kGoodData[] = "0123456789abc";

void expect_refused(const std::string& bytes, ErrorKind kind, const std::string& tensor,
                    const std::string& fragment) {
  const auto header = read_header(as_bytes(bytes));
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(error_kind_name(header.error().kind), error_kind_name(kind));
  EXPECT_EQ(header.error().tensor, tensor);
  EXPECT_NE(header.error().message.find(fragment), std::string::npos) << header.error().to_line();
}

TEST(SafetensorsMalformed, TheFileThatIsChangedIsGood) {
  EXPECT_TRUE(read_header(as_bytes(safetensors_file(kGoodJson, kGoodData))).ok());
}

struct JsonCase {
  std::string name;
  std::string find;
  std::string with;
  ErrorKind kind;
  std::string tensor;
  std::string fragment;
};

void PrintTo(const JsonCase& c, std::ostream* out) {
  *out << c.find << " -> " << c.with.substr(0, 80);
}

class SafetensorsJson : public ::testing::TestWithParam<JsonCase> {};

TEST_P(SafetensorsJson, IsRefused) {
  const JsonCase& c = GetParam();
  expect_refused(safetensors_file(replace_once(kGoodJson, c.find, c.with), kGoodData), c.kind,
                 c.tensor, c.fragment);
}

std::string case_name(const ::testing::TestParamInfo<JsonCase>& info) { return info.param.name; }

constexpr ErrorKind kSyntax = ErrorKind::kHeaderSyntax;
constexpr ErrorKind kTwice = ErrorKind::kDuplicateName;
constexpr ErrorKind kShape = ErrorKind::kBadShape;

INSTANTIATE_TEST_SUITE_P(
    Document, SafetensorsJson,
    ::testing::Values(
        JsonCase{"Array", R"({"__meta)", R"([{"__meta)", kSyntax, "", "begins with byte 91"},
        JsonCase{"LeadingSpace", R"({"__meta)", R"( {"__meta)", kSyntax, "", "begins with byte 32"},
        JsonCase{"TrailingComma", R"("F4"}})", R"("F4"},})", kSyntax, "", "malformed"},
        JsonCase{"Unclosed", R"("F4"}})", R"("F4"})", kSyntax, "", "malformed"},
        JsonCase{"Unquoted", R"("dtype":"U8")", R"(dtype:"U8")", kSyntax, "b", "malformed"},
        JsonCase{"Comment", R"({"__meta)", R"({/**/"__meta)", kSyntax, "", "malformed"},
        JsonCase{"NulByte", R"(,"a")", std::string(",\0\"a\"", 5), kSyntax, "", "malformed"},
        JsonCase{"InvalidUtf8", R"("b")", "\"b\xFF\"", kSyntax, "", "malformed"},
        JsonCase{"OverlongUtf8", R"("b")", "\"\xC1\xA2\"", kSyntax, "", "malformed"},
        JsonCase{"LoneSurrogate", R"("b")", R"("\ud800")", kSyntax, "", "malformed"},
        JsonCase{"RawControl", R"("b")", "\"b\n\"", kSyntax, "", "malformed"},
        JsonCase{"TextBehind", R"("F4"}})", R"("F4"}} x)", kSyntax, "",
                 "behind the header's JSON is 120"},
        JsonCase{"ObjectBehind", R"("F4"}})", R"("F4"}}{})", kSyntax, "", "JSON is 123"},
        JsonCase{"NewlinePadding", R"("F4"}})", "\"F4\"}}\n", kSyntax, "", "JSON is 10"},
        JsonCase{"NulPadding", R"("F4"}})", std::string("\"F4\"}} \0", 8), kSyntax, "",
                 "JSON is 0"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Metadata, SafetensorsJson,
    ::testing::Values(
        JsonCase{"Number", R"("v")", "1", kSyntax, "__metadata__", "value of 'k' is a number"},
        JsonCase{"Null", R"("v")", "null", kSyntax, "__metadata__", "value of 'k' is null"},
        JsonCase{"Nested", R"("v")", "{}", kSyntax, "__metadata__", "value of 'k' is an object"},
        JsonCase{"List", R"("v")", "[]", kSyntax, "__metadata__", "value of 'k' is an array"},
        JsonCase{"IsNull", R"({"k":"v","l":"w"})", "null", kSyntax, "__metadata__", "is null"},
        JsonCase{"IsString", R"({"k":"v","l":"w"})", R"("k")", kSyntax, "__metadata__",
                 "value is a string"},
        JsonCase{"KeyTwice", R"("l":)", R"("k":)", kTwice, "__metadata__", "key 'k' occurs twice"},
        JsonCase{"Twice", R"(,"a":)", R"(,"__metadata__":{},"a":)", kTwice, "__metadata__",
                 "occurs twice"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Names, SafetensorsJson,
    ::testing::Values(
        JsonCase{"Twice", R"("b":)", R"("a":)", kTwice, "a", "occurs twice in the header"},
        JsonCase{"TwiceByEscape", R"("b":)", R"("\u0061":)", kTwice, "a", "occurs twice"},
        JsonCase{"Empty", R"("b":)", R"("":)", ErrorKind::kBadName, "", "name has 0 bytes"},
        JsonCase{"Control", R"("b":)", R"("b\u0001":)", ErrorKind::kBadName, "b\x01", "control"},
        JsonCase{"Delete", R"("b":)", R"("b\u007f":)", ErrorKind::kBadName, "b\x7F", "control"},
        JsonCase{"Nul", R"("b":)", R"("b\u0000":)", ErrorKind::kBadName, std::string("b\0", 2),
                 "control"},
        JsonCase{"TooLong", R"("b":)", "\"" + std::string(65537, 'b') + "\":", ErrorKind::kBadName,
                 std::string(64, 'b'), "65537 bytes"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Entry, SafetensorsJson,
    ::testing::Values(
        JsonCase{"IsNumber", R"(,"c":)", R"(,"n":1,"c":)", kSyntax, "n", "entry is a number"},
        JsonCase{"IsNull", R"(,"c":)", R"(,"n":null,"c":)", kSyntax, "n", "entry is null"},
        JsonCase{"IsArray", R"(,"c":)", R"(,"n":[],"c":)", kSyntax, "n", "entry is an array"},
        JsonCase{"IsString", R"(,"c":)", R"(,"n":"","c":)", kSyntax, "n", "entry is a string"},
        JsonCase{"UnknownKey", R"("dtype":"U8")", R"("dtype":"U8","x":1)", kSyntax, "b", "key 'x'"},
        JsonCase{"KeyInCapitals", R"("dtype":"U8")", R"("Dtype":"U8")", kSyntax, "b",
                 "key 'Dtype'"},
        JsonCase{"NoDtype", R"("dtype":"U8",)", "", kSyntax, "b", "has no dtype"},
        JsonCase{"NoShape", R"("shape":[2,2],)", "", kSyntax, "b", "has no shape"},
        JsonCase{"NoOffsets", R"(,"data_offsets":[8,12])", "", kSyntax, "b", "has no data_offsets"},
        JsonCase{"DtypeTwice", R"("dtype":"U8")", R"("dtype":"U8","dtype":"U8")", kTwice, "b",
                 "has 'dtype' twice"},
        JsonCase{"ShapeTwice", R"("shape":[2,2])", R"("shape":[2,2],"shape":[2,2])", kTwice, "b",
                 "has 'shape' twice"},
        JsonCase{"OffsetsTwice", R"("data_offsets":[8,12])",
                 R"("data_offsets":[8,12],"data_offsets":[8,12])", kTwice, "b",
                 "has 'data_offsets' twice"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Dtype, SafetensorsJson,
    ::testing::Values(
        JsonCase{"Unknown", R"("U8")", R"("U9")", ErrorKind::kUnknownDtype, "b", "dtype is 'U9'"},
        JsonCase{"LowerCase", R"("U8")", R"("u8")", ErrorKind::kUnknownDtype, "b", "'u8'"},
        JsonCase{"Empty", R"("U8")", R"("")", ErrorKind::kUnknownDtype, "b", "''"},
        JsonCase{"Number", R"("U8")", "8", kSyntax, "b", "dtype is a number, expected a string"},
        JsonCase{"Boolean", R"("U8")", "true", kSyntax, "b", "dtype is a boolean"},
        JsonCase{"Object", R"("U8")", "{}", kSyntax, "b", "dtype is an object"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Shape, SafetensorsJson,
    ::testing::Values(
        JsonCase{"String", "[2,2]", R"("2,2")", kSyntax, "b", "shape is a string"},
        JsonCase{"Object", "[2,2]", "{}", kSyntax, "b", "shape is an object"},
        JsonCase{"Number", "[2,2]", "4", kSyntax, "b", "shape is a number"},
        JsonCase{"Negative", "[2,2]", "[-2,2]", kSyntax, "b", "shape is a negative number"},
        JsonCase{"Fraction", "[2,2]", "[2.0,2]", kSyntax, "b", "shape is a fraction"},
        JsonCase{"Exponent", "[2,2]", "[2e0,2]", kSyntax, "b", "shape is a fraction"},
        JsonCase{"Above64Bits", "[2,2]", "[18446744073709551616,2]", kSyntax, "b", "above 64 bits"},
        JsonCase{"Infinite", "[2,2]", "[1e999,2]", kSyntax, "b", "malformed"},
        JsonCase{"LeadingZero", "[2,2]", "[02,2]", kSyntax, "b", "malformed"},
        JsonCase{"Null", "[2,2]", "[null,2]", kSyntax, "b", "element of shape is null"},
        JsonCase{"Nested", "[2,2]", "[[2],2]", kSyntax, "b", "element of shape is an array"},
        JsonCase{"Rank9", "[2,2]", "[2,2,1,1,1,1,1,1,1]", ErrorKind::kUnsupportedFormat, "b",
                 "more than 8 dimensions"},
        JsonCase{"ElementsOverflow", "[2,2]", "[4294967296,4294967296]", kShape, "b", "overflows"},
        JsonCase{"OverflowBeforeZero", "[2,2]", "[4294967296,4294967296,0]", kShape, "b",
                 "overflows"},
        JsonCase{"BitsOverflow", "[2,2]", "[2305843009213693952]", kShape, "b", "overflows"},
        JsonCase{"TooSmall", "[2,2]", "[3]", kShape, "b", "is 3 bytes, data_offsets give 4"},
        JsonCase{"TooLarge", "[2,2]", "[2,3]", kShape, "b", "is 6 bytes, data_offsets give 4"},
        JsonCase{"HalfAByte", R"([2],"dtype":"F4")", R"([3],"dtype":"F4")", kShape, "c",
                 "is 12 bits, expected whole bytes"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Offsets, SafetensorsJson,
    ::testing::Values(
        JsonCase{"One", "[8,12]", "[8]", kSyntax, "b", "has 1 elements, expected 2"},
        JsonCase{"None", "[8,12]", "[]", kSyntax, "b", "has 0 elements"},
        JsonCase{"Three", "[8,12]", "[8,12,12]", kSyntax, "b", "more than 2"},
        JsonCase{"String", "[8,12]", R"("8,12")", kSyntax, "b", "data_offsets is a string"},
        JsonCase{"Negative", "[8,12]", "[-8,12]", kSyntax, "b", "data_offsets is a negative"},
        JsonCase{"Fraction", "[8,12]", "[8.5,12]", kSyntax, "b", "data_offsets is a fraction"},
        JsonCase{"Boolean", "[8,12]", "[false,12]", kSyntax, "b", "data_offsets is a boolean"},
        JsonCase{"Backwards", "[8,12]", "[12,8]", kShape, "b", "expected begin <= end"},
        JsonCase{"NearlyAll64Bits", "[8,12]", "[8,18446744073709551615]", kShape, "b",
                 "data_offsets give 18446744073709551607"},
        JsonCase{"Hole", "[8,12]", "[9,13]", ErrorKind::kHole, "b", "begins at 9, expected 8"},
        JsonCase{"HoleBeforeTheFirst", "[0,8]", "[18446744073709551607,18446744073709551615]",
                 ErrorKind::kHole, "b", "begins at 8, expected 0"},
        JsonCase{"Overlap", "[8,12]", "[7,11]", ErrorKind::kOverlap, "b",
                 "begins at 7, expected 8"},
        JsonCase{"SameRange", "[8,12]", "[0,4]", ErrorKind::kOverlap, "a",
                 "begins at 0, expected 4"}),
    case_name);

TEST(SafetensorsMalformed, FirstTensorDoesNotBeginAtZero) {
  const std::string json = R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})";
  ASSERT_TRUE(read_header(as_bytes(safetensors_file(json, "xy"))).ok());
  expect_refused(safetensors_file(replace_once(json, "[0,2]", "[1,3]"), "xy"), ErrorKind::kHole,
                 "t", "begins at 1, expected 0");
}

TEST(SafetensorsMalformed, EmptyTensorInsideAnother) {
  const std::string json = R"({"t":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                           R"("e":{"dtype":"U8","shape":[0],"data_offsets":[2,2]}})";
  ASSERT_TRUE(read_header(as_bytes(safetensors_file(json, "xy"))).ok());
  expect_refused(safetensors_file(replace_once(json, "[2,2]", "[1,1]"), "xy"), ErrorKind::kOverlap,
                 "e", "begins at 1, expected 2");
}

TEST(SafetensorsMalformed, LastByteIsMissing) {
  expect_refused(safetensors_file(kGoodJson, "0123456789ab"), ErrorKind::kTruncated, "c",
                 "ends at 12 + 1, the file's data section has 12 bytes");
}

TEST(SafetensorsMalformed, DataIsMissing) {
  expect_refused(safetensors_file(kGoodJson, ""), ErrorKind::kTruncated, "a", "has 0 bytes");
}

TEST(SafetensorsMalformed, OneByteTooMany) {
  expect_refused(safetensors_file(kGoodJson, "0123456789abcd"), ErrorKind::kTrailingBytes, "",
                 "has 1 bytes after the last tensor");
}

TEST(SafetensorsMalformed, DataWithoutTensors) {
  expect_refused(safetensors_file("{}", "x"), ErrorKind::kTrailingBytes, "", "has 1 bytes");
}

TEST(SafetensorsMalformed, SizeFieldAboveTheFile) {
  const std::string json = "{}";
  ASSERT_TRUE(read_header(as_bytes(le64(2) + json)).ok());
  expect_refused(le64(3) + json, ErrorKind::kHeaderSize, "", "is 3 in a file of 10 bytes");
  expect_refused(le64(UINT64_MAX) + json, ErrorKind::kHeaderSize, "", "18446744073709551615");
  expect_refused(le64(UINT64_MAX - 7) + json, ErrorKind::kHeaderSize, "", "18446744073709551608");
}

TEST(SafetensorsMalformed, SizeFieldBelowTheSmallestObject) {
  expect_refused(le64(1) + "{}", ErrorKind::kHeaderSize, "", "is 1 in a file");
  expect_refused(le64(0) + "{}", ErrorKind::kHeaderSize, "", "is 0 in a file");
}

TEST(SafetensorsMalformed, SizeFieldCutsTheObject) {
  const std::string good = safetensors_file(kGoodJson, kGoodData);
  expect_refused(le64(std::string(kGoodJson).size() - 1) + good.substr(8), kSyntax, "",
                 "malformed");
}

TEST(SafetensorsMalformed, GitLfsPointer) {
  expect_refused("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n",
                 ErrorKind::kBadMagic, "", "is a Git LFS pointer");
}

TEST(SafetensorsMalformed, FilesOfLessThanAHeader) {
  const std::string zeros(8, '\0');
  for (size_t size = 0; size < 8; ++size)
    expect_refused(zeros.substr(0, size), ErrorKind::kTruncated, "",
                   "has " + std::to_string(size) + " bytes, expected at least 8");
  expect_refused(zeros, ErrorKind::kHeaderSize, "", "is 0 in a file of 8 bytes");
}

TEST(SafetensorsMalformed, EveryPrefixOfAFileIsRefused) {
  const std::string good = safetensors_file(kGoodJson, kGoodData);
  for (size_t size = 0; size < good.size(); ++size)
    EXPECT_FALSE(read_header(as_bytes(good.substr(0, size))).ok()) << size;
}

// A sparse file stands for the large one: the header is refused at its third byte or not at all.
TEST(SafetensorsMalformed, HeaderAboveTheCapOfTheFormat) {
  const TempFolder folder;
  const auto path = folder.write("x.safetensors", le64(kMaxHeaderBytes) + "{}");
  std::filesystem::resize_file(path, 8 + kMaxHeaderBytes + 1);
  auto file = ReadFile::open(path);
  ASSERT_TRUE(file.ok());
  const auto at_cap = read_header(*file);
  ASSERT_FALSE(at_cap.ok());
  EXPECT_EQ(at_cap.error().kind, kSyntax);

  folder.write("y.safetensors", le64(kMaxHeaderBytes + 1) + "{}");
  std::filesystem::resize_file(folder.path() / "y.safetensors", 8 + kMaxHeaderBytes + 1);
  auto above = ReadFile::open(folder.path() / "y.safetensors");
  ASSERT_TRUE(above.ok());
  const auto above_cap = read_header(*above);
  ASSERT_FALSE(above_cap.ok());
  EXPECT_EQ(above_cap.error().kind, ErrorKind::kHeaderSize);
  EXPECT_NE(above_cap.error().message.find("100000001"), std::string::npos);
}

TEST(SafetensorsMalformed, ErrorNamesTheFile) {
  const TempFolder folder;
  const auto path = folder.write("bad.safetensors", safetensors_file(kGoodJson, "0123456789ab"));
  auto file = ReadFile::open(path);
  ASSERT_TRUE(file.ok());
  const auto header = read_header(*file);
  ASSERT_FALSE(header.ok());
  EXPECT_EQ(
      header.error().to_line(),
      path.string() + ": tensor 'c': data ends at 12 + 1, the file's data section has 12 bytes");
}

}  // namespace
}  // namespace imp::safetensors
