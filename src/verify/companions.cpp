#include "src/verify/companions.h"

#include <utility>

namespace imp::verify {

uint64_t check_companions(const artifact::Reader& reader, const std::filesystem::path& folder,
                          std::set<std::string> in_source, const ReadCompanion& read,
                          Problems& problems) {
  const auto differs = [&](const std::string& name, const char* what) {
    problems.add(Error{ErrorKind::kSourceMismatch, what, (folder / name).string(), ""});
  };
  uint64_t equal = 0;
  for (const artifact::CompanionRecord& record : reader.companions()) {
    const std::string name(reader.string(record.name));
    if (in_source.erase(name) == 0) {
      differs(name, "is in the artifact, not in the source");
      continue;
    }
    Result<std::string> embedded = reader.read_companion(record);
    Result<std::string> original = read(name);
    if (!embedded.ok())
      problems.add(std::move(embedded).error());
    else if (!original.ok())
      problems.add(std::move(original).error());
    else if (*embedded != *original)
      differs(name, "differs from the copy in the artifact");
    else
      ++equal;
  }
  for (const std::string& name : in_source) differs(name, "is in the source, not in the artifact");
  return equal;
}

}  // namespace imp::verify
