// What the metadata of a GGUF file says about the model's shape, as far as transforms need it.
#pragma once

#include <cstdint>
#include <vector>

#include "src/base/result.h"
#include "src/model/gguf/architectures.h"
#include "src/model/gguf/metadata.h"
#include "src/model/gguf/stored_modules.h"

namespace imp::model {

/// Heads of Gated DeltaNet; all 0 where the model has none.
struct DeltaHeads {
  uint64_t keys = 0;    ///< heads of q and k
  uint64_t values = 0;  ///< heads of v and z, a multiple of `keys`
  uint64_t key_dim = 0;
  uint64_t value_dim = 0;
};

struct Facts {
  const GgufArchitecture* family = nullptr;
  uint64_t blocks = 0;  ///< draft layers included
  uint64_t drafts = 0;  ///< nextn_predict_layers; not all files hold them
  uint64_t hidden = 0;
  std::vector<uint64_t> heads;     ///< one a block
  std::vector<uint64_t> kv_heads;  ///< one a block
  uint64_t experts = 0;            ///< 0: dense
  DeltaHeads delta;
};

/// Layers of the model: blocks without those of a draft model that the file holds.
uint64_t num_layers(const Facts& facts, const StoredModules& stored);

/// Errors: kUnsupportedArchitecture for an architecture that is not known here; kBadConfig for
/// numbers that are missing, of another kind or absurd.
Result<Facts> read_facts(const Metadata& metadata);

}  // namespace imp::model
