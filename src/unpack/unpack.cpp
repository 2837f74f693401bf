#include "src/unpack/unpack.h"

#include "formats/imp/reader.h"
#include "src/unpack/checkpoint_writer.h"
#include "src/unpack/gguf_writer.h"
#include "src/unpack/output_folder.h"
#include "src/unpack/raw_writer.h"

namespace imp::unpack {

Result<Report> run(const Options& options, Log& log) {
  IMP_ASSIGN(const artifact::Reader reader, artifact::Reader::open(options.artifact));
  IMP_ASSIGN(OutputFolder folder, OutputFolder::prepare(options.folder, options.overwrite));
  Report report;
  if (options.mode == Mode::kRaw) {
    IMP_ASSIGN(report, write_raw(reader, folder, log));
  } else if (options.mode == Mode::kGgufBlocks) {
    IMP_ASSIGN(report, write_gguf(reader, options, folder, log));
  } else {
    IMP_ASSIGN(report, write_checkpoint(reader, options, folder, log));
  }
  report.files = folder.keep();
  return report;
}

}  // namespace imp::unpack
