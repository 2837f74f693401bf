// Companion files of an artifact against those of its source.
#pragma once

#include <filesystem>
#include <functional>
#include <set>
#include <string>

#include "formats/imp/reader.h"
#include "src/verify/problems.h"

namespace imp::verify {

/// Bytes of a companion of the source, by name.
using ReadCompanion = std::function<Result<std::string>(const std::string& name)>;

/// Compare names and bytes; differences are kSourceMismatch naming the file in `folder`. Returns
/// how many are equal.
uint64_t check_companions(const artifact::Reader& reader, const std::filesystem::path& folder,
                          std::set<std::string> in_source, const ReadCompanion& read,
                          Problems& problems);

}  // namespace imp::verify
