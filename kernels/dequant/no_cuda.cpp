// The launches in a build without CUDA.
#include "kernels/dequant/launch.h"

namespace imp::kernels::dequant {
namespace {

Error absent() { return Error{ErrorKind::kNoDevice, "this build has no CUDA kernels", "", ""}; }

}  // namespace

Status launch_reader(const ReaderArguments&, cuda::StreamHandle) { return absent(); }
Status launch_mma64(const Arguments&, Float, cuda::StreamHandle) { return absent(); }
Status launch_native(const Arguments&, Float, cuda::StreamHandle) { return absent(); }
Status launch_plain(const Arguments&, Float, cuda::StreamHandle) { return absent(); }

}  // namespace imp::kernels::dequant
