// Each limit of the container, broken alone in a file that is right otherwise: the kind of the
// error and the place that it names. The cases are those that readers of GGUF got wrong before
// (published advisories and issues of ggml, llama.cpp, Ollama, MLX and others).
#include <gtest/gtest.h>

#include <functional>
#include <ostream>

#include "formats/gguf/file.h"
#include "tests/unit/gguf_bytes.h"
#include "tests/unit/safetensors_bytes.h"

namespace imp::gguf {
namespace {

using namespace imp::testing;

struct Case {
  std::string name;
  std::function<void(GgufFile&)> change;
  ErrorKind kind;
  std::string tensor;    ///< that the error names
  std::string fragment;  ///< of its message

  friend std::ostream& operator<<(std::ostream& out, const Case& c) { return out << c.name; }
};

Error error_of(const std::string& bytes) {
  CollectingLog log;
  auto header = read_header(as_bytes(bytes), log);
  if (header.ok()) return Error{ErrorKind::kInternal, "was read", "", ""};
  return std::move(header).error();
}

class GgufLimit : public ::testing::TestWithParam<Case> {};

TEST_P(GgufLimit, IsKept) {
  GgufFile file = small_gguf();
  CollectingLog log;
  const std::string valid = file.bytes();
  ASSERT_TRUE(read_header(as_bytes(valid), log).ok());
  GetParam().change(file);
  const Error error = error_of(file.bytes());
  EXPECT_EQ(error_kind_name(error.kind), error_kind_name(GetParam().kind)) << error.to_line();
  EXPECT_EQ(error.tensor, GetParam().tensor) << error.to_line();
  EXPECT_NE(error.message.find(GetParam().fragment), std::string::npos) << error.to_line();
}

std::string case_name(const ::testing::TestParamInfo<Case>& info) { return info.param.name; }

std::function<void(GgufFile&)> with_entry(std::string key, uint32_t type, std::string value) {
  return [=](GgufFile& file) { file.add(key, type, value); };
}
std::function<void(GgufFile&)> with_dims(std::vector<uint64_t> ne) {
  return [=](GgufFile& file) { file.tensor("c.bias").ne = ne; };
}
std::function<void(GgufFile&)> with_offset(uint64_t offset) {
  return [=](GgufFile& file) { file.tensor("b.weight").offset = offset; };
}
std::function<void(GgufFile&)> with_type(uint32_t type) {
  return [=](GgufFile& file) { file.tensor("b.weight").type = type; };
}
std::function<void(GgufFile&)> with_name(std::string name) {
  return [=](GgufFile& file) { file.tensors[1].name = name; };
}
std::function<void(GgufFile&)> with_version(uint32_t version) {
  return [=](GgufFile& file) { file.version = version; };
}
std::function<void(GgufFile&)> with_magic(std::string magic) {
  return [=](GgufFile& file) { file.magic = magic; };
}
std::function<void(GgufFile&)> with_counts(uint64_t tensors, uint64_t keys) {
  return [=](GgufFile& file) {
    file.num_tensors = tensors;
    file.num_keys = keys;
  };
}
std::function<void(GgufFile&)> with_alignment(uint32_t type, std::string value) {
  return with_entry("general.alignment", type, std::move(value));
}

const GgufEncoder kLe;
constexpr uint64_t k2p31 = 1ull << 31, k2p32 = 1ull << 32, k2p40 = 1ull << 40, k2p61 = 1ull << 61,
                   k2p63 = 1ull << 63, kMax = ~0ull;

using enum ErrorKind;

INSTANTIATE_TEST_SUITE_P(
    Start, GgufLimit,
    ::testing::Values(
        Case{"magic", with_magic("GGUX"), kBadMagic, "", "'GGUX'"},
        Case{"magic_swapped", with_magic("FUGG"), kBadMagic, "", "magic swapped"},
        Case{"magic_ggjt", with_magic("tjgg"), kBadMagic, "", "older than GGUF"},
        Case{"git_lfs_pointer", with_magic("version https://git-lfs"), kBadMagic, "", "Git LFS"},
        Case{"version_0", with_version(0), kUnsupportedVersion, "", "version 0"},
        Case{"version_1", with_version(1), kUnsupportedVersion, "", "version 1"},
        Case{"version_4", with_version(4), kUnsupportedVersion, "", "version 4"},
        Case{"version_1_big_endian", with_version(1u << 24), kUnsupportedVersion, "", "version 1"},
        Case{"version_says_big_endian_and_the_rest_is_not", with_version(3u << 24), kHeaderSize, "",
             "216172782113783808 tensors"},
        Case{"tensor_count_max", with_counts(kMax, 2), kHeaderSize, "", "tensors"},
        Case{"tensor_count_over_cap", with_counts((1 << 20) + 1, 2), kHeaderSize, "", "1048577"},
        Case{"tensor_count_not_backed", with_counts(1 << 20, 2), kTruncated, "", "33554432 bytes"},
        Case{"tensor_count_one_more", with_counts(4, 2), kBadName, "", "tensor info 3 at byte"},
        Case{"key_count_max", with_counts(3, kMax), kHeaderSize, "", "metadata keys"},
        Case{"key_count_over_cap", with_counts(3, (1 << 20) + 1), kHeaderSize, "", "1048577"},
        Case{"key_count_not_backed", with_counts(3, 1 << 20), kTruncated, "", "13631488 bytes"},
        Case{"key_count_one_more", with_counts(3, 3), kBadName, "", "tensor info 0 at byte 118"},
        Case{"key_count_one_less", with_counts(3, 1), kBadShape, "test.number", "ne1 is"}),
    case_name);
// With one key less its second one is read as a tensor of four dimensions, with one more the first
// tensor as a key of two bytes.

INSTANTIATE_TEST_SUITE_P(
    Keys, GgufLimit,
    ::testing::Values(
        Case{"empty", with_entry("", kGgufU8, "\1"), kBadName, "", "key 2 at byte 96 is empty"},
        Case{"of_65536_bytes", with_entry(std::string(65'536, 'k'), kGgufU8, "\1"), kBadName, "",
             "expected at most 65535"},
        Case{"twice", with_entry("test.number", kGgufU8, "\1"), kDuplicateName, "",
             "key 'test.number' occurs twice"},
        Case{"with_nul", with_entry(std::string("a\0b", 3), kGgufU8, "\1"), kBadName, "",
             "a\\x00b"},
        Case{"with_escape", with_entry("a\x1B[31m", kGgufU8, "\1"), kBadName, "", "a\\x1b[31m"},
        Case{"not_utf8", with_entry("a\xFF", kGgufU8, "\1"), kBadName, "", "a\\xff"},
        Case{"length_wraps", [](GgufFile& file) { file.entries.push_back(kLe.num(kMax - 7)); },
             kBadName, "", "18446744073709551608 bytes"},
        Case{"length_past_the_end",
             [](GgufFile& file) { file.entries.push_back(kLe.num<uint64_t>(60'000)); }, kTruncated,
             "", "has 60000 bytes, the file has"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Values, GgufLimit,
    ::testing::Values(
        Case{"type_13", with_entry("k", 13, ""), kHeaderSyntax, "",
             "key 'k' at byte 96: the value type is 13"},
        Case{"type_max", with_entry("k", ~0u, ""), kHeaderSyntax, "", "is 4294967295"},
        Case{"bool_2", with_entry("k", kGgufBool, "\2"), kHeaderSyntax, "",
             "the bool at byte 109 is 2"},
        Case{"bool_array_255", with_entry("k", kGgufArray, kLe.array_head(kGgufBool, 2) + "\1\xFF"),
             kHeaderSyntax, "", "the bool at byte 122 is 255"},
        Case{"string_past_the_end", with_entry("k", kGgufString, kLe.num<uint64_t>(1'000'000)),
             kTruncated, "", "key 'k'"},
        Case{"string_over_cap", with_entry("k", kGgufString, kLe.num<uint64_t>((64u << 20) + 1)),
             kHeaderSize, "", "expected at most 67108864"},
        Case{"string_length_wraps", with_entry("k", kGgufString, kLe.num(kMax - 7)), kHeaderSize,
             "", "key 'k'"},
        Case{"nested_array",
             with_entry("k", kGgufArray, kLe.array_head(kGgufArray, 1) + kLe.array_head(0, 0)),
             kUnsupportedFormat, "", "key 'k' at byte 96: is an array of arrays"},
        Case{"array_type_13", with_entry("k", kGgufArray, kLe.array_head(13, 0)), kHeaderSyntax, "",
             "element type is 13"},
        Case{"array_of_2p63_bools", with_entry("k", kGgufArray, kLe.array_head(kGgufBool, k2p63)),
             kHeaderSize, "", "9223372036854775808 elements"},
        Case{"array_bytes_wrap", with_entry("k", kGgufArray, kLe.array_head(kGgufI32, 1ull << 62)),
             kHeaderSize, "", "key 'k'"},
        Case{"array_over_cap", with_entry("k", kGgufArray, kLe.array_head(kGgufU8, (1 << 26) + 1)),
             kHeaderSize, "", "expected at most 67108864"},
        Case{"array_not_backed", with_entry("k", kGgufArray, kLe.array_head(kGgufU64, 1 << 26)),
             kTruncated, "", "need 536870912 bytes"},
        Case{"string_array_not_backed",
             with_entry("k", kGgufArray, kLe.array_head(kGgufString, 1 << 26)), kTruncated, "",
             "need 536870912 bytes"},
        Case{"string_in_an_array_past_the_end",
             with_entry("k", kGgufArray,
                        kLe.array_head(kGgufString, 2) + kLe.str("a") + kLe.num<uint64_t>(9999)),
             kTruncated, "", "key 'k'"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Alignment, GgufLimit,
    ::testing::Values(
        Case{"of_0", with_alignment(kGgufU32, kLe.num(0u)), kHeaderSyntax, "", "is 0,"},
        Case{"of_3", with_alignment(kGgufU32, kLe.num(3u)), kHeaderSyntax, "", "is 3,"},
        Case{"of_48", with_alignment(kGgufU32, kLe.num(48u)), kHeaderSyntax, "", "is 48,"},
        Case{"of_2p21", with_alignment(kGgufU32, kLe.num(1u << 21)), kHeaderSyntax, "",
             "up to 1048576"},
        Case{"of_2p31", with_alignment(kGgufU32, kLe.num(1u << 31)), kHeaderSyntax, "",
             "2147483648"},
        Case{"of_2p32_less_1", with_alignment(kGgufU32, kLe.num(~0u)), kHeaderSyntax, "",
             "4294967295"},
        Case{"as_u64", with_alignment(kGgufU64, kLe.num<uint64_t>(32)), kHeaderSyntax, "",
             "general.alignment"},
        Case{"as_i32", with_alignment(kGgufI32, kLe.num<int32_t>(32)), kHeaderSyntax, "",
             "general.alignment"},
        Case{"as_string", with_alignment(kGgufString, kLe.str("32")), kHeaderSyntax, "",
             "general.alignment"},
        Case{"as_array", with_alignment(kGgufArray, kLe.array_head(kGgufU32, 1) + kLe.num(32u)),
             kHeaderSyntax, "", "general.alignment"},
        Case{"other_than_the_layout", with_alignment(kGgufU32, kLe.num(64u)), kHeaderSyntax,
             "b.weight", "at byte 96 of the data section, expected a multiple of 64"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Names, GgufLimit,
    ::testing::Values(
        Case{"empty", with_name(""), kBadName, "", "tensor info 1 at byte 144: the name is empty"},
        Case{"of_65_bytes", with_name(std::string(65, 'n')), kBadName, "", "expected at most 64"},
        Case{"twice", with_name("a.weight"), kDuplicateName, "a.weight", "occurs twice"},
        Case{"with_nul", with_name(std::string("a\0b", 3)), kBadName, std::string("a\0b", 3),
             "control characters"},
        Case{"with_escape", with_name("a\x1B[2J"), kBadName, "a\x1B[2J", "control characters"},
        Case{"of_a_path", with_name("../x"), kBadName, "../x", "'/'"},
        Case{"with_backslash", with_name("a\\b"), kBadName, "a\\b", "'\\'"},
        Case{"not_utf8", with_name("a\xFF"), kBadName, "a\xFF", "UTF-8"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Dims, GgufLimit,
    ::testing::Values(
        Case{"none", [](GgufFile& file) { file.tensor("c.bias").num_dims = 0; }, kBadShape,
             "c.bias", "has 0 dimensions"},
        Case{"five", with_dims({5, 1, 1, 1, 1}), kBadShape, "c.bias", "has 5 dimensions"},
        Case{"count_2p31", [](GgufFile& file) { file.tensor("c.bias").num_dims = 1u << 31; },
             kBadShape, "c.bias", "has 2147483648 dimensions"},
        Case{"zero", with_dims({5, 0}), kBadShape, "c.bias", "ne1 is 0"},
        Case{"first_zero", with_dims({0}), kBadShape, "c.bias", "ne0 is 0"},
        Case{"zero_hides_a_huge_product", with_dims({0, k2p40, k2p40}), kBadShape, "c.bias",
             "ne0 is 0"},
        Case{"negative", with_dims({5, kMax}), kBadShape, "c.bias", "ne1 is 18446744073709551615"},
        Case{"over_2p40", with_dims({k2p40 + 1}), kBadShape, "c.bias", "ne0 is 1099511627777"},
        Case{"product_wraps_to_0", with_dims({k2p32, k2p32}), kBadShape, "c.bias",
             "does not fit 64 bits"},
        Case{"product_of_three_wraps", with_dims({k2p31, k2p31, k2p31}), kBadShape, "c.bias",
             "does not fit 64 bits"},
        Case{"bytes_wrap", with_dims({k2p31, k2p31, 1, 1}), kBadShape, "c.bias",
             "does not fit 64 bits"},
        Case{"padding_wraps", with_dims({k2p61 / 2 - 1, 4}), kBadShape, "c.bias", "ne0 is"},
        Case{"larger_than_the_file", with_dims({5, 1u << 30}), kTruncated, "c.bias",
             "data lies at 224 + 21474836480"},
        Case{"sum_of_sizes_wraps",
             [](GgufFile& file) {
               file.tensor("a.weight").ne = {1ull << 33, 1ull << 30};
               file.tensor("b.weight").ne = {1ull << 33, 1ull << 29};
             },
             kTruncated, "a.weight", "data lies at 0 + "}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Rows, GgufLimit,
    ::testing::Values(Case{"q4_0_of_33",
                           [](GgufFile& file) {
                             file.tensor("a.weight").ne = {33, 2};
                           },
                           kBadShape, "a.weight",
                           "rows of 33 elements, expected a multiple of 32 for Q4_0"},
                      Case{"q4_k_of_128",
                           [](GgufFile& file) {
                             file.tensor("b.weight").type = 12;
                             file.tensor("b.weight").ne = {128};
                           },
                           kBadShape, "b.weight", "multiple of 256 for Q4_K"},
                      Case{"nvfp4_of_96",
                           [](GgufFile& file) {
                             file.tensor("b.weight").type = 40;
                             file.tensor("b.weight").ne = {96};
                           },
                           kBadShape, "b.weight", "multiple of 64 for NVFP4"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Types, GgufLimit,
    ::testing::Values(
        Case{"removed_4", with_type(4), kUnknownDtype, "b.weight", "type id 4,"},
        Case{"removed_5", with_type(5), kUnknownDtype, "b.weight", "type id 5,"},
        Case{"removed_31", with_type(31), kUnknownDtype, "b.weight", "type id 31,"},
        Case{"removed_38", with_type(38), kUnknownDtype, "b.weight", "type id 38,"},
        Case{"q8_1", with_type(9), kUnknownDtype, "b.weight", "type id 9,"},
        Case{"q8_k", with_type(15), kUnknownDtype, "b.weight", "type id 15,"},
        Case{"count_43", with_type(43), kUnknownDtype, "b.weight", "type id 43,"},
        Case{"of_a_fork", with_type(139), kUnknownDtype, "b.weight", "possibly a fork's type"},
        Case{"max", with_type(~0u), kUnknownDtype, "b.weight", "type id 4294967295,"}),
    case_name);

INSTANTIATE_TEST_SUITE_P(
    Offsets, GgufLimit,
    ::testing::Values(
        Case{"misaligned", with_offset(97), kHeaderSyntax, "b.weight",
             "data begins at byte 97 of the data section, expected a multiple of 32"},
        Case{"at_2p63", with_offset(k2p63), kTruncated, "b.weight", "9223372036854775808 + 102"},
        Case{"wraps_into_the_header", with_offset(kMax - 31), kTruncated, "b.weight",
             "18446744073709551584 + 102"},
        Case{"past_the_end", with_offset(1 << 20), kTruncated, "b.weight", "1048576 + 102"},
        Case{"end_past_the_end", with_offset(160), kTruncated, "b.weight", "160 + 102"},
        Case{"inside_another", with_offset(64), kOverlap, "b.weight", "'a.weight' ends at 72"},
        Case{"of_another", with_offset(0), kOverlap, "b.weight", "'a.weight'"}),
    case_name);

// Where a file is cut, the first thing that it lacks is named; nothing is read past its end.
TEST(GgufCut, AtEveryByteOfTheHeadIsRefused) {
  const std::string bytes = small_gguf().bytes();
  const size_t data_begin = bytes.find('\x11');
  for (size_t size = 0; size < data_begin; ++size) {
    const Error error = error_of(bytes.substr(0, size));
    EXPECT_EQ(error_kind_name(error.kind), error_kind_name(kTruncated))
        << size << ": " << error.to_line();
  }
}

TEST(GgufCut, InTheDataNamesTheFirstTensorThatIsNotThere) {
  const std::string bytes = small_gguf().bytes();
  const struct {
    char byte;
    std::string tensor;
  } cuts[] = {{'\x11', "a.weight"}, {'\x22', "b.weight"}, {'\x33', "c.bias"}};
  for (const auto& cut : cuts) {
    const Error error = error_of(bytes.substr(0, bytes.rfind(cut.byte)));
    EXPECT_EQ(error.kind, kTruncated);
    EXPECT_EQ(error.tensor, cut.tensor) << error.to_line();
  }
}

}  // namespace
}  // namespace imp::gguf
