// Whatever the bytes are, opening them is safe, and so is using what opens.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/unit/artifact_sample.h"
#include "tests/unit/artifact_touch.h"

/// Checksums are made right first, so that the fuzzer gets behind them; without the last byte set,
/// not.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  imp::testing::Damaged input(std::string(reinterpret_cast<const char*>(data), size));
  if (size > 0 && data[size - 1] % 2 == 0) input.reseal();
  const int fd = ::memfd_create("artifact", MFD_CLOEXEC);
  if (fd < 0) return 0;
  if (::write(fd, input.bytes.data(), input.bytes.size()) ==
      static_cast<ssize_t>(input.bytes.size())) {
    const auto opened = imp::artifact::Reader::open("/proc/self/fd/" + std::to_string(fd));
    if (opened.ok()) imp::testing::touch(*opened);
  }
  ::close(fd);
  return 0;
}
