// The functions of repack.h and repack_variants.h in a build without CUDA.
#include "kernels/repack/repack.h"
#include "kernels/repack/repack_variants.h"

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

Status pack_mma64_mxfp4(const Mxfp4Planes&, RepackPath, void*, cuda::StreamHandle) {
  return absent();
}
Status unpack_mma64_mxfp4(const void*, uint64_t, uint64_t, RepackPath, void*, void*, uint64_t*,
                          cuda::StreamHandle) {
  return absent();
}
Status pack_mma64_codes(uint32_t, const void*, uint64_t, uint64_t, RepackPath, void*,
                        cuda::StreamHandle) {
  return absent();
}
Status unpack_mma64_codes(uint32_t, const void*, uint64_t, uint64_t, RepackPath, void*, uint64_t*,
                          cuda::StreamHandle) {
  return absent();
}
Status pack_mma64_plane(uint32_t, const void*, uint64_t, uint64_t, RepackPath, void*,
                        cuda::StreamHandle) {
  return absent();
}
Status unpack_mma64_plane(uint32_t, const void*, uint64_t, uint64_t, RepackPath, void*, uint64_t*,
                          cuda::StreamHandle) {
  return absent();
}
Status pack_native_bytes(const void*, uint64_t, uint64_t, RepackPath, void*, cuda::StreamHandle) {
  return absent();
}
Status unpack_native_bytes(const void*, uint64_t, uint64_t, RepackPath, void*, uint64_t*,
                           cuda::StreamHandle) {
  return absent();
}
Status pack_tiles(layouts::TileOrder, const void*, const EngineBox&, RepackPath, void*,
                  cuda::StreamHandle) {
  return absent();
}
Status unpack_tiles(layouts::TileOrder, const void*, const EngineBox&, RepackPath, void*, uint64_t*,
                    cuda::StreamHandle) {
  return absent();
}
Status pack_groups(layouts::GroupOrder, uint32_t, const void*, const EngineBox&, RepackPath, void*,
                   cuda::StreamHandle) {
  return absent();
}
Status unpack_groups(layouts::GroupOrder, uint32_t, const void*, const EngineBox&, RepackPath,
                     void*, uint64_t*, cuda::StreamHandle) {
  return absent();
}

}  // namespace imp::kernels
