#include "src/verify/verify.h"

#include <cstring>
#include <numeric>

#include <nlohmann/json.hpp>

#include "formats/imp/reader.h"
#include "formats/imp/targets.h"
#include "src/base/text.h"
#include "src/base/work_queue.h"
#include "src/verify/backend.h"
#include "src/verify/content.h"
#include "src/verify/controls.h"
#include "src/verify/meaning.h"
#include "src/verify/numerics.h"
#include "src/verify/problems.h"
#include "src/verify/source.h"

namespace imp::verify {
namespace {

using artifact::Reader;

/// What open() does not look at: the padding of the payload, the manifest, the id.
void check_rest_of_structure(const Reader& reader, Problems& problems) {
  problems.add(reader.check_payload_padding());
  Result<std::string> manifest = reader.read_manifest();
  if (!manifest.ok())
    problems.add(std::move(manifest).error());
  else if (!nlohmann::json::accept(*manifest))
    problems.add(
        Error{ErrorKind::kHeaderSyntax, "manifest is no JSON document", reader.path(), ""});
  Result<std::array<uint8_t, 32>> id = artifact::compute_artifact_id(reader);
  if (!id.ok())
    problems.add(std::move(id).error());
  else if (std::memcmp(id->data(), reader.header().artifact_id, id->size()) != 0)
    problems.add(Error{ErrorKind::kBadChecksum, "artifact id is not that of the contents",
                       reader.path(), ""});
  for (const artifact::CompanionRecord& companion : reader.companions()) {
    Result<std::string> bytes = reader.read_companion(companion);
    if (!bytes.ok()) problems.add(std::move(bytes).error());
  }
  check_meaning(reader, problems);
}

std::string counted(uint64_t count, const char* noun) { return with_thousands(count) + " " + noun; }

class Run {
 public:
  Run(const Options& options, Log& log)
      : options_(options),
        log_(log),
        threads_(options.threads == 0 ? default_thread_count() : options.threads) {}

  Report go() {
    Result<Reader> reader = Reader::open(options_.artifact);
    if (!reader.ok()) {
      problems_.add(std::move(reader).error());
      problems_.move_to(report_.at(Level::kStructure), "cannot be opened");
      return std::move(report_);
    }
    if (!structure(*reader) || !backend(*reader)) return std::move(report_);
    content(*reader);
    if (options_.source) source(*reader);
    // Wrong bytes give wrong sums: one report of them is enough.
    if (report_.at(Level::kContent).verdict == Verdict::kPassed) {
      numerics(*reader);
      controls(*reader);
    }
    return std::move(report_);
  }

 private:
  bool structure(const Reader& reader) {
    report_.artifact_id = hex(reader.header().artifact_id, sizeof reader.header().artifact_id);
    report_.total_bytes = reader.header().total_bytes;
    report_.targets = artifact::targets_to_string(reader.served_targets());
    check_rest_of_structure(reader, problems_);
    if (options_.sm) {
      Result<std::vector<uint32_t>> forms = reader.forms_for_target(*options_.sm);
      if (forms.ok())
        forms_ = std::move(forms).take();
      else
        problems_.add(std::move(forms).error());
    } else {
      forms_.resize(reader.forms().size());
      std::iota(forms_.begin(), forms_.end(), 0u);
    }
    problems_.move_to(report_.at(Level::kStructure),
                      counted(reader.operands().size(), "operands, ") +
                          counted(forms_.size(), "forms, ") +
                          counted(reader.source_tensors().size(), "source tensors, ") + "serves " +
                          report_.targets);
    return report_.at(Level::kStructure).verdict == Verdict::kPassed;
  }

  bool backend(const Reader& reader) {
    Result<BackendChoice> choice = choose_backend(reader, forms_, options_.backend);
    if (!choice.ok()) {
      problems_.add(std::move(choice).error());
      problems_.move_to(report_.at(Level::kStructure), report_.at(Level::kStructure).summary);
      return false;
    }
    backend_ = std::move(choice).take();
    report_.backend = backend_.cuda != nullptr ? "cuda" : "cpu";
    report_.backend_why = backend_.why;
    return true;
  }

  void content(const Reader& reader) {
    const ContentCounts counts = check_content(reader, forms_, threads_, problems_);
    problems_.move_to(report_.at(Level::kContent), counted(counts.chunks, "payload digests (") +
                                                       human_bytes(counts.bytes) + "), " +
                                                       counted(counts.planes, "planes recovered"));
  }

  void source(const Reader& reader) {
    const SourceCounts counts = check_source(reader, *options_.source, threads_, log_, problems_);
    problems_.move_to(report_.at(Level::kSource), counted(counts.files, "files, ") +
                                                      counted(counts.tensors, "tensors, ") +
                                                      counted(counts.companions, "companions"));
  }

  void numerics(const Reader& reader) {
    const NumericsCounts counts =
        check_numerics(reader, forms_, options_.all ? 0 : options_.budget_weights, threads_,
                       problems_, backend_.cuda.get());
    problems_.move_to(report_.at(Level::kNumerics), numerics_summary(counts, backend_));
  }

  void controls(const Reader& reader) {
    const ControlCounts counts = run_controls(reader, forms_, problems_, backend_.cuda.get());
    problems_.move_to(
        report_.at(Level::kControls),
        counted(counts.made, "damages made in memory, ") + counted(counts.seen, "seen"));
  }

  const Options& options_;
  Log& log_;
  const uint64_t threads_;
  Problems problems_;
  Report report_;
  FormSet forms_;
  BackendChoice backend_;
};

}  // namespace

const char* level_name(Level level) {
  switch (level) {
    case Level::kStructure:
      return "structure";
    case Level::kContent:
      return "content";
    case Level::kSource:
      return "source";
    case Level::kNumerics:
      return "numerics";
    case Level::kControls:
      return "controls";
  }
  return "?";
}

bool Report::passed() const {
  for (const LevelReport& level : levels)
    if (level.verdict == Verdict::kFailed) return false;
  return at(Level::kStructure).verdict == Verdict::kPassed;
}

int Report::exit_code() const {
  for (const LevelReport& level : levels)
    if (!level.problems.empty()) return imp::exit_code(level.problems.front().kind);
  return passed() ? 0 : 1;
}

Report run(const Options& options, Log& log) { return Run(options, log).go(); }

}  // namespace imp::verify
