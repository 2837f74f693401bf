#include "src/plan/print_transcoded.h"

#include <fmt/format.h>

#include <algorithm>
#include <ostream>
#include <string>

#include "src/base/text.h"

namespace imp::plan {

using model::Model;
using model::Transcoded;
using nlohmann::ordered_json;

void print_transcoded(std::ostream& out, const Model& model) {
  if (model.transcoded.empty()) return;
  size_t width = 10;
  for (const Transcoded& t : model.transcoded)
    width = std::max(width, printable(model.weights[t.weight].name).size());
  out << fmt::format("\n{:<{}}  {:<11} {:<9} {:>12} {:>9} {:>12}\n", "transcoded", width, "from",
                     "to", "rel RMS err", "SNR dB", "max error");
  for (const Transcoded& t : model.transcoded)
    out << fmt::format("{:<{}}  {:<11} {:<9} {:>12.3e} {:>9.2f} {:>12.3e}\n",
                       printable(model.weights[t.weight].name), width, t.from, t.to, t.relative_rms,
                       t.snr_db, t.max_error);
}

ordered_json transcoded_json(const Model& model) {
  ordered_json json = ordered_json::array();
  for (const Transcoded& t : model.transcoded)
    json.push_back({{"module", model.weights[t.weight].name},
                    {"from", t.from},
                    {"to", t.to},
                    {"relative_rms_error", t.relative_rms},
                    {"snr_db", t.snr_db},
                    {"max_error", t.max_error}});
  return json;
}

}  // namespace imp::plan
