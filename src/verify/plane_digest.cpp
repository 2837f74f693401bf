#include "src/verify/plane_digest.h"

#include <cstring>
#include <string>

namespace imp::verify {

using artifact::ComponentKind;
using artifact::SourceTensorRecord;
using quant::PlaneCoding;

void TensorChecks::compare(const SourceTensorRecord& tensor, const Digest128& digest) {
  ++compared_;
  if (std::memcmp(digest.data(), tensor.digest, digest.size()) == 0) return;
  problems_.add(Error{ErrorKind::kInverseMismatch,
                      "bytes recovered from operand '" + view_.name() +
                          "' are not those of the source (XXH3-128 differs)",
                      view_.reader.path(), std::string(view_.reader.string(tensor.name))});
}

void TensorChecks::missing(uint32_t part, uint32_t expert, ComponentKind plane) {
  problems_.add(Error{ErrorKind::kInverseMismatch,
                      "no source tensor is recorded for plane " +
                          std::to_string(static_cast<int>(plane)) + " of part " +
                          std::to_string(part) + ", expert " + std::to_string(expert),
                      view_.reader.path(), view_.name()});
}

void PlaneDigest::begin(const PlaneTable& planes, uint32_t expert, TensorChecks& checks) {
  const SourceTensorRecord* tensor = planes.find_for(operand_, part_, expert, plane_);
  if (tensor == nullptr) checks.missing(part_, expert, plane_);
  if (tensor != tensor_) digest_ = Xxh3Stream();
  tensor_ = tensor;
  held_.clear();
}

PlaneCoding PlaneDigest::coding() const {
  return plane_coding(view_.operand, plane_, static_cast<Dtype>(tensor_->dtype),
                      static_cast<quant::Encoding>(tensor_->encoding),
                      view_.reader.parts_of(view_.operand)[part_].n_count);
}

void PlaneDigest::add(Bytes canonical, uint64_t rows) {
  if (tensor_ == nullptr) return;
  PlaneCoding piece = coding();
  if (piece.encoding == quant::Encoding::kRows) return digest_.update(canonical);
  if (quant::cut_rows(piece) == 0) {
    held_.insert(held_.end(), canonical.begin(), canonical.end());
    return;
  }
  piece.rows = rows;
  source_.resize(quant::source_bytes(piece));
  quant::from_canonical(piece, canonical, source_);
  digest_.update(source_);
}

void PlaneDigest::end(uint32_t expert, TensorChecks& checks) {
  if (tensor_ == nullptr) return;
  if (!held_.empty()) {
    source_.resize(quant::source_bytes(coding()));
    quant::from_canonical(coding(), held_, source_);
    digest_.update(source_);
  }
  const bool of_all = tensor_->expert == artifact::kNone;
  if (!of_all || expert + 1 == view_.operand.experts) checks.compare(*tensor_, digest_.digest());
}

}  // namespace imp::verify
