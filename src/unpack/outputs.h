// What an unpacked checkpoint will hold: shards, and in each the tensors with where they come from.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "formats/imp/reader.h"
#include "formats/safetensors/header.h"
#include "src/base/log.h"
#include "src/base/result.h"

namespace imp::unpack {

enum class Transform : uint8_t {
  kCopy,      ///< the source's bytes
  kConvert,   ///< plain floats, or blocks of GGUF, to the wanted dtype
  kValues,    ///< codes, scales and what else makes a weight to values of the wanted dtype
  kMlaMerge,  ///< both halves of a kv_b_proj (model::StoredAs)
};

struct Output {
  uint32_t source = 0;  ///< index of the source tensor
  Transform transform = Transform::kCopy;
  uint32_t other = artifact::kNone;  ///< of kMlaMerge the other half: source is the key's
};

/// Values of this codes tensor are written [.., k, n]. REQUIRES: it is a GEMM's.
bool is_transposed(const artifact::Reader& reader, uint32_t source);

struct Shard {
  std::string name;
  safetensors::Header header;  ///< offsets of the tensors are final, from the start of the file
  std::string header_bytes;
  std::vector<Output> outputs;  ///< one a tensor of the header
  uint64_t size_bytes = 0;
};

/// The source's shards with the source's tensors; those of GGUF files as model.safetensors or
/// model-00001-of-0000N.safetensors. Errors: kBadRecord (metadata that is no object of
/// strings, a name that no safetensors file can hold), kDuplicateName, kBadShape.
Result<std::vector<Shard>> list_source(const artifact::Reader& reader);
/// The same shards with plain weights of dtype `to` (F32 or BF16): what only says how they are
/// coded is left out, floats are converted, integers and F64 copied, and what is stored as another
/// tensor than the hub checkpoint's (model::StoredAs) becomes that tensor. "X.weight_packed" and
/// "X.compressed" become "X.weight", gpt-oss "X_blocks" the "X" [E, in, out] that transformers
/// loads; other stacks keep name and orientation.
Result<std::vector<Shard>> list_values(const artifact::Reader& reader, Dtype to);

/// model.safetensors.index.json for these shards.
std::string shard_index_json(const std::vector<Shard>& shards);

}  // namespace imp::unpack
