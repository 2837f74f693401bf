#include "src/bench/cublas.h"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

namespace imp::bench {
namespace {

constexpr uint64_t kWorkspaceBytes = 32ull << 20;  // what cuBLAS itself takes on sm_90

// Numbers of cublas_api.h and library_types.h.
constexpr int kSuccess = 0, kOpN = 0, kOpT = 1, kComputeF32 = 68, kAlgorithmDefault = -1;
constexpr int kTypeF16 = 2, kTypeBf16 = 14;

using Create = int (*)(void** handle);
using Destroy = int (*)(void* handle);
using SetStream = int (*)(void* handle, cuda::StreamHandle stream);
using SetWorkspace = int (*)(void* handle, void* workspace, size_t size_bytes);
using GemmEx = int (*)(void* handle, int op_a, int op_b, int m, int n, int k, const void* alpha,
                       const void* a, int type_a, int lda, const void* b, int type_b, int ldb,
                       const void* beta, void* c, int type_c, int ldc, int compute, int algorithm);

Error failed(const std::string& what) { return Error{ErrorKind::kNoDevice, what, "", ""}; }

Status check(int status, const char* what) {
  if (status == kSuccess) return {};
  return failed(std::string(what) + ": cuBLAS status " + std::to_string(status));
}

std::vector<std::string> candidates() {
  if (const char* named = std::getenv("IMP_CUBLAS"); named != nullptr && *named != '\0')
    return {named};
  return {"libcublas.so.13", "libcublas.so.12"};
}

template <class Function>
Result<Function> find(void* library, const char* name) {
  void* symbol = dlsym(library, name);
  if (symbol == nullptr) return failed(std::string("cuBLAS has no function ") + name);
  return reinterpret_cast<Function>(symbol);
}

}  // namespace

Result<Cublas> Cublas::load(const cuda::Stream& stream) {
  Cublas cublas;
  std::string why;
  for (const std::string& name : candidates()) {
    cublas.library_ = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    cublas.name_ = name;
    if (cublas.library_ != nullptr) break;
    why = dlerror();
  }
  if (cublas.library_ == nullptr) return failed("cuBLAS: " + why);
  IMP_ASSIGN(const Create create, find<Create>(cublas.library_, "cublasCreate_v2"));
  IMP_ASSIGN(const Destroy destroy, find<Destroy>(cublas.library_, "cublasDestroy_v2"));
  IMP_ASSIGN(const SetStream set_stream, find<SetStream>(cublas.library_, "cublasSetStream_v2"));
  IMP_ASSIGN(const SetWorkspace set_workspace,
             find<SetWorkspace>(cublas.library_, "cublasSetWorkspace_v2"));
  IMP_ASSIGN(const GemmEx gemm_ex, find<GemmEx>(cublas.library_, "cublasGemmEx"));
  cublas.destroy_ = reinterpret_cast<void*>(destroy);
  cublas.gemm_ex_ = reinterpret_cast<void*>(gemm_ex);
  IMP_TRY(check(create(&cublas.handle_), "cublasCreate"));
  IMP_ASSIGN(cublas.workspace_, cuda::DeviceBuffer::allocate(kWorkspaceBytes));
  // The stream first: setting it puts the default workspace back.
  IMP_TRY(check(set_stream(cublas.handle_, stream.handle()), "cublasSetStream"));
  IMP_TRY(check(set_workspace(cublas.handle_, cublas.workspace_.data(), kWorkspaceBytes),
                "cublasSetWorkspace"));
  return cublas;
}

Cublas::Cublas(Cublas&& other) noexcept
    : name_(std::move(other.name_)),
      library_(std::exchange(other.library_, nullptr)),
      handle_(std::exchange(other.handle_, nullptr)),
      gemm_ex_(other.gemm_ex_),
      destroy_(other.destroy_),
      workspace_(std::move(other.workspace_)) {}

Cublas& Cublas::operator=(Cublas&& other) noexcept {
  std::swap(name_, other.name_);
  std::swap(library_, other.library_);
  std::swap(handle_, other.handle_);
  std::swap(gemm_ex_, other.gemm_ex_);
  std::swap(destroy_, other.destroy_);
  std::swap(workspace_, other.workspace_);
  return *this;
}

// The library stays loaded: it has registered code of its own that runs when the process ends.
Cublas::~Cublas() {
  if (handle_ != nullptr) reinterpret_cast<Destroy>(destroy_)(handle_);
}

Status Cublas::gemm(const void* w, const void* x, void* y, uint64_t m, uint64_t n, uint64_t k,
                    bool f16) const {
  // Column-major: y^T [n, m] = w [n, k] x^T, where row-major w is the transpose of a k x n matrix.
  const float one = 1.0f, zero = 0.0f;
  const int type = f16 ? kTypeF16 : kTypeBf16;
  const int rows = static_cast<int>(n), columns = static_cast<int>(m), terms = static_cast<int>(k);
  const auto gemm_ex = reinterpret_cast<GemmEx>(gemm_ex_);
  return check(gemm_ex(handle_, kOpT, kOpN, rows, columns, terms, &one, w, type, terms, x, type,
                       terms, &zero, y, type, rows, kComputeF32, kAlgorithmDefault),
               "cublasGemmEx");
}

}  // namespace imp::bench
