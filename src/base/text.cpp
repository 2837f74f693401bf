#include "src/base/text.h"

#include <array>
#include <cstddef>
#include <cstdio>

namespace imp {
namespace {

constexpr char kHexDigits[] = "0123456789abcdef";

/// Length of the well-formed UTF-8 sequence at `at`, or 0 (Unicode 15, table 3-7).
size_t utf8_sequence(std::string_view text, size_t at) {
  auto byte = [&](size_t i) { return i < text.size() ? static_cast<uint8_t>(text[i]) : 0u; };
  auto tail = [&](size_t i) { return (byte(i) & 0xC0u) == 0x80u; };
  const unsigned lead = byte(at);
  if (lead < 0x80) return 1;
  if (lead >= 0xC2 && lead <= 0xDF) return tail(at + 1) ? 2 : 0;
  if (lead >= 0xE0 && lead <= 0xEF) {
    const unsigned second = byte(at + 1);
    const bool in_range = lead == 0xE0   ? second >= 0xA0 && second <= 0xBF
                          : lead == 0xED ? second >= 0x80 && second <= 0x9F
                                         : tail(at + 1);
    return in_range && tail(at + 2) ? 3 : 0;
  }
  if (lead >= 0xF0 && lead <= 0xF4) {
    const unsigned second = byte(at + 1);
    const bool in_range = lead == 0xF0   ? second >= 0x90 && second <= 0xBF
                          : lead == 0xF4 ? second >= 0x80 && second <= 0x8F
                                         : tail(at + 1);
    return in_range && tail(at + 2) && tail(at + 3) ? 4 : 0;
  }
  return 0;
}

/// U+0080 to U+009F, two bytes in UTF-8: U+009B starts an escape sequence like ESC [.
bool is_c1_control(std::string_view sequence) {
  return sequence.size() == 2 && sequence[0] == '\xC2' && static_cast<uint8_t>(sequence[1]) < 0xA0;
}

bool is_control(char c) {
  const auto byte = static_cast<uint8_t>(c);
  return byte < 0x20 || byte == 0x7F;
}

}  // namespace

std::string printable(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    const size_t run = utf8_sequence(text, i);
    if (run == 0 || is_control(text[i]) || is_c1_control(text.substr(i, run))) {
      const auto byte = static_cast<uint8_t>(text[i]);
      out += {'\\', 'x', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
      ++i;
    } else {
      out.append(text, i, run);
      i += run;
    }
  }
  return out;
}

bool is_clean_utf8(std::string_view text) {
  for (size_t i = 0; i < text.size();) {
    const size_t run = utf8_sequence(text, i);
    if (run == 0 || is_control(text[i])) return false;
    i += run;
  }
  return true;
}

std::string with_thousands(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string human_bytes(uint64_t size_bytes) {
  constexpr std::array<const char*, 5> kUnits = {"B", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  auto value = static_cast<double>(size_bytes);
  while (value >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), unit == 0 ? "%.0f %s" : "%.1f %s", value, kUnits[unit]);
  return text.data();
}

std::string hex(const void* data, size_t size_bytes) {
  const auto* bytes = static_cast<const uint8_t*>(data);
  std::string out;
  out.reserve(size_bytes * 2);
  for (size_t i = 0; i < size_bytes; ++i) {
    out += kHexDigits[bytes[i] >> 4];
    out += kHexDigits[bytes[i] & 15];
  }
  return out;
}

std::string percent_encoded_file_name(std::string_view name) {
  std::string out;
  for (size_t i = 0; i < name.size(); ++i) {
    const char c = name[i];
    const bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (alnum || c == '_' || c == '-' || (c == '.' && i > 0)) {
      out += c;
    } else {
      const auto byte = static_cast<uint8_t>(c);
      out += {'%', kHexDigits[byte >> 4], kHexDigits[byte & 15]};
    }
  }
  return out.empty() ? "%" : out;
}

}  // namespace imp
