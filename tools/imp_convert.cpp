// imp-convert: a quantized checkpoint to an .imp file.
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "src/base/interrupt.h"
#include "src/base/text.h"
#include "src/convert/convert.h"
#include "src/plan/gguf_types.h"
#include "src/plan/print.h"
#include "tools/cli.h"
#include "tools/list.h"

namespace {

constexpr char kTool[] = "imp-convert";

using namespace imp;

struct Arguments {
  tools::CommonOptions common;
  convert::Options convert;
  std::vector<std::string> targets;
  std::vector<std::string> transcode;
  std::string layout;
  std::string backend = "auto";
  std::string repack = "word";
  bool dry_run = false;
  bool list_targets = false;
  bool list_layouts = false;
  bool list_types = false;
  bool markdown = false;
};

void add_options(CLI::App& app, Arguments& a) {
  app.add_option("INPUT", a.convert.input,
                 "Folder of a checkpoint, or a .gguf file (any shard of a split set)");
  app.add_option("OUTPUT", a.convert.output, "The .imp file to write");
  app.add_option("--target", a.targets, "GPU to pack for, e.g. sm_89; may repeat")
      ->type_name("SM")
      ->allow_extra_args(false);
  app.add_option("--layout", a.layout,
                 "Layout for every weight that it can hold, instead of the target's default")
      ->type_name("ID");
  app.add_option(
         "--max-flushed", a.convert.max_flushed,
         "Refuse to write a file in which another engine's layout flushes more block scales "
         "than this")
      ->type_name("N");
  app.add_option("--include", a.convert.include, "Only modules whose name matches; may repeat")
      ->type_name("REGEX")
      ->allow_extra_args(false);
  app.add_option("--exclude", a.convert.exclude, "Leave out modules whose name matches; may repeat")
      ->type_name("REGEX")
      ->allow_extra_args(false);
  app.add_option("--transcode", a.transcode,
                 "Quantise anew the weights whose module matches: nvfp4, nvfp4-ct, mxfp4, "
                 "mxfp4-ct, int8, fp8; may repeat, the first match wins. Not lossless")
      ->type_name("REGEX=SCHEME")
      ->allow_extra_args(false);
  app.add_flag("--as-is", a.convert.import.as_is,
               "GGUF of an architecture that is not known: its own names and order of rows");
  app.add_flag("--assume-unpermuted-qk", a.convert.import.assume_unpermuted_qk,
               "GGUF whose rows of q and k were not permuted as the architecture's are");
  app.add_flag("--dry-run", a.dry_run, "Print the plan; read headers only, write nothing");
  app.add_option("--backend", a.backend,
                 "Who repacks: cpu, or cuda, a card (same bytes); auto is cpu, which keeps up with "
                 "a disk")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  app.add_option("--repack", a.repack,
                 "How: whole words, or the index map element by element (slow, same bytes)")
      ->check(CLI::IsMember({"word", "map"}));
  app.add_flag("--sha256", a.convert.payload_sha256,
               "Record the SHA-256 of the payload, for signing");
  app.add_flag("-f,--force", a.convert.overwrite, "Overwrite OUTPUT");
  app.add_flag("--list-targets", a.list_targets, "Explain the targets");
  app.add_flag("--list-layouts", a.list_layouts, "Explain the layouts; also as --json");
  app.add_flag("--markdown", a.markdown, "With --list-layouts: the table of the README");
  app.add_flag("--list-types", a.list_types, "What becomes of each type of GGUF, as a table");
  tools::add_common_options(app, a.common, true);
}

Result<layouts::LayoutId> parse_layout(const std::string& name) {
  for (const layouts::LayoutInfo& layout : layouts::kLayouts)
    if (layout.name == name) return layout.id;
  return Error{ErrorKind::kUsage, "layout '" + name + "' is not known; see --list-layouts", "", ""};
}

Status complete(Arguments& a) {
  if (a.convert.input.empty())
    return Error{ErrorKind::kUsage, "INPUT is missing; see --help", "", ""};
  if (a.convert.output.empty() && !a.dry_run)
    return Error{ErrorKind::kUsage, "OUTPUT is missing; see --help", "", ""};
  for (const std::string& text : a.targets) {
    IMP_ASSIGN(const uint32_t sm, tools::parse_sm(text));
    a.convert.plan.sms.push_back(sm);
  }
  for (const std::string& text : a.transcode) {
    IMP_ASSIGN(transcode::Rule rule, transcode::parse_rule(text));
    a.convert.transcode.push_back(std::move(rule));
  }
  if (!a.layout.empty()) {
    IMP_ASSIGN(a.convert.plan.layout, parse_layout(a.layout));
  }
  a.convert.threads = a.common.threads;
  a.convert.backend = a.backend == "cuda" ? convert::Backend::kCuda : convert::Backend::kCpu;
  a.convert.path = a.repack == "map" ? repack::Path::kMap : repack::Path::kWord;
  return {};
}

void print_report(const Arguments& a, const convert::Report& report) {
  const std::string id = hex(report.artifact_id.data(), report.artifact_id.size());
  if (a.common.json) {
    nlohmann::ordered_json json;
    json["artifact"] = a.convert.output.string();
    json["artifact_id"] = id;
    json["source_bytes"] = report.source_bytes;
    json["total_bytes"] = report.total_bytes;
    json["payload_offset_bytes"] = report.payload_offset_bytes;
    json["payload_bytes"] = report.payload_bytes;
    json["exceptions"] = report.exceptions;
    json["zero_block_scales"] = report.zero_block_scales;
    json["flushed_scales"] = report.flushed_scales;
    json["operands_not_in_layout"] = report.refused_operands;
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else if (!a.common.quiet) {
    std::cout << fmt::format("{}  {}  {}\n", printable(a.convert.output.string()),
                             human_bytes(report.total_bytes), id);
    if (report.exceptions > 0)
      std::cout << fmt::format("{} groups keep bits that their layout cannot hold as exceptions\n",
                               with_thousands(report.exceptions));
  }
}

Status run(Arguments& a) {
  tools::ConsoleLog log(kTool, a.common);
  IMP_TRY(complete(a));
  IMP_ASSIGN(convert::Prepared prepared, convert::prepare(a.convert, log));
  if (a.dry_run) {
    if (a.common.json)
      plan::print_plan_json(std::cout, prepared.model, prepared.plan, prepared.threads);
    else
      plan::print_plan(std::cout, prepared.model, prepared.plan, prepared.threads);
    return {};
  }
  IMP_ASSIGN(const convert::Report report, convert::run(prepared, a.convert, log));
  print_report(a, report);
  return {};
}

void list_layouts(const Arguments& a) {
  if (a.markdown)
    tools::list_layouts_markdown(std::cout);
  else if (a.common.json)
    tools::list_layouts_json(std::cout);
  else
    tools::list_layouts(std::cout);
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Convert a quantized checkpoint into an .imp file: names and scales normalised, every weight "
      "packed for the\n"
      "GEMM kernels of the GPUs named by --target.",
      kTool};
  Arguments arguments;
  add_options(app, arguments);
  if (const auto code = tools::parse(app, argc, argv)) return *code;
  if (arguments.list_targets) tools::list_targets(std::cout);
  if (arguments.list_layouts) list_layouts(arguments);
  if (arguments.list_types) plan::print_gguf_types(std::cout);
  if (arguments.list_targets || arguments.list_layouts || arguments.list_types) return 0;
  install_interrupt_handlers();
  const Status status = run(arguments);
  return status.ok() ? 0 : tools::fail(kTool, arguments.common, status.error());
}
