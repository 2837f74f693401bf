// imp-verify: the exit code is the answer.
#include <iostream>

#include "src/base/interrupt.h"
#include "src/verify/verify.h"
#include "tools/cli.h"

namespace {

constexpr char kTool[] = "imp-verify";

using namespace imp;

struct Arguments {
  tools::CommonOptions common;
  verify::Options verify;
  std::string source;
  std::string target;
  std::string backend = "auto";
};

Status complete(Arguments& a) {
  if (a.backend == "cpu") a.verify.backend = verify::Backend::kCpu;
  if (a.backend == "cuda") a.verify.backend = verify::Backend::kCuda;
  if (!a.target.empty()) {
    IMP_ASSIGN(a.verify.sm, tools::parse_sm(a.target));
  }
  if (!a.source.empty()) a.verify.source = a.source;
  a.verify.threads = a.common.threads;
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Check an .imp file: structure, content, numerics on the packed bytes, and that damage would "
      "be seen.\n"
      "Exit: 0 good, 3 malformed, 4 unsupported, 5 mismatch, 6 no form for the target or the "
      "device, 7 I/O.",
      kTool};
  Arguments a;
  app.add_option("ARTIFACT", a.verify.artifact, "The .imp file")->required();
  app.add_option("--source", a.source, "Compare with the checkpoint it was made from")
      ->type_name("FOLDER");
  app.add_option("--target", a.target, "Only forms that serve this GPU; fails if there are none")
      ->type_name("SM");
  app.add_flag("--all", a.verify.all, "Numerics on every operand instead of a sample");
  app.add_option("--backend", a.backend,
                 "Whose GEMM (auto: the GPU where there is one that the file serves)")
      ->check(CLI::IsMember({"auto", "cpu", "cuda"}));
  tools::add_common_options(app, a.common, true);
  if (const auto code = tools::parse(app, argc, argv)) return *code;
  install_interrupt_handlers();
  if (const Status status = complete(a); !status.ok())
    return tools::fail(kTool, a.common, status.error());

  tools::ConsoleLog log(kTool, a.common);
  const verify::Report report = verify::run(a.verify, log);
  std::ostream null(nullptr);
  if (a.common.json) verify::print_json(std::cout, a.verify, report);
  verify::print(a.common.json || a.common.quiet ? null : std::cout, std::cerr, a.verify, report);
  return report.exit_code();
}
