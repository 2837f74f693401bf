// Uses every field of an opened artifact as an engine would; for sanitizers to watch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "formats/imp/reader.h"

namespace imp::testing {

inline void touch_component(const artifact::Reader& reader, const artifact::ComponentRecord& c) {
  std::byte edge[1];
  if (c.size_bytes == 0) return;
  (void)reader.read_component(c, 0, edge);
  (void)reader.read_component(c, c.size_bytes - 1, edge);
}

inline void touch_operand(const artifact::Reader& reader, const artifact::OperandRecord& o,
                          size_t& sum) {
  sum += reader.find_operand(reader.string(o.name)).value_or(0);
  for (const artifact::PartRecord& p : reader.parts_of(o)) {
    sum += reader.string(p.module).size();
    for (const auto& s : reader.scalars().subspan(p.first_multiplier, p.multiplier_count))
      sum += s.bits;
    for (const auto& s : reader.scalars().subspan(p.first_input_scale, p.input_scale_count))
      sum += s.bits;
  }
  for (const artifact::FormRecord& f : reader.forms_of(o)) {
    sum += reader.form_is_usable(f);
    for (const artifact::ComponentRecord& c : reader.components_of(f)) touch_component(reader, c);
  }
}

inline size_t touch(const artifact::Reader& reader) {
  size_t sum = reader.served_targets();
  for (const artifact::OperandRecord& o : reader.operands()) touch_operand(reader, o, sum);
  for (const auto& f : reader.source_files())
    sum += reader.string(f.name).size() + reader.string(f.metadata).size() +
           reader.source_tensors().subspan(f.first_tensor, f.tensor_count).size();
  for (const auto& s : reader.source_tensors())
    sum += reader.string(s.name).size() + reader.string(s.reason).size();
  for (const auto& c : reader.companions()) (void)reader.read_companion(c);
  (void)reader.read_manifest();
  (void)reader.forms_for_target(89);
  (void)reader.check_payload_padding();
  std::vector<std::byte> scratch;
  for (const auto& chunk : reader.chunks()) (void)reader.verify_chunk(chunk, scratch);
  return sum;
}

}  // namespace imp::testing
