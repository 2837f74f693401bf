// Opens an .imp file the way a runtime does and prints what it would load for one GPU.
// usage: consumer ARTIFACT SM
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "formats/imp/reader.h"
#include "formats/safetensors/header.h"
#include "kernels/layouts/sf128x4.h"
#include "src/base/result.h"

namespace {

// A map of a layout is usable at compile time, away from its tree.
static_assert(imp::layouts::sf128x4::dst_of_src(1, 0, 4) == 16);

int fail(const imp::Error& error) {
  std::fprintf(stderr, "consumer: %s\n", error.to_line().c_str());
  return imp::exit_code(error.kind);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  auto reader = imp::artifact::Reader::open(argv[1]);
  if (!reader) return fail(reader.error());
  auto forms = reader->forms_for_target(static_cast<uint32_t>(std::atoi(argv[2])));
  if (!forms) return fail(forms.error());

  uint64_t loaded_bytes = 0;
  for (uint32_t form : *forms) {
    for (const auto& component : reader->components_of(reader->forms()[form])) {
      std::vector<std::byte> bytes(component.size_bytes);
      auto status = reader->read_component(component, 0, bytes);
      if (!status) return fail(status.error());
      loaded_bytes += component.size_bytes;
    }
  }
  std::printf("%zu operands, %llu bytes for sm_%s\n", forms->size(),
              static_cast<unsigned long long>(loaded_bytes), argv[2]);
  const bool headers_can_be_written = !imp::safetensors::write_header({}).empty();
  return !forms->empty() && loaded_bytes > 0 && headers_can_be_written ? 0 : 1;
}
