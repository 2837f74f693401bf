// Any file: importing it as a model ends in an error, or in tensors that can all be read.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "src/model/import.h"
#include "src/model/source_read.h"

namespace {

using namespace imp;

void read_everything(const model::Model& model) {
  constexpr uint64_t kPieceBytes = 1000;  // no multiple of a row
  std::vector<std::byte> piece(kPieceBytes);
  for (uint32_t t = 0; t < model.source.tensors.size(); ++t) {
    const uint64_t size_bytes = model.source.tensors[t].size_bytes;
    for (uint64_t at = 0; at < size_bytes; at += kPieceBytes) {
      const auto out = MutableBytes(piece).first(std::min(kPieceBytes, size_bytes - at));
      if (!model::read_tensor(model.source, t, at, out).ok()) std::abort();
    }
  }
}

}  // namespace

/// The last byte says whether the names of the file are kept.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const int fd = ::memfd_create("gguf", MFD_CLOEXEC);
  if (fd < 0) return 0;
  if (::write(fd, data, size) == static_cast<ssize_t>(size)) {
    CollectingLog log;
    model::ImportOptions options;
    options.as_is = size > 0 && data[size - 1] % 2 != 0;
    const auto model =
        model::import_checkpoint("/proc/self/fd/" + std::to_string(fd), options, log);
    if (model.ok()) read_everything(*model);
  }
  ::close(fd);
  return 0;
}
