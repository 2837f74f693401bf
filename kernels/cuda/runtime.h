// What the rest of the project needs of the CUDA runtime, without its headers: device facts,
// memory, streams and copies. A build without CUDA has the same functions; each returns kNoDevice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include "src/base/file.h"
#include "src/base/result.h"

struct CUstream_st;
struct CUevent_st;

namespace imp::cuda {

/// The same type as cudaStream_t. nullptr is the legacy default stream.
using StreamHandle = CUstream_st*;
/// The same type as cudaEvent_t.
using EventHandle = CUevent_st*;

/// True if this build has CUDA kernels.
bool built_in();

/// Facts of one device; every number is read off the device.
struct Device {
  int ordinal = 0;
  std::string name;
  uint32_t sm = 0;  ///< compute capability as a target number, e.g. 89
  uint32_t multiprocessors = 0;
  uint64_t shared_memory_per_block_bytes = 0;  ///< the most that a block can opt into
  uint64_t l2_bytes = 0;
  uint64_t total_bytes = 0;
};

/// The current device of this thread. Errors: kNoDevice (built without CUDA, no driver, no card),
/// naming which.
Result<Device> current_device();

/// Bytes of the device's memory that are free now. Errors: kNoDevice.
Result<uint64_t> free_bytes();

/// The last error of the runtime for this thread, cleared. `what` says who asks.
/// Errors: kNoDevice with CUDA's own name of the error.
Status last_error(const char* what);

/// Wait for everything on the device.
Status synchronize();

class Stream {
 public:
  static Result<Stream> create();
  Stream(Stream&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Stream& operator=(Stream&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Stream();
  StreamHandle handle() const { return handle_; }
  Status synchronize() const;

 private:
  explicit Stream(StreamHandle handle) : handle_(handle) {}
  StreamHandle handle_ = nullptr;
};

class Event {
 public:
  /// `timing`: the event can be used with elapsed_ms.
  static Result<Event> create(bool timing = false);
  Event(Event&& other) noexcept : handle_(std::exchange(other.handle_, nullptr)) {}
  Event& operator=(Event&& other) noexcept {
    std::swap(handle_, other.handle_);
    return *this;
  }
  ~Event();
  EventHandle handle() const { return handle_; }
  Status record(StreamHandle stream) const;
  /// Block the calling thread until the event has happened.
  Status synchronize() const;
  /// Let `stream` wait for the event.
  Status block(StreamHandle stream) const;
  /// Milliseconds from `start` to this event, both recorded, both done.
  Result<float> elapsed_ms(const Event& start) const;

 private:
  explicit Event(EventHandle handle) : handle_(handle) {}
  EventHandle handle_ = nullptr;
};

/// Memory of the device, 256-byte aligned; freed with the object.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;
  /// Errors: kNoDevice, naming the bytes asked for and free.
  static Result<DeviceBuffer> allocate(uint64_t size_bytes);
  DeviceBuffer(DeviceBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_bytes_(other.size_bytes_) {}
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
  }
  ~DeviceBuffer();
  std::byte* data() const { return data_; }
  template <class T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  DeviceBuffer(std::byte* data, uint64_t size_bytes) : data_(data), size_bytes_(size_bytes) {}
  std::byte* data_ = nullptr;
  uint64_t size_bytes_ = 0;
};

/// Page-locked host memory: copies from and to it run beside the host.
class PinnedBuffer {
 public:
  PinnedBuffer() = default;
  static Result<PinnedBuffer> allocate(uint64_t size_bytes);
  PinnedBuffer(PinnedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_bytes_(other.size_bytes_) {}
  PinnedBuffer& operator=(PinnedBuffer&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_bytes_, other.size_bytes_);
    return *this;
  }
  ~PinnedBuffer();
  MutableBytes span() const { return {data_, size_bytes_}; }

 private:
  PinnedBuffer(std::byte* data, uint64_t size_bytes) : data_(data), size_bytes_(size_bytes) {}
  std::byte* data_ = nullptr;
  uint64_t size_bytes_ = 0;
};

/// Copies are ordered on `stream`; from and to pageable host memory they may block the caller.
Status copy_to_device(void* device, Bytes host, StreamHandle stream);
Status copy_to_host(MutableBytes host, const void* device, StreamHandle stream);
Status copy_on_device(void* to, const void* from, uint64_t size_bytes, StreamHandle stream);
/// Every byte to `value`.
Status fill(void* device, uint8_t value, uint64_t size_bytes, StreamHandle stream);

/// A captured sequence of launches that can be replayed.
class Graph {
 public:
  /// Everything that `stream` is given between begin() and end() is captured, not run.
  static Status begin(StreamHandle stream);
  static Result<Graph> end(StreamHandle stream);
  Graph(Graph&& other) noexcept : executable_(std::exchange(other.executable_, nullptr)) {}
  Graph& operator=(Graph&& other) noexcept {
    std::swap(executable_, other.executable_);
    return *this;
  }
  ~Graph();
  Status replay(StreamHandle stream) const;

 private:
  explicit Graph(void* executable) : executable_(executable) {}
  void* executable_ = nullptr;
};

}  // namespace imp::cuda
