// Launches of vectors.h: one thread makes or takes apart a few vectors of 16 bytes.
#pragma once

#include <cstdint>

#include "kernels/repack/device.cuh"
#include "kernels/repack/element_map.h"
#include "kernels/repack/vectors.h"

namespace imp::kernels {

static_assert(kNoPlace == kNothingWrong);

inline constexpr uint32_t kVectorThreads = 256;
/// Vectors of a thread; all are loaded before the first is stored.
inline constexpr uint32_t kThreadVectors = 4;

/// The t-th vector of this thread: threads have neighbours.
__device__ inline uint64_t vector_of_thread(uint32_t t) {
  return (static_cast<uint64_t>(blockIdx.x) * kThreadVectors + t) * kVectorThreads + threadIdx.x;
}

template <class Vectors>
__global__ void __launch_bounds__(kVectorThreads)
    pack_vectors(Vectors vectors, uint64_t count, const uint8_t* plane, uint8_t* packed) {
  Vector16 made[kThreadVectors];
#pragma unroll
  for (uint32_t t = 0; t < kThreadVectors; ++t)
    if (vector_of_thread(t) < count) made[t] = vectors.pack(vector_of_thread(t), plane);
#pragma unroll
  for (uint32_t t = 0; t < kThreadVectors; ++t)
    if (vector_of_thread(t) < count) store_vector(packed + 16 * vector_of_thread(t), made[t]);
}

template <class Vectors>
__global__ void __launch_bounds__(kVectorThreads)
    unpack_vectors(Vectors vectors, uint64_t count, const uint8_t* packed, uint8_t* plane,
                   uint64_t* first_wrong) {
  Vector16 loaded[kThreadVectors];
#pragma unroll
  for (uint32_t t = 0; t < kThreadVectors; ++t)
    if (vector_of_thread(t) < count) loaded[t] = load_vector(packed + 16 * vector_of_thread(t));
#pragma unroll
  for (uint32_t t = 0; t < kThreadVectors; ++t) {
    if (vector_of_thread(t) >= count) continue;
    const uint64_t wrong = vectors.unpack(vector_of_thread(t), loaded[t], plane);
    if (wrong != kNoPlace) report_wrong(first_wrong, wrong);
  }
}

inline uint32_t vector_blocks(uint64_t count) {
  constexpr uint64_t kPerBlock = kVectorThreads * kThreadVectors;
  return static_cast<uint32_t>((count + kPerBlock - 1) / kPerBlock);
}

template <class Vectors>
Status launch_pack_vectors(const Vectors& vectors, const void* plane, void* packed,
                           cuda::StreamHandle stream) {
  pack_vectors<<<vector_blocks(vectors.count()), kVectorThreads, 0, stream>>>(
      vectors, vectors.count(), static_cast<const uint8_t*>(plane), static_cast<uint8_t*>(packed));
  return launched("pack vectors");
}

template <class Vectors>
Status launch_unpack_vectors(const Vectors& vectors, const void* packed, void* plane,
                             uint64_t* first_wrong, cuda::StreamHandle stream) {
  unpack_vectors<<<vector_blocks(vectors.count()), kVectorThreads, 0, stream>>>(
      vectors, vectors.count(), static_cast<const uint8_t*>(packed), static_cast<uint8_t*>(plane),
      first_wrong);
  return launched("unpack vectors");
}

/// The plane [rows, columns] through the map of `order`.
template <class Order>
Status pack_elements(const Order& order, const void* plane, uint64_t rows, uint64_t columns,
                     void* packed, cuda::StreamHandle stream) {
  const uint64_t elements = order.padded_rows * order.padded_columns;
  const map::Canonical<Order::kBits> in{static_cast<const uint8_t*>(plane), rows, columns};
  return launch_write(map::PackedByte<Order>{order, in}, elements * Order::kStoredBits / 8, packed,
                      stream);
}

template <class Order>
Status unpack_elements(const Order& order, const void* packed, uint64_t rows, uint64_t columns,
                       void* plane, uint64_t* first_wrong, cuda::StreamHandle stream) {
  const auto* in = static_cast<const uint8_t*>(packed);
  IMP_TRY(launch_write(map::PlaneByte<Order>{order, in, columns},
                       rows * map::Canonical<Order::kBits>::pitch(columns), plane, stream));
  const map::WrongElement<Order> wrong{order, in, rows, columns};
  return launch_find_wrong(wrong, wrong.places(), first_wrong, stream);
}

}  // namespace imp::kernels
