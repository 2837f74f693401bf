// Every layout and scheme that has a reader: a warp takes a tile of 64 x 64, each value goes where
// it belongs as it is read. Compiled with -fmad=false (kernels/readers/bits.h).
#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "kernels/cuda/check.cuh"
#include "kernels/dequant/launch.h"
#include "kernels/readers/list.h"

namespace imp::kernels::dequant {
namespace {

constexpr uint32_t kReaderWarps = 4;  ///< of a block of threads

template <class Slots>
struct PutOut {
  const ReaderArguments* a;
  uint64_t row0;
  uint64_t column0;

  IMP_HD void operator()(uint32_t row, uint32_t slot, float value) const {
    const uint64_t n = row0 + row, k = column0 + Slots::column(slot);
    if (n >= a->n || k >= a->k) return;
    uint32_t part = 0;
    while (part + 1 < a->parts && n >= a->part_end[part]) ++part;
    const float factor = a->multiplier[part] * a->unit;
    const float scaled = value * factor;
    const uint64_t at = n * a->out_stride + k;
    if (a->type == Float::kF32)
      static_cast<float*>(a->out)[at] = scaled;
    else if (a->type == Float::kF16)
      static_cast<__half*>(a->out)[at] = __float2half_rn(scaled);
    else
      static_cast<__nv_bfloat16*>(a->out)[at] = __float2bfloat16_rn(scaled);
  }
};

template <class R>
__global__ void __launch_bounds__(32 * kReaderWarps)
    dequantise_reader(const __grid_constant__ ReaderArguments a) {
  const uint64_t column_tiles = quotient_up(a.k, kReaderColumns);
  const uint64_t tile = uint64_t{blockIdx.x} * kReaderWarps + threadIdx.x / 32;
  const uint64_t row_tile = tile / column_tiles, column_tile = tile % column_tiles;
  if (row_tile >= quotient_up(a.n, kReaderRows)) return;
  R::read_lane(a.weight, row_tile, column_tile, threadIdx.x % 32,
               PutOut<typename R::Slots>{&a, row_tile * kReaderRows, column_tile * kReaderColumns});
}

using Kernel = void (*)(ReaderArguments);

template <class... R>
Kernel find_kernel(readers::ReaderList<R...>, uint16_t layout, uint16_t scheme) {
  Kernel found = nullptr;
  ((R::kLayout == layout&& R::kScheme == scheme ? found = dequantise_reader<R> : found), ...);
  return found;
}

}  // namespace

Status launch_reader(const ReaderArguments& arguments, cuda::StreamHandle stream) {
  const uint64_t tiles =
      quotient_up(arguments.n, kReaderRows) * quotient_up(arguments.k, kReaderColumns);
  const uint64_t grid = quotient_up(tiles, kReaderWarps);
  if (grid > INT32_MAX)
    return Error{ErrorKind::kBadShape, "more tiles than one launch can have", "", ""};
  const Kernel kernel =
      find_kernel(readers::AllReaders{}, arguments.weight.layout, arguments.weight.scheme);
  kernel<<<static_cast<uint32_t>(grid), 32 * kReaderWarps, 0, stream>>>(arguments);
  return cuda::check(cudaGetLastError(), "dequantisation by a reader");
}

}  // namespace imp::kernels::dequant
