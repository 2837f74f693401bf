#include "src/convert/code_scan.h"

#include <algorithm>
#include <string>

#include "src/model/scalars.h"

namespace imp::convert {

Status check_codes(const model::Source& source, uint32_t tensor, const quant::PlaneCoding& coding,
                   uint64_t first_byte, Bytes codes) {
  if (coding.encoding != quant::Encoding::kSignedBytes || coding.bits >= 8) return {};
  const int most = (1 << (coding.bits - 1)) - 1;
  const auto wide = [&](std::byte b) {
    const int code = static_cast<int8_t>(b);
    return code > most || code < -most - 1;
  };
  const auto at = std::find_if(codes.begin(), codes.end(), wide);
  if (at == codes.end()) return {};
  const uint64_t element = first_byte + static_cast<uint64_t>(at - codes.begin());
  return model::tensor_error(source, tensor, ErrorKind::kUnsupportedScheme,
                             "code [" + std::to_string(element / coding.columns) + ", " +
                                 std::to_string(element % coding.columns) + "] is " +
                                 std::to_string(static_cast<int8_t>(*at)) +
                                 ", which needs more than the " + std::to_string(coding.bits) +
                                 " bits that the configuration gives");
}

}  // namespace imp::convert
