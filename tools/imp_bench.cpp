// imp-bench: what the GPU kernels reach, beside cuBLAS and beside the floor, in one run.
#include <iostream>

#include "src/base/interrupt.h"
#include "src/bench/gemm_bench.h"
#include "src/bench/repack_bench.h"
#include "tools/cli.h"

namespace {

constexpr char kTool[] = "imp-bench";

using namespace imp;

struct Arguments {
  tools::CommonOptions common;
  bench::GemmOptions gemm;
  std::vector<std::string> shapes;
  bench::RepackOptions repack;
};

void add_gemm_options(CLI::App& app, Arguments& a) {
  app.add_option("--shape", a.shapes,
                 "Weights, e.g. 4096x4096 (default: five of 31B to 70B models)")
      ->type_name("NxK");
  app.add_option("--m", a.gemm.m, "Rows of X (default: 1 to 4096)")->delimiter(',');
  app.add_option("--scheme", a.gemm.scheme, "Of the weights")
      ->check(CLI::IsMember({"nvfp4", "mxfp4", "int4"}));
  app.add_option("--group", a.gemm.group, "Of int4: columns under one scale; 0: a whole row");
  app.add_flag("--zero-points", a.gemm.zero_points, "Of int4: with a zero point a group");
  app.add_option("--activation", a.gemm.activation, "Type of X and Y")
      ->check(CLI::IsMember({"bf16", "f16"}));
  app.add_option("--kernel", a.gemm.kernel, "auto, or the kernel to force");
  app.add_option("--x-order", a.gemm.x_order, "How X lies in memory")
      ->check(CLI::IsMember({"natural", "layout", "both"}));
  app.add_flag("--overlap", a.gemm.overlap, "Let each launch begin while the one before it ends");
  app.add_option("--experts", a.gemm.experts, "Grouped form: this many matrices")
      ->check(CLI::Range(1, 1024));
  app.add_option("--tokens-per-expert", a.gemm.tokens_per_expert,
                 "Rows of X of each expert (default: 1, 8, 16, 64)")
      ->delimiter(',');
  app.add_option("--replays", a.gemm.replays, "The median of this many counts");
}

void add_repack_options(CLI::App& app, Arguments& a) {
  app.add_option("--mib", a.repack.mib, "Sizes of the tensor (default: 32, 64, 256)")
      ->delimiter(',')
      ->check(CLI::Range(1, 16384));
  app.add_option("--k", a.repack.k, "Columns")->check(CLI::Range(16, 1 << 20));
  app.add_option("--path", a.repack.path, "Hand-written moves, or the index map")
      ->check(CLI::IsMember({"word", "map"}));
  app.add_option("--replays", a.repack.replays, "The median of this many counts");
}

/// A row that is wrong is printed as such, and the exit code says so.
template <class Report>
int print(const Arguments& a, const Result<Report>& report) {
  if (!report.ok()) return tools::fail(kTool, a.common, report.error());
  if (a.common.json)
    bench::print_json(std::cout, *report);
  else
    bench::print_table(std::cout, *report);
  if (report->good()) return 0;
  std::cerr << kTool << ": results are wrong in the rows marked so\n";
  return exit_code(ErrorKind::kNumericsMismatch);
}

Status parse_shapes(Arguments& a) {
  for (const std::string& text : a.shapes) {
    IMP_ASSIGN(const bench::Shape shape, bench::parse_shape(text));
    a.gemm.shapes.push_back(shape);
  }
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{
      "Measure the GPU kernels: cold weights, graph replay, medians; every row's result is "
      "checked.\n"
      "Exit: 0 good, 2 usage, 5 a result is wrong, 6 no device.",
      kTool};
  Arguments a;
  CLI::App* gemm = app.add_subcommand("gemm", "4-bit GEMM beside cuBLAS and the cold read");
  CLI::App* repack = app.add_subcommand("repack", "Repack kernels beside a device copy");
  app.require_subcommand(1);
  add_gemm_options(*gemm, a);
  add_repack_options(*repack, a);
  tools::add_common_options(app, a.common, false);
  gemm->fallthrough();
  repack->fallthrough();
  if (const auto code = tools::parse(app, argc, argv)) return *code;
  install_interrupt_handlers();
  tools::ConsoleLog log(kTool, a.common);
  if (repack->parsed()) return print(a, bench::run_repack(a.repack, log));
  if (const Status status = parse_shapes(a); !status.ok())
    return tools::fail(kTool, a.common, status.error());
  return print(a, bench::run_gemm(a.gemm, log));
}
