#include "kernels/readers/table.h"

#include <array>
#include <string>

#include "kernels/readers/list.h"

namespace imp::kernels {
namespace {

template <class R>
constexpr ReaderInfo info_of(uint32_t index) {
  return {R::kLayout,   R::kScheme,       R::kDtype, R::kUnit,
          R::kDialects, R::Slots::column, R::sizes,  index};
}

template <class... R>
constexpr std::array<ReaderInfo, sizeof...(R)> infos_of(readers::ReaderList<R...>) {
  uint32_t index = 0;
  return {info_of<R>(index++)...};
}

constexpr auto kReaders = infos_of(readers::AllReaders{});

}  // namespace

const ReaderInfo* find_reader(uint16_t layout, uint16_t scheme) {
  for (const ReaderInfo& reader : kReaders)
    if (reader.layout == layout && reader.scheme == scheme) return &reader;
  return nullptr;
}

bool has_reader(uint16_t layout, uint16_t scheme, uint16_t dialect) {
  const ReaderInfo* reader = find_reader(layout, scheme);
  return reader != nullptr && dialect < 32 && (reader->dialects >> dialect & 1) != 0;
}

Result<ComponentBytes> component_bytes(const WeightView& weight) {
  const ReaderInfo* reader = find_reader(weight.layout, weight.scheme);
  if (reader->dtype != Dtype::kU8 && weight.dtype != reader->dtype) {
    Error error;
    error.kind = ErrorKind::kBadRecord;
    error.message = "codes of scheme " + std::to_string(weight.scheme) + " have dtype " +
                    std::string(dtype_name(weight.dtype)) + ", expected " +
                    std::string(dtype_name(reader->dtype));
    return error;
  }
  constexpr uint64_t kLargest = UINT64_MAX - 256;  // can be rounded up to any unit of a layout
  if (weight.n > kLargest || weight.k > kLargest) return too_many_bytes(weight);
  return reader->sizes(weight);
}

}  // namespace imp::kernels
