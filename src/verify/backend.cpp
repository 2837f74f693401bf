#include "src/verify/backend.h"

#include <set>

#include "formats/imp/targets.h"
#include "src/base/text.h"

namespace imp::verify {
namespace {

using artifact::Reader;

bool serves_a_form(const Reader& reader, const std::vector<uint32_t>& forms,
                   const GemmBackend& backend) {
  const std::set<uint32_t> wanted(forms.begin(), forms.end());
  for (const artifact::OperandRecord& operand : reader.operands()) {
    if ((operand.flags & artifact::kOperandGemm) == 0) continue;
    for (uint32_t f = operand.first_form; f < operand.first_form + operand.form_count; ++f)
      if (wanted.contains(f) && backend.serves({reader, operand, reader.forms()[f]})) return true;
  }
  return false;
}

std::string device_text(const cuda::Device& device) {
  return device.name + ", sm_" + std::to_string(device.sm);
}

/// The GPU backend, or why there is none.
Result<BackendChoice> cuda_choice(const Reader& reader, const std::vector<uint32_t>& forms) {
  IMP_ASSIGN(const cuda::Device device, cuda::current_device());
  BackendChoice choice;
  IMP_ASSIGN(choice.cuda, make_cuda_backend(device));
  choice.why = device_text(device);
  if (!serves_a_form(reader, forms, *choice.cuda))
    return Error{ErrorKind::kNoFormForTarget,
                 "no GEMM form of the file has a kernel on " + choice.why, reader.path(), ""};
  return choice;
}

}  // namespace

Result<BackendChoice> choose_backend(const Reader& reader, const std::vector<uint32_t>& forms,
                                     Backend asked) {
  BackendChoice cpu;
  if (asked == Backend::kCpu) {
    cpu.why = "asked for";
    return cpu;
  }
  Result<BackendChoice> cuda = cuda_choice(reader, forms);
  if (cuda.ok()) return cuda;
  if (asked == Backend::kAuto) {
    cpu.why = cuda.error().message;
    return cpu;
  }
  Error error = std::move(cuda).error();
  error.message = "backend 'cuda' was asked for, but: " + error.message + "; the file serves " +
                  artifact::targets_to_string(reader.served_targets());
  return std::move(error).in_file(reader.path());
}

std::string numerics_summary(const NumericsCounts& counts, const BackendChoice& backend) {
  const auto number = [](uint64_t count) { return with_thousands(count); };
  std::string text = number(counts.operands) + " of " + number(counts.forms_total) + " GEMM forms";
  if (backend.cuda != nullptr) {
    text += " on cuda (" + backend.why + "), " + number(counts.tuned_forms) +
            " on tuned kernels, " + number(counts.cuda_forms - counts.tuned_forms) +
            " on the scalar kernel";
    if (counts.cpu_forms > 0) text += ", and " + number(counts.cpu_forms) + " on the CPU";
  } else {
    text += " on the CPU backend (" + backend.why + ")";
  }
  text += ": " + number(counts.identity_weights) + " weights ==, " + number(counts.sparse_sums) +
          " sparse sums, " + number(counts.random_sums) + " random sums";
  if (counts.kernel_shapes > 0)
    text += ", " + number(counts.kernel_shapes) + " kernels x rows x types forced";
  if (counts.content_only > 0) text += "; " + number(counts.content_only) + " forms content only";
  return text;
}

}  // namespace imp::verify
