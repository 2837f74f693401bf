#include "src/convert/cuda_packer.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <span>

#include "kernels/layouts/native_rows.h"
#include "kernels/layouts/sf128x4.h"
#include "kernels/repack/repack.h"
#include "kernels/repack/repack_variants.h"
#include "src/base/checked.h"
#include "src/base/little_endian.h"
#include "src/convert/device_ring.h"
#include "src/repack/mma64_groups.h"
#include "src/repack/mma64_variants.h"

namespace imp::convert {
namespace {

/// Planes and results of one call in a slot, as RingSlot lays them out.
class SlotCall {
 public:
  SlotCall(std::shared_ptr<RingSlot> slot, uint64_t in_region_bytes)
      : slot_(std::move(slot)), out_(slot_->device.data() + in_region_bytes) {}

  /// A plane of this call's input; the planes go to the card together, by send().
  const void* add_plane(Bytes plane) {
    const uint64_t at = round_up(in_bytes_, kPlaneAlignment);
    in_bytes_ = at + plane.size();
    assert(in_bytes_ <= slot_->host_in.span().size());
    std::memcpy(slot_->host_in.span().data() + at, plane.data(), plane.size());
    return slot_->device.data() + at;
  }
  Status send() {
    return cuda::copy_to_device(slot_->device.data(), slot_->host_in.span().first(in_bytes_),
                                stream());
  }

  std::byte* packed() const { return out_ + kPlaneAlignment; }
  uint64_t* lost_count() const { return reinterpret_cast<uint64_t*>(out_); }
  kernels::LostGroup* lost_list() const {
    return reinterpret_cast<kernels::LostGroup*>(out_ + slot_->host_out.span().size());
  }
  cuda::StreamHandle stream() const { return slot_->stream.handle(); }

  /// Bring `size_bytes` packed bytes, and the count before them, to the host, and wait.
  Result<Packed> receive(uint64_t size_bytes) {
    const MutableBytes all = slot_->host_out.span().first(kPlaneAlignment + size_bytes);
    IMP_TRY(cuda::copy_to_host(all, out_, stream()));
    IMP_TRY(slot_->stream.synchronize());
    return Packed{all.subspan(kPlaneAlignment), slot_};
  }
  /// REQUIRES: received.
  uint64_t received_lost_count() const { return load_le<uint64_t>(slot_->host_out.span().data()); }
  Result<std::vector<kernels::LostGroup>> receive_lost(uint64_t count) {
    std::vector<kernels::LostGroup> groups(count);
    IMP_TRY(cuda::copy_to_host(std::as_writable_bytes(std::span(groups)), lost_list(), stream()));
    IMP_TRY(slot_->stream.synchronize());
    return groups;
  }

 private:
  std::shared_ptr<RingSlot> slot_;
  std::byte* out_;
  uint64_t in_bytes_ = 0;
};

/// In order of index, counted from `first_group`.
void append_in_order(std::vector<kernels::LostGroup> groups, uint64_t first_group,
                     std::vector<repack::LostGroup>& lost) {
  std::sort(groups.begin(), groups.end(),
            [](const kernels::LostGroup& a, const kernels::LostGroup& b) {
              return a.index_and_sign < b.index_and_sign;
            });
  for (const kernels::LostGroup& group : groups) {
    repack::LostGroup record;
    record.group_index = first_group + group.index_and_sign / 2;
    record.scale = static_cast<uint8_t>(group.index_and_sign % 2 * 0x80);
    for (size_t i = 0; i < record.codes.size(); ++i)
      record.codes[i] = static_cast<uint8_t>(group.codes >> (8 * i));
    lost.push_back(record);
  }
}

/// The CPU's rule for every group: for a slab whose list overflowed.
void append_all_lost(const repack::Nvfp4Rows& in, uint64_t first_row,
                     std::vector<repack::LostGroup>& lost) {
  const uint64_t groups = in.k / layouts::mma64_nvfp4::kGroup;
  for (uint64_t row = 0; row < in.rows; ++row)
    for (uint64_t group = 0; group < groups; ++group)
      if (repack::mma64::is_zero_scale(in.scales[row * groups + group]))
        repack::mma64::record_if_lost(in, first_row, row, group, lost);
}

class CudaPacker : public Packer {
 public:
  CudaPacker(const RingShape& shape, std::unique_ptr<DeviceRing> ring, repack::Path path)
      : slab_bytes_(shape.slab_bytes),
        in_region_bytes_(round_up(shape.need.in_bytes, kPlaneAlignment)),
        path_(path == repack::Path::kMap ? kernels::RepackPath::kMap : kernels::RepackPath::kWord),
        ring_(std::move(ring)) {}

  uint64_t max_slab_bytes() const override { return slab_bytes_; }

  Result<Packed> mma64_nvfp4(const repack::Nvfp4Rows& in, uint64_t first_row,
                             std::vector<repack::LostGroup>& lost) override {
    SlotCall call = begin();
    const void* codes = call.add_plane(in.codes);
    const void* scales = call.add_plane(in.scales);
    IMP_TRY(call.send());
    IMP_TRY(cuda::fill(call.lost_count(), 0, sizeof(uint64_t), call.stream()));
    const kernels::LostGroups list{call.lost_list(), kLostListGroups, call.lost_count()};
    IMP_TRY(kernels::pack_mma64_nvfp4({codes, scales, in.rows, in.k}, path_, call.packed(), list,
                                      call.stream()));
    IMP_ASSIGN(Packed packed, call.receive(repack::mma64_nvfp4_bytes(in.rows, in.k)));
    const uint64_t count = call.received_lost_count();
    if (count > kLostListGroups) {
      append_all_lost(in, first_row, lost);
    } else if (count != 0) {
      IMP_ASSIGN(auto groups, call.receive_lost(count));
      append_in_order(std::move(groups), first_row * (in.k / layouts::mma64_nvfp4::kGroup), lost);
    }
    return packed;
  }

  Result<Packed> native_rows(Bytes codes, uint64_t rows, uint64_t k) override {
    return pack(codes, rows * layouts::native_rows::pitch_bytes(k),
                [&](const void* plane, const SlotCall& call) {
                  return kernels::pack_native_rows(plane, rows, k, path_, call.packed(),
                                                   call.stream());
                });
  }

  Result<Packed> sf128x4(Bytes scales, uint64_t rows, uint64_t groups) override {
    return pack(scales, layouts::sf128x4::size_bytes(rows, groups),
                [&](const void* plane, const SlotCall& call) {
                  return kernels::pack_sf128x4(plane, rows, groups, path_, call.packed(),
                                               call.stream());
                });
  }

  Result<Packed> mma64_mxfp4(Bytes codes, Bytes scales, uint64_t rows, uint64_t k) override {
    SlotCall call = begin();
    const void* code_plane = call.add_plane(codes);
    const void* scale_plane = call.add_plane(scales);
    IMP_TRY(call.send());
    IMP_TRY(kernels::pack_mma64_mxfp4({code_plane, scale_plane, rows, k}, path_, call.packed(),
                                      call.stream()));
    return call.receive(repack::mma64_mxfp4_bytes(rows, k));
  }
  Result<Packed> mma64_codes(uint32_t bits, Bytes codes, uint64_t rows, uint64_t k) override {
    return pack(codes, repack::mma64_codes_bytes(bits, rows, k),
                [&](const void* plane, const SlotCall& call) {
                  return kernels::pack_mma64_codes(bits, plane, rows, k, path_, call.packed(),
                                                   call.stream());
                });
  }
  Result<Packed> mma64_plane(uint32_t bits, Bytes plane, uint64_t rows, uint64_t groups) override {
    return pack(plane, repack::mma64_plane_bytes(bits, rows, groups),
                [&](const void* at, const SlotCall& call) {
                  return kernels::pack_mma64_plane(bits, at, rows, groups, path_, call.packed(),
                                                   call.stream());
                });
  }
  Result<Packed> native_bytes(Bytes codes, uint64_t rows, uint64_t k) override {
    return pack(
        codes, rows * repack::native_bytes_pitch(k), [&](const void* plane, const SlotCall& call) {
          return kernels::pack_native_bytes(plane, rows, k, path_, call.packed(), call.stream());
        });
  }
  Result<Packed> tiles(repack::TileOrder order, Bytes codes,
                       const repack::PaddedBox& box) override {
    const repack::Runs runs = repack::tile_runs(order, box.padded_rows, box.padded_columns);
    return pack(codes, runs.count * runs.bytes, [&](const void* plane, const SlotCall& call) {
      return kernels::pack_tiles(order, plane, on_card(box), path_, call.packed(), call.stream());
    });
  }
  Result<Packed> groups(repack::GroupOrder order, uint32_t bits, Bytes plane,
                        const repack::PaddedBox& box) override {
    const repack::Runs runs = repack::group_runs(order, bits, box.padded_rows, box.padded_columns);
    return pack(plane, runs.count * runs.bytes, [&](const void* at, const SlotCall& call) {
      return kernels::pack_groups(order, bits, at, on_card(box), path_, call.packed(),
                                  call.stream());
    });
  }

 private:
  SlotCall begin() { return SlotCall(ring_->take(), in_region_bytes_); }

  /// One plane through `launch`(its address on the card, the call) to `size_bytes`.
  template <class Launch>
  Result<Packed> pack(Bytes plane, uint64_t size_bytes, const Launch& launch) {
    SlotCall call = begin();
    const void* at = call.add_plane(plane);
    IMP_TRY(call.send());
    IMP_TRY(launch(at, call));
    return call.receive(size_bytes);
  }
  static kernels::EngineBox on_card(const repack::PaddedBox& box) {
    return {box.rows, box.columns, box.padded_rows, box.padded_columns};
  }

  const uint64_t slab_bytes_;
  const uint64_t in_region_bytes_;
  const kernels::RepackPath path_;
  std::unique_ptr<DeviceRing> ring_;
};

}  // namespace

Result<std::unique_ptr<Packer>> make_cuda_packer(const model::Source& source,
                                                 const plan::Plan& plan, uint64_t slab_bytes,
                                                 uint64_t budget_bytes, repack::Path path) {
  auto device = cuda::current_device();
  if (!device.ok()) {
    Error error = std::move(device).error();
    error.message = "backend 'cuda' was asked for, but " + error.message;
    return error;
  }
  IMP_ASSIGN(const uint64_t free, cuda::free_bytes());
  IMP_ASSIGN(const RingShape shape,
             fit_ring(source, plan, slab_bytes, std::min(budget_bytes, free)));
  IMP_ASSIGN(auto ring, DeviceRing::create(shape));
  return std::unique_ptr<Packer>(std::make_unique<CudaPacker>(shape, std::move(ring), path));
}

}  // namespace imp::convert
