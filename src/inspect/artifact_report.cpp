#include "src/inspect/artifact_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <ostream>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "formats/imp/targets.h"
#include "src/base/text.h"
#include "src/inspect/artifact_json.h"
#include "src/inspect/artifact_scales.h"
#include "src/inspect/manifest.h"
#include "src/model/roles.h"
#include "src/model/schemes.h"

namespace imp::inspect {
namespace {

using artifact::ComponentRecord;
using artifact::FormRecord;
using artifact::OperandRecord;
using artifact::PartRecord;
using artifact::Reader;

class TextReport {
 public:
  TextReport(const Reader& reader, const Manifest& manifest, const Options& options,
             std::ostream& out)
      : reader_(reader), manifest_(manifest), verbose_(options.verbose), out_(out) {}

  void print() {
    print_head();
    print_source();
    print_operands();
    print_forms();
    if (!verbose_) return;
    for (const artifact::CompanionRecord& c : reader_.companions())
      out_ << fmt::format("companion {} ({} bytes)\n", printable(reader_.string(c.name)),
                          with_thousands(c.raw_bytes));
  }

 private:
  void print_head() {
    const artifact::FileHeader& header = reader_.header();
    const std::string served = artifact::targets_to_string(reader_.served_targets());
    out_ << fmt::format("artifact  {}\n", printable(reader_.path()));
    out_ << fmt::format("format    {}.{}, {} bytes, id {}\n", header.major_version,
                        header.minor_version, with_thousands(header.total_bytes),
                        hex(header.artifact_id, sizeof header.artifact_id));
    out_ << fmt::format("serves    {}\n", served.empty() ? "no target as a whole" : served);
  }

  std::string text(std::initializer_list<const char*> keys) const {
    return printable(manifest_.text(keys));
  }

  void print_source() {
    out_ << fmt::format("source    {}, {}, {}\n", text({"source", "architecture"}),
                        text({"source", "producer"}), text({"source", "quantization"}));
    out_ << fmt::format("made by   {} {}; targets {}, layout {}, include {}, exclude {}\n",
                        text({"tool", "name"}), text({"tool", "version"}),
                        text({"options", "targets"}), text({"options", "layout"}),
                        text({"options", "include"}), text({"options", "exclude"}));
    for (const artifact::SourceFileRecord& f : reader_.source_files())
      out_ << fmt::format("file      {}: {} bytes, {} tensors, sha256 {}\n",
                          printable(reader_.string(f.name)), with_thousands(f.size_bytes),
                          with_thousands(f.tensor_count), hex(f.sha256, sizeof f.sha256));
    out_ << fmt::format("tensors   {} converted, {} copied, {} ignored\n",
                        text({"inventory", "converted"}), text({"inventory", "copied"}),
                        count_ignored());
    for (const artifact::SourceTensorRecord& t : reader_.source_tensors())
      if (t.disposition == static_cast<uint16_t>(artifact::Disposition::kIgnored))
        out_ << fmt::format("ignored   {}: {}\n", printable(reader_.string(t.name)),
                            printable(reader_.string(t.reason)));
    out_ << fmt::format("scales    {} zero block scales, {} groups in exceptions{}\n",
                        text({"scales", "zero_block_scales"}), text({"scales", "exceptions"}),
                        flushed());
    for (const std::string& line : manifest_.transcoded())
      out_ << "transcoded " << printable(line) << "\n";
  }

  /// Of files that hold another engine's layout.
  std::string flushed() const {
    const std::string count = text({"scales", "flushed"});
    return count == "?" ? "" : ", " + count + " flushed by the layout";
  }

  size_t count_ignored() const {
    return static_cast<size_t>(std::ranges::count(
        reader_.source_tensors(), static_cast<uint16_t>(artifact::Disposition::kIgnored),
        &artifact::SourceTensorRecord::disposition));
  }

  void print_operands() {
    std::vector<uint32_t> order(reader_.operands().size());
    size_t width = 8, scheme_width = 9;
    for (uint32_t i = 0; i < order.size(); ++i) {
      order[reader_.operands()[i].execution_index] = i;
      width = std::max(width, printable(reader_.string(reader_.operands()[i].name)).size());
      scheme_width = std::max(scheme_width, scheme_of(reader_.operands()[i]).size());
    }
    out_ << fmt::format("\n{:<{}}  {:<18} {:<{}} {:<20} {:<14} {:>15}  {}\n", "operand", width,
                        "role", "scheme", scheme_width, "shape", "layout", "bytes", "parts");
    for (const uint32_t i : order) print_operand(i, width, scheme_width);
  }

  static std::string_view scheme_of(const OperandRecord& operand) {
    return model::scheme_name(static_cast<model::Scheme>(operand.scheme));
  }

  void print_operand(uint32_t index, size_t width, size_t scheme_width) {
    const OperandRecord& o = reader_.operands()[index];
    std::string layouts;
    for (const FormRecord& form : reader_.forms_of(o))
      layouts += (layouts.empty() ? "" : "+") + printable(manifest_.layout_name(form.layout));
    out_ << fmt::format(
        "{:<{}}  {:<18} {:<{}} {:<20} {:<14} {:>15}  {}\n", printable(reader_.string(o.name)),
        width, model::role_name(static_cast<model::Role>(o.role)), scheme_of(o), scheme_width,
        shape_text(o), layouts, with_thousands(stored_bytes(reader_, o)), parts_text(index));
    if (!verbose_) return;
    for (const PartRecord& part : reader_.parts_of(o))
      out_ << fmt::format("  part {}: rows {} + {}\n", printable(reader_.string(part.module)),
                          part.n0, part.n_count);
    for (const FormRecord& form : reader_.forms_of(o)) print_form(form);
  }

  void print_form(const FormRecord& form) {
    out_ << fmt::format("  form {} version {}: padded {} x {}, {}\n",
                        printable(manifest_.layout_name(form.layout)), form.major, form.padded_n,
                        form.padded_k, artifact::targets_to_string(form.targets));
    for (const ComponentRecord& c : reader_.components_of(form))
      out_ << fmt::format("    {} {} {}: {} bytes at {}\n", component_name(c.kind),
                          dtype_name(static_cast<Dtype>(c.dtype)), shape_of(c).to_string(),
                          with_thousands(c.size_bytes), c.offset_bytes);
  }

  std::string shape_text(const OperandRecord& o) const {
    if (o.flags & artifact::kOperandGemm) {
      const std::string nk = fmt::format("{} x {}", o.n, o.k);
      return o.experts == 1 ? nk : fmt::format("{} x {}", o.experts, nk);
    }
    return shape_of(reader_.components_of(reader_.forms_of(o)[0])[0]).to_string();
  }

  std::string parts_text(uint32_t index) const {
    const OperandRecord& o = reader_.operands()[index];
    const auto fusion = manifest_.fusion.find(index);
    std::string text = fusion == manifest_.fusion.end() ? "" : printable(fusion->second);
    if (text.empty() && o.part_count > 1) text = std::to_string(o.part_count) + " parts";
    if (o.flags & artifact::kOperandTiedHead) text += "also the output head (tied)";
    return text;
  }

  void print_forms() {
    std::map<std::tuple<uint16_t, uint16_t, uint64_t>, uint64_t> rows;
    for (const FormRecord& form : reader_.forms()) ++rows[{form.layout, form.major, form.targets}];
    out_ << "\nforms\n";
    for (const auto& [key, count] : rows) {
      const auto& [layout, major, targets] = key;
      out_ << fmt::format("  {} version {}: {} operands, {}\n",
                          printable(manifest_.layout_name(layout)), major, with_thousands(count),
                          artifact::targets_to_string(targets));
    }
  }

  const Reader& reader_;
  const Manifest& manifest_;
  bool verbose_;
  std::ostream& out_;
};

}  // namespace

Status report_artifact(const std::filesystem::path& path, const Options& options,
                       std::ostream& out) {
  IMP_ASSIGN(const Reader reader, Reader::open(path));
  IMP_ASSIGN(const Manifest manifest, read_manifest(reader));
  IMP_ASSIGN(const ScaleReport scales, audit_artifact(reader, manifest));
  if (options.json) {
    print_artifact_json(reader, manifest, scales, out);
    return {};
  }
  TextReport(reader, manifest, options, out).print();
  scales.print(out);
  return {};
}

}  // namespace imp::inspect
