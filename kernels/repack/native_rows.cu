// Codes to rows of 16-byte pitch, and back. Where K is a multiple of 32 there is no padding and the
// planes are the same bytes.
#include "kernels/layouts/native_rows.h"
#include "kernels/repack/checks.h"
#include "kernels/repack/device.cuh"
#include "kernels/repack/repack.h"

namespace imp::kernels {
namespace native_rows {
namespace {

using layouts::native_rows::kRowAlignmentBytes;
using layouts::native_rows::pitch_bytes;

// A thread moves one vector of 16 bytes in each of kRows rows: two eights of a canonical row, whose
// pitch is a multiple of 8.
constexpr uint32_t kThreadsX = 64, kThreadsY = 4, kRows = 4;

struct Rows {
  uint64_t rows;
  uint64_t eights;   ///< of a canonical row: K/16
  uint64_t vectors;  ///< of a packed row
};

/// Row of this thread's i-th vector; rows of the y threads are neighbours.
__device__ uint64_t row_of(uint64_t first, uint32_t i) {
  return first + threadIdx.y + static_cast<uint64_t>(kThreadsY) * i;
}

__global__ void __launch_bounds__(kThreadsX* kThreadsY)
    pack_words(Rows shape, const uint2* codes, uint4* packed) {
  const uint64_t vector = static_cast<uint64_t>(blockIdx.x) * kThreadsX + threadIdx.x;
  if (vector >= shape.vectors) return;
  const uint64_t step = static_cast<uint64_t>(gridDim.y) * kThreadsY * kRows;
  for (uint64_t first = static_cast<uint64_t>(blockIdx.y) * kThreadsY * kRows; first < shape.rows;
       first += step) {
    uint2 low[kRows], high[kRows];
#pragma unroll
    for (uint32_t i = 0; i < kRows; ++i) {
      const uint64_t row = row_of(first, i);
      low[i] = high[i] = {0, 0};
      if (row >= shape.rows) continue;
      const uint2* in = codes + row * shape.eights + 2 * vector;
      low[i] = __ldg(in);
      if (2 * vector + 1 < shape.eights) high[i] = __ldg(in + 1);
    }
#pragma unroll
    for (uint32_t i = 0; i < kRows; ++i)
      if (row_of(first, i) < shape.rows)
        packed[row_of(first, i) * shape.vectors + vector] = {low[i].x, low[i].y, high[i].x,
                                                             high[i].y};
  }
}

/// Byte of the first that is not zero among eight, counted from the first of them.
__device__ uint32_t first_byte_set(uint2 bytes) {
  return bytes.x != 0 ? (__ffs(static_cast<int>(bytes.x)) - 1) / 8
                      : 4 + (__ffs(static_cast<int>(bytes.y)) - 1) / 8;
}

__global__ void __launch_bounds__(kThreadsX* kThreadsY)
    unpack_words(Rows shape, const uint4* packed, uint2* codes, uint64_t* first_wrong) {
  const uint64_t vector = static_cast<uint64_t>(blockIdx.x) * kThreadsX + threadIdx.x;
  if (vector >= shape.vectors) return;
  const uint64_t step = static_cast<uint64_t>(gridDim.y) * kThreadsY * kRows;
  for (uint64_t first = static_cast<uint64_t>(blockIdx.y) * kThreadsY * kRows; first < shape.rows;
       first += step) {
    uint4 in[kRows];
#pragma unroll
    for (uint32_t i = 0; i < kRows; ++i)
      if (row_of(first, i) < shape.rows)
        in[i] = __ldg(packed + row_of(first, i) * shape.vectors + vector);
#pragma unroll
    for (uint32_t i = 0; i < kRows; ++i) {
      const uint64_t row = row_of(first, i);
      if (row >= shape.rows) continue;
      uint2* out = codes + row * shape.eights + 2 * vector;
      const uint2 high = {in[i].z, in[i].w};
      out[0] = {in[i].x, in[i].y};
      if (2 * vector + 1 < shape.eights)
        out[1] = high;
      else if (high.x != 0 || high.y != 0)
        report_wrong(first_wrong, 16 * (row * shape.vectors + vector) + 8 + first_byte_set(high));
    }
  }
}

dim3 grid_of(const Rows& shape) {
  constexpr uint64_t kMostBlocksY = 65535;
  const uint64_t blocks_y = (shape.rows + kThreadsY * kRows - 1) / (kThreadsY * kRows);
  return dim3(static_cast<uint32_t>((shape.vectors + kThreadsX - 1) / kThreadsX),
              static_cast<uint32_t>(blocks_y < kMostBlocksY ? blocks_y : kMostBlocksY));
}

}  // namespace
}  // namespace native_rows

Status pack_native_rows(const void* codes, uint64_t rows, uint64_t k, RepackPath path, void* packed,
                        cuda::StreamHandle stream) {
  using namespace native_rows;
  IMP_TRY(check_multiple_of_16("K", k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("packed", packed, 16));
  const uint64_t pitch = pitch_bytes(k);
  if (path == RepackPath::kMap)
    return launch_write(map::NativeRowsPacked{static_cast<const uint8_t*>(codes), k}, rows * pitch,
                        packed, stream);
  if (pitch == k / 2) return cuda::copy_on_device(packed, codes, rows * pitch, stream);
  const Rows shape{rows, k / 16, pitch / kRowAlignmentBytes};
  pack_words<<<grid_of(shape), dim3(kThreadsX, kThreadsY), 0, stream>>>(
      shape, static_cast<const uint2*>(codes), static_cast<uint4*>(packed));
  return launched("pack to native rows");
}

Status unpack_native_rows(const void* packed, uint64_t rows, uint64_t k, RepackPath path,
                          void* codes, uint64_t* first_wrong, cuda::StreamHandle stream) {
  using namespace native_rows;
  IMP_TRY(check_multiple_of_16("K", k));
  if (rows == 0) return {};
  IMP_TRY(check_aligned("packed", packed, 16));
  IMP_TRY(check_aligned("codes", codes, 16));
  IMP_TRY(check_aligned("first wrong place", first_wrong, 8));
  const uint64_t pitch = pitch_bytes(k);
  if (path == RepackPath::kMap) {
    const auto* in = static_cast<const uint8_t*>(packed);
    IMP_TRY(launch_write(map::NativeRowsCodes{in, k}, rows * (k / 2), codes, stream));
    return launch_find_wrong(map::NativeRowsWrong{in, k}, rows * pitch, first_wrong, stream);
  }
  if (pitch == k / 2) return cuda::copy_on_device(codes, packed, rows * pitch, stream);
  const Rows shape{rows, k / 16, pitch / kRowAlignmentBytes};
  unpack_words<<<grid_of(shape), dim3(kThreadsX, kThreadsY), 0, stream>>>(
      shape, static_cast<const uint4*>(packed), static_cast<uint2*>(codes), first_wrong);
  return launched("unpack from native rows");
}

}  // namespace imp::kernels
