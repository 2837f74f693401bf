// What inspect takes from an artifact's manifest. The manifest is text from outside: nothing in it
// is believed to have a certain form.
#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "formats/imp/reader.h"
#include "src/base/result.h"

namespace imp::inspect {

struct Manifest {
  nlohmann::ordered_json head;                   ///< all but "operands" and "gguf"; an object
  std::map<uint16_t, std::string> layout_names;  ///< by the number that form records hold
  std::map<uint32_t, std::string> fusion;  ///< by operand: how its parts were fused, or why not
  /// By operand: (e4m3 byte, how often) of its block scales, as counted at conversion.
  std::map<uint32_t, std::vector<std::pair<uint8_t, uint64_t>>> block_scale_bytes;

  /// Name of a layout, or "layout N".
  std::string layout_name(uint16_t layout) const;
  /// Text at a path of keys such as {"source", "producer"}: a list with blanks between, "?" where
  /// there is nothing.
  std::string text(std::initializer_list<const char*> keys) const;
  /// A sentence for each weight that was quantised anew: its scheme before and after, what it cost.
  std::vector<std::string> transcoded() const;
};

/// Errors: those of Reader::read_manifest; kBadSection if it is no JSON object or absurdly deep.
Result<Manifest> read_manifest(const artifact::Reader& reader);

}  // namespace imp::inspect
