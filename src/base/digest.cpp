#include "src/base/digest.h"

#include <openssl/evp.h>
#include <xxhash.h>

#include <cstring>
#include <new>

namespace imp {
namespace {

Digest128 canonical(XXH128_hash_t hash) {
  XXH128_canonical_t form;
  XXH128_canonicalFromHash(&form, hash);
  Digest128 out;
  std::memcpy(out.data(), form.digest, out.size());
  return out;
}

}  // namespace

Digest128 xxh3_128(Bytes data) { return canonical(XXH3_128bits(data.data(), data.size())); }

uint64_t xxh3_64(Bytes data) { return XXH3_64bits(data.data(), data.size()); }

struct Xxh3Stream::State {
  XXH3_state_t* xxh = XXH3_createState();
  State() {
    if (xxh == nullptr) throw std::bad_alloc();
    XXH3_128bits_reset(xxh);
  }
  ~State() { XXH3_freeState(xxh); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Xxh3Stream::Xxh3Stream() : state_(std::make_unique<State>()) {}
Xxh3Stream::~Xxh3Stream() = default;
Xxh3Stream::Xxh3Stream(Xxh3Stream&&) noexcept = default;
Xxh3Stream& Xxh3Stream::operator=(Xxh3Stream&&) noexcept = default;
void Xxh3Stream::update(Bytes data) { XXH3_128bits_update(state_->xxh, data.data(), data.size()); }
Digest128 Xxh3Stream::digest() const { return canonical(XXH3_128bits_digest(state_->xxh)); }

struct Sha256Stream::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  State() {
    if (context == nullptr || EVP_DigestInit_ex(context, EVP_sha256(), nullptr) != 1)
      throw std::bad_alloc();
  }
  ~State() { EVP_MD_CTX_free(context); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
};

Sha256Stream::Sha256Stream() : state_(std::make_unique<State>()) {}
Sha256Stream::~Sha256Stream() = default;
Sha256Stream::Sha256Stream(Sha256Stream&&) noexcept = default;
Sha256Stream& Sha256Stream::operator=(Sha256Stream&&) noexcept = default;
void Sha256Stream::update(Bytes data) {
  EVP_DigestUpdate(state_->context, data.data(), data.size());
}
Sha256 Sha256Stream::finish() {
  Sha256 out{};
  unsigned size = 0;
  EVP_DigestFinal_ex(state_->context, out.data(), &size);
  return out;
}

}  // namespace imp
