// The tensors of a GGUF file sorted by module: "blk.0.attn_q" with its weight, bias and scales.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

#include "src/base/result.h"
#include "src/model/model.h"

namespace imp::model {

/// Indices into Source::stored; kNone where there is none.
struct StoredModule {
  uint32_t weight = kNone;  ///< "X.weight", or X itself (ssm_a)
  uint32_t bias = kNone;
  uint32_t scale = kNone;        ///< "X.scale" or "X.weight.scale": second level of NVFP4
  uint32_t input_scale = kNone;  ///< "X.input_scale" or "X.weight.input_scale"
};

/// One block of the model, or what belongs to none: modules by name, "attn_q".
using StoredBlock = std::map<std::string, StoredModule, std::less<>>;

struct StoredModules {
  StoredBlock top;
  std::map<uint32_t, StoredBlock> blocks;
};

/// Errors: kUnknownTensor for a block number that is none ("blk.00.x", "blk.0x.y") or beyond
/// `num_blocks`; kDuplicateName for two tensors of one meaning.
Result<StoredModules> sort_stored(const Source& source, uint64_t num_blocks);

/// No head of its own: the token embedding is the output head too (gguf.md, 4.5).
bool is_tied(const StoredModules& stored);

/// An error about a stored tensor, file and name filled in.
Error stored_error(const Source& source, uint32_t stored, ErrorKind kind, std::string message);
/// "Q4_K [256, 512]"
std::string stored_text(const StoredTensor& tensor);

}  // namespace imp::model
