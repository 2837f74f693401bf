// imp-inspect: what is in an artifact or a checkpoint.
#include <iostream>

#include "src/base/interrupt.h"
#include "src/inspect/inspect.h"
#include "tools/cli.h"

int main(int argc, char** argv) {
  using namespace imp;
  constexpr char kTool[] = "imp-inspect";
  CLI::App app{
      "Show what is in an .imp file or in a checkpoint: tensors, schemes, shapes, and an audit of "
      "the scales.",
      kTool};
  tools::CommonOptions common;
  std::string path;
  app.add_option("PATH", path, "An .imp file or a checkpoint folder")->required();
  tools::add_common_options(app, common, false);
  if (const auto code = tools::parse(app, argc, argv)) return *code;
  install_interrupt_handlers();
  tools::ConsoleLog log(kTool, common);
  inspect::Options options;
  options.json = common.json;
  options.verbose = common.verbose;
  const Status status = inspect::report(path, options, std::cout, log);
  return status.ok() ? 0 : tools::fail(kTool, common, status.error());
}
