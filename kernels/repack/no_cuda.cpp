// The functions of repack.h in a build without CUDA.
#include "kernels/repack/repack.h"

namespace imp::kernels {
namespace {

Error absent() { return Error{ErrorKind::kNoDevice, "this build has no CUDA kernels", "", ""}; }

}  // namespace

Status pack_mma64_nvfp4(const Nvfp4Planes&, RepackPath, void*, const LostGroups&,
                        cuda::StreamHandle) {
  return absent();
}
Status unpack_mma64_nvfp4(const void*, uint64_t, uint64_t, RepackPath, void*, void*, uint64_t*,
                          cuda::StreamHandle) {
  return absent();
}
Status pack_native_rows(const void*, uint64_t, uint64_t, RepackPath, void*, cuda::StreamHandle) {
  return absent();
}
Status unpack_native_rows(const void*, uint64_t, uint64_t, RepackPath, void*, uint64_t*,
                          cuda::StreamHandle) {
  return absent();
}
Status pack_sf128x4(const void*, uint64_t, uint64_t, RepackPath, void*, cuda::StreamHandle) {
  return absent();
}
Status unpack_sf128x4(const void*, uint64_t, uint64_t, RepackPath, void*, uint64_t*,
                      cuda::StreamHandle) {
  return absent();
}

}  // namespace imp::kernels
