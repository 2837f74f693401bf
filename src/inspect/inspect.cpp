#include "src/inspect/inspect.h"

#include <array>
#include <cstring>

#include "formats/gguf/checkpoint.h"
#include "formats/imp/ondisk.h"
#include "src/base/file.h"
#include "src/inspect/artifact_report.h"
#include "src/inspect/checkpoint_report.h"
#include "src/inspect/gguf_report.h"

namespace imp::inspect {
namespace {

/// By content, and by name so that a damaged artifact is called one.
bool looks_like_artifact(const std::filesystem::path& path) {
  if (std::filesystem::is_directory(path)) return false;
  if (path.extension() == ".imp") return true;
  const auto file = ReadFile::open(path);
  std::array<std::byte, sizeof artifact::kMagic> magic{};
  return file.ok() && file->read_at(0, magic).ok() &&
         std::memcmp(magic.data(), artifact::kMagic, magic.size()) == 0;
}

}  // namespace

Status report(const std::filesystem::path& path, const Options& options, std::ostream& out,
              Log& log) {
  if (looks_like_artifact(path)) return report_artifact(path, options, out);
  if (gguf::is_gguf(path)) return report_gguf(path, options, out, log);
  return report_checkpoint(path, options, out, log);
}

}  // namespace imp::inspect
