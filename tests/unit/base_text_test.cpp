// Text for terminals and for file systems.
#include <gtest/gtest.h>

#include <filesystem>
#include <set>

#include "src/base/text.h"

namespace imp {
namespace {

using std::string_literals::operator""s;

struct Utf8Row {
  std::string bytes;
  bool well_formed;
  const char* why;
};

// The Unicode Standard, table 3-7 "Well-Formed UTF-8 Byte Sequences": both edges of every row and
// what lies just outside.
const Utf8Row kUtf8[] = {
    {"", true, "empty"},
    {" ~", true, "U+0020, U+007E"},
    {"\xC2\x80", true, "U+0080"},
    {"\xDF\xBF", true, "U+07FF"},
    {"\xC1\xBF", false, "C1: overlong"},
    {"\xC0\x80", false, "C0: overlong NUL"},
    {"\xC2", false, "two-byte sequence cut short"},
    {"\xC2\x7F", false, "tail below 80"},
    {"\xC2\xC0", false, "tail above BF"},
    {"\xE0\xA0\x80", true, "U+0800"},
    {"\xE0\x9F\xBF", false, "E0 9F: overlong"},
    {"\xE1\x80\x80", true, "U+1000"},
    {"\xEC\xBF\xBF", true, "U+CFFF"},
    {"\xED\x9F\xBF", true, "U+D7FF"},
    {"\xED\xA0\x80", false, "U+D800: surrogate"},
    {"\xED\xBF\xBF", false, "U+DFFF: surrogate"},
    {"\xEE\x80\x80", true, "U+E000"},
    {"\xEF\xBF\xBF", true, "U+FFFF"},
    {"\xE1\x80", false, "three-byte sequence cut short"},
    {"\xE1\x80\xC0", false, "third byte no tail"},
    {"\xF0\x90\x80\x80", true, "U+10000"},
    {"\xF0\x8F\xBF\xBF", false, "F0 8F: overlong"},
    {"\xF1\x80\x80\x80", true, "U+40000"},
    {"\xF3\xBF\xBF\xBF", true, "U+FFFFF"},
    {"\xF4\x8F\xBF\xBF", true, "U+10FFFF"},
    {"\xF4\x90\x80\x80", false, "above U+10FFFF"},
    {"\xF5\x80\x80\x80", false, "F5 leads nothing"},
    {"\xF0\x90\x80", false, "four-byte sequence cut short"},
    {"\xF0\x90\x80\xC0", false, "fourth byte no tail"},
    {"\x80", false, "tail without a lead"},
    {"\xFF", false, "FF"},
    {"\xFE", false, "FE"},
    {"ok\xE2\x82\xACok", true, "euro sign between letters"},
    {"ok\xE2\x28\xA1", false, "second byte no tail"},
};

TEST(Utf8, WellFormedSequencesOnly) {
  for (const Utf8Row& row : kUtf8) EXPECT_EQ(is_clean_utf8(row.bytes), row.well_formed) << row.why;
}

TEST(Utf8, ControlCharactersAreNotClean) {
  for (int c = 0; c < 0x20; ++c)
    EXPECT_FALSE(is_clean_utf8(std::string(1, static_cast<char>(c)))) << c;
  EXPECT_FALSE(is_clean_utf8("a\x7F"));
  EXPECT_TRUE(is_clean_utf8("a b~"));
}

TEST(Printable, KeepsTextAndEscapesTheRest) {
  EXPECT_EQ(printable("model.layers.0 \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "model.layers.0 \xE2\x82\xAC \xF0\x9F\x98\x80");
  EXPECT_EQ(printable("a\nb\tc\x1B[31m\x7F"), "a\\x0ab\\x09c\\x1b[31m\\x7f");
  EXPECT_EQ(printable("nul\0end"s), "nul\\x00end");
  EXPECT_EQ(printable("\xC3(\xE2\x82"), "\\xc3(\\xe2\\x82");
  EXPECT_EQ(printable(""), "");
}

TEST(Printable, EscapesC1ControlsThatTerminalsObey) {
  EXPECT_EQ(printable("\xC2\x9B[31m"), "\\xc2\\x9b[31m") << "U+009B is ESC [ in one character";
  EXPECT_EQ(printable("\xC2\x80\xC2\x9F"), "\\xc2\\x80\\xc2\\x9f");
  EXPECT_EQ(printable("\xC2\xA0\xC3\x9B"), "\xC2\xA0\xC3\x9B");
}

TEST(Printable, ResultIsAlwaysClean) {
  for (int lead = 0; lead < 256; ++lead)
    for (int tail = 0; tail < 256; ++tail) {
      const std::string text = {static_cast<char>(lead), static_cast<char>(tail)};
      ASSERT_TRUE(is_clean_utf8(printable(text))) << lead << " " << tail;
    }
}

TEST(Numbers, ForPeople) {
  EXPECT_EQ(with_thousands(0), "0");
  EXPECT_EQ(with_thousands(999), "999");
  EXPECT_EQ(with_thousands(1000), "1,000");
  EXPECT_EQ(with_thousands(1234567), "1,234,567");
  EXPECT_EQ(with_thousands(~uint64_t{0}), "18,446,744,073,709,551,615");
  EXPECT_EQ(human_bytes(0), "0 B");
  EXPECT_EQ(human_bytes(1023), "1023 B");
  EXPECT_EQ(human_bytes(1024), "1.0 KiB");
  EXPECT_EQ(human_bytes(uint64_t{9} << 29), "4.5 GiB");
  EXPECT_EQ(human_bytes(uint64_t{3} << 50), "3072.0 TiB");
}

TEST(Hex, LowerCaseTwoDigitsAByte) {
  const unsigned char bytes[] = {0x00, 0x0F, 0xA5, 0xFF};
  EXPECT_EQ(hex(bytes, sizeof bytes), "000fa5ff");
  EXPECT_EQ(hex(bytes, 0), "");
}

TEST(PercentEncoding, PlainNamesStay) {
  EXPECT_EQ(percent_encoded_file_name("model.layers.0.self_attn.q-proj_X"),
            "model.layers.0.self_attn.q-proj_X");
}

TEST(PercentEncoding, WhatFileSystemsTakeSpeciallyIsEncoded) {
  EXPECT_EQ(percent_encoded_file_name("a/b"), "a%2fb");
  EXPECT_EQ(percent_encoded_file_name("../x"), "%2e.%2fx");
  EXPECT_EQ(percent_encoded_file_name("."), "%2e");
  EXPECT_EQ(percent_encoded_file_name(".."), "%2e.");
  EXPECT_EQ(percent_encoded_file_name(".hidden"), "%2ehidden");
  EXPECT_EQ(percent_encoded_file_name("a\0b"s), "a%00b");
  EXPECT_EQ(percent_encoded_file_name("a%2fb"), "a%252fb");
  EXPECT_EQ(percent_encoded_file_name("C:\\x*?"), "C%3a%5cx%2a%3f");
  EXPECT_EQ(percent_encoded_file_name("\xC3\xA4"), "%c3%a4");
  EXPECT_EQ(percent_encoded_file_name(""), "%");
}

TEST(PercentEncoding, IsInjectiveAndNeverAPath) {
  // Every string of up to three of these: the separators, the escape itself, hex digits, dots.
  const std::string alphabet = "/.%2fF\\a"s + '\0';
  std::set<std::string> seen;
  size_t count = 0;
  std::vector<std::string> level = {""};
  for (int length = 0; length <= 3; ++length) {
    std::vector<std::string> next;
    for (const std::string& name : level) {
      const std::string encoded = percent_encoded_file_name(name);
      ASSERT_TRUE(seen.insert(encoded).second) << encoded << " comes from two names";
      ++count;
      ASSERT_FALSE(encoded.empty());
      ASSERT_EQ(encoded.find_first_of("/\\"s + '\0'), std::string::npos) << encoded;
      ASSERT_NE(encoded[0], '.') << encoded;
      ASSERT_EQ(std::filesystem::path("folder") / encoded,
                std::filesystem::path("folder/" + encoded).lexically_normal());
      for (const char c : alphabet) next.push_back(name + c);
    }
    level = std::move(next);
  }
  EXPECT_EQ(count, 1u + 9 + 81 + 729);
}

TEST(PercentEncoding, EverySingleByteHasItsOwnName) {
  std::set<std::string> seen;
  for (int byte = 0; byte < 256; ++byte)
    seen.insert(percent_encoded_file_name("x" + std::string(1, static_cast<char>(byte))));
  EXPECT_EQ(seen.size(), 256u);
}

}  // namespace
}  // namespace imp
