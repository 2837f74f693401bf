// What a module's weight is: sibling tensors decide (checkpoint-formats 5.1, read from top to
// bottom), the configuration says what they leave open.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "src/base/result.h"
#include "src/model/import_context.h"
#include "src/model/module_table.h"

namespace imp::model {

/// The form of one module's weight, or of all experts where one tensor holds them.
struct WeightForm {
  Scheme scheme = Scheme::kRaw;
  Suffix codes = Suffix::kWeight;
  Encoding encoding = Encoding::kRows;
  bool stacked = false;
  uint64_t experts = 1;  ///< of a stack: its first dimension
  uint64_t n = 0;
  uint64_t k = 0;
  uint32_t group_size = 0;
  uint32_t group_rows = 1;
  std::optional<Suffix> scale;       ///< the block scales, or the one number that is all
  bool scale_is_multiplier = false;  ///< `scale` is one number a module
  Encoding scale_encoding = Encoding::kRows;
  std::optional<Suffix> global;  ///< second level: one number a module
  ScalarState global_state = ScalarState::kMultiplier;
  Encoding zero_encoding = Encoding::kRows;
  bool padded_words = false;
  bool interleaved_rows = false;  ///< rows of gate and up alternate, those of a bias too
  bool fake_quantized = false;    ///< float weight, scales beside it are leftovers of a simulation
  std::string why;                ///< for people
  std::string warning;            ///< where configuration and tensors differ; empty: they agree

  /// Same numbers; the sentences may differ.
  bool same_form(const WeightForm& other) const;
};

/// One module of one expert with what is said about it.
class Siblings {
 public:
  Siblings(const ImportContext& of_import, const Module& of_module, const ModuleTensors& siblings,
           const Expectation& said)
      : context(of_import), module(of_module), tensors(siblings), expected(said) {}

  const ImportContext& context;
  const Module& module;
  const ModuleTensors& tensors;
  const Expectation& expected;

  bool has(Suffix s) const { return tensors.has(s); }
  /// REQUIRES: has(s).
  const SourceTensor& at(Suffix s) const { return context.source.tensors[tensors[s]]; }
  /// The last component of the tensor's name: what its file calls it.
  std::string word(Suffix s) const;
  Error error(Suffix s, ErrorKind kind, std::string message) const;
  /// kMissingTensor about a sibling that `beside` needs.
  Error missing(Suffix beside, const std::string& what, const std::string& why) const;
  /// "weight U8 [256, 64], weight_scale F8_E4M3 [256, 8]: CONCLUSION; config.json says WORD"
  std::string explain(std::initializer_list<Suffix> seen, const std::string& conclusion) const;
  /// The tensor that holds scales of the codes, in the spelling of whichever dialect; nullopt:
  /// none. Errors: kDuplicateName where there are two.
  Result<std::optional<Suffix>> scale() const;
};

/// The suffix of the codes of a module that a GEMM takes, or nullopt where it has none.
std::optional<Suffix> codes_of(const ModuleTensors& tensors);
/// A tensor beside the codes shows that they are quantized.
bool has_quantized_siblings(const ModuleTensors& tensors);

/// Errors: kMissingTensor, kShapeMismatch, kUnsupportedScheme, kDuplicateName.
Result<WeightForm> detect_form(const Siblings& siblings);

}  // namespace imp::model
