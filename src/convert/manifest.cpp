#include "src/convert/manifest.h"

#include <nlohmann/json.hpp>

#include <algorithm>

#include "formats/imp/ondisk.h"
#include "src/base/text.h"
#include "src/model/gguf_manifest.h"
#include "src/plan/print.h"
#include "src/plan/print_transcoded.h"
#include "src/version.h"

namespace imp::convert {
namespace {

using nlohmann::ordered_json;

ordered_json source_json(const model::Model& model, const StreamDigests& digests) {
  ordered_json json;
  json["architecture"] = model.architecture;
  json["producer"] = model.producer;
  json["quantization"] = model.quantization;
  json["files"] = ordered_json::array();
  for (size_t f = 0; f < model.source.files.size(); ++f)
    json["files"].push_back({{"name", model.source.files[f].name},
                             {"size_bytes", model.source.files[f].handle.size_bytes()},
                             {"sha256", hex(digests.files[f].data(), digests.files[f].size())}});
  return json;
}

ordered_json options_json(const Prepared& prepared, const Options& options) {
  ordered_json json;
  json["targets"] = ordered_json::array();
  for (const uint32_t sm : prepared.plan.sms) json["targets"].push_back("sm_" + std::to_string(sm));
  json["layout"] = prepared.plan.layout
                       ? layouts::find_layout(static_cast<uint16_t>(*prepared.plan.layout))->name
                       : "default";
  json["include"] = options.include;
  json["exclude"] = options.exclude;
  for (const transcode::Rule& rule : options.transcode)
    json["transcode"].push_back(transcode::rule_text(rule));
  if (options.import.as_is) json["as_is"] = true;
  if (options.import.assume_unpermuted_qk) json["assume_unpermuted_qk"] = true;
  return json;
}

ordered_json inventory_json(const model::Model& model) {
  uint64_t converted = 0, copied = 0;
  ordered_json ignored = ordered_json::array();
  for (const model::SourceTensor& t : model.source.tensors) {
    converted += t.disposition == model::Disposition::kConverted;
    copied += t.disposition == model::Disposition::kCopied;
    if (t.disposition == model::Disposition::kIgnored)
      ignored.push_back({{"name", t.name}, {"reason", t.reason}});
  }
  return {{"tensors", model.source.tensors.size()},
          {"converted", converted},
          {"copied", copied},
          {"ignored", ignored}};
}

/// The plan's facts of an operand, and how often each block scale byte occurs in it: layouts that
/// keep scales inside blocks of codes can then be audited without unpacking them.
std::string operand_text(const Prepared& prepared, const ScaleScan& scan,
                         const FlushCounts& flushed, uint32_t operand) {
  std::string text = plan::operand_json(prepared.model, prepared.plan, operand);
  const plan::Operand& o = prepared.plan.operands[operand];
  if (flushing_form(o) != nullptr) {
    text.pop_back();
    text += ",\"block_scales\":" + std::to_string(o.experts * o.n * (o.k / o.group_size)) +
            ",\"flushed_scales\":" + std::to_string(flushed.of(operand)) + "}";
  }
  const ScaleCounts* counts = scan.counts_of(operand);
  if (counts == nullptr) return text;
  ordered_json list = ordered_json::array();
  for (uint32_t byte = 0; byte < counts->size(); ++byte)
    if ((*counts)[byte] != 0) list.push_back({byte, (*counts)[byte]});
  text.pop_back();
  return text + ",\"block_scale_bytes\":" + list.dump() + "}";
}

}  // namespace

std::string make_manifest(const Prepared& prepared, const Options& options,
                          const StreamDigests& digests, const ScaleScan& scan,
                          const FlushCounts& flushed, uint64_t exceptions,
                          const Sha256* payload_sha256) {
  ordered_json head;
  head["format"] = "imp";
  head["tool"] = {{"name", "imp-convert"}, {"version", kVersion}};
  head["source"] = source_json(prepared.model, digests);
  head["options"] = options_json(prepared, options);
  head["inventory"] = inventory_json(prepared.model);
  head["scales"] = {{"zero_block_scales", scan.zeros()}, {"exceptions", exceptions}};
  if (std::any_of(prepared.plan.operands.begin(), prepared.plan.operands.end(),
                  [](const plan::Operand& o) { return flushing_form(o) != nullptr; }))
    head["scales"]["flushed"] = flushed.total();
  if (!prepared.model.transcoded.empty())
    head["transcoded"] = plan::transcoded_json(prepared.model);
  if (payload_sha256 != nullptr)
    head["payload_sha256"] = hex(payload_sha256->data(), payload_sha256->size());
  if (!prepared.model.source.stored.empty())
    head["gguf"] = model::gguf_manifest(prepared.model.source);
  std::string text = head.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
  text.pop_back();
  text += ",\"operands\":[";
  for (uint32_t o = 0; o < prepared.plan.operands.size(); ++o)
    text += (o == 0 ? "\n" : ",\n") + operand_text(prepared, scan, flushed, o);
  return text + "\n]}\n";
}

}  // namespace imp::convert
