// Text for people and for file systems.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace imp {

/// Copy of `text` that is safe on a terminal and in a one-line message: bytes below 0x20, 0x7F, the
/// controls U+0080 to U+009F and bytes that are not part of well-formed UTF-8 become \xHH.
std::string printable(std::string_view text);
/// True for well-formed UTF-8 without control characters (below 0x20, 0x7F).
bool is_clean_utf8(std::string_view text);
/// "1,234,567"
std::string with_thousands(uint64_t value);
/// "4.5 GiB"; exact bytes below 1 KiB.
std::string human_bytes(uint64_t size_bytes);
/// "[2, 3]" for a list of numbers is in shape.h; lower-case hex of bytes:
std::string hex(const void* data, size_t size_bytes);
/// A file name that cannot leave a folder: every byte outside [A-Za-z0-9._-], and a leading dot,
/// becomes %HH. Injective. Never empty, never "." or "..".
std::string percent_encoded_file_name(std::string_view name);

}  // namespace imp
