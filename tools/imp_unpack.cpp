// imp-unpack: an .imp file back to safetensors, to plain weights, or to raw component files.
#include <iostream>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "src/base/interrupt.h"
#include "src/base/text.h"
#include "src/unpack/unpack.h"
#include "tools/cli.h"

namespace {

constexpr char kTool[] = "imp-unpack";

using namespace imp;

struct Arguments {
  tools::CommonOptions common;
  unpack::Options unpack;
  std::string dequantize;
  std::string as = "safetensors";
  std::string target;
};

Status complete(Arguments& a) {
  if (!a.target.empty()) {
    IMP_ASSIGN(a.unpack.form_sm, tools::parse_sm(a.target));
  }
  a.unpack.threads = a.common.threads;
  a.unpack.mode = a.as == "raw"           ? unpack::Mode::kRaw
                  : a.as == "gguf-blocks" ? unpack::Mode::kGgufBlocks
                                          : unpack::Mode::kSafetensors;
  if (a.dequantize.empty()) return {};
  if (a.as != "safetensors")
    return Error{ErrorKind::kUsage, "--dequantize and --as " + a.as + " exclude each other", "",
                 ""};
  a.unpack.mode =
      a.dequantize == "f32" ? unpack::Mode::kDequantizeF32 : unpack::Mode::kDequantizeBf16;
  return {};
}

void print_report(const Arguments& a, const unpack::Report& report) {
  if (a.common.json) {
    const nlohmann::ordered_json json = {{"folder", a.unpack.folder.string()},
                                         {"files", report.files},
                                         {"tensors", report.tensors},
                                         {"bytes", report.bytes}};
    std::cout << json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) << "\n";
  } else if (!a.common.quiet) {
    std::cout << fmt::format("{}  {} files, {} tensors, {}\n", printable(a.unpack.folder.string()),
                             report.files, report.tensors, human_bytes(report.bytes));
  }
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Turn an .imp file back into the checkpoint it was made from, byte for byte; or into plain "
      "weights; or into\n"
      "files of packed bytes for kernel writers.",
      kTool};
  Arguments a;
  app.add_option("ARTIFACT", a.unpack.artifact, "The .imp file")->required();
  app.add_option("OUTDIR", a.unpack.folder, "Folder to write; absent or empty unless -f")
      ->required();
  app.add_option("--dequantize", a.dequantize, "Plain weights, each the exact product rounded once")
      ->check(CLI::IsMember({"f32", "bf16"}));
  app.add_option("--as", a.as, "What to write; gguf-blocks: the GGUF files it was made from")
      ->check(CLI::IsMember({"safetensors", "gguf-blocks", "raw"}));
  app.add_option("--target", a.target, "Take the planes from the form that serves this GPU")
      ->type_name("SM");
  app.add_flag("-f,--force", a.unpack.overwrite, "Write into a folder that is not empty");
  tools::add_common_options(app, a.common, true);
  if (const auto code = tools::parse(app, argc, argv)) return *code;
  install_interrupt_handlers();
  if (const Status status = complete(a); !status.ok())
    return tools::fail(kTool, a.common, status.error());

  tools::ConsoleLog log(kTool, a.common);
  const Result<unpack::Report> report = unpack::run(a.unpack, log);
  if (!report.ok()) return tools::fail(kTool, a.common, report.error());
  print_report(a, *report);
  return 0;
}
