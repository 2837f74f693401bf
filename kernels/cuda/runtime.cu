#include "kernels/cuda/runtime.h"

#include "kernels/cuda/check.cuh"

namespace imp::cuda {

bool built_in() { return true; }

Result<Device> current_device() {
  Device device;
  IMP_TRY(check(cudaGetDevice(&device.ordinal), "no CUDA device"));
  cudaDeviceProp properties;
  IMP_TRY(check(cudaGetDeviceProperties(&properties, device.ordinal), "device properties"));
  device.name = properties.name;
  device.sm = static_cast<uint32_t>(10 * properties.major + properties.minor);
  device.multiprocessors = static_cast<uint32_t>(properties.multiProcessorCount);
  device.shared_memory_per_block_bytes = properties.sharedMemPerBlockOptin;
  device.l2_bytes = static_cast<uint64_t>(properties.l2CacheSize);
  device.total_bytes = properties.totalGlobalMem;
  return device;
}

Result<uint64_t> free_bytes() {
  size_t free = 0, total = 0;
  IMP_TRY(check(cudaMemGetInfo(&free, &total), "free device memory"));
  return static_cast<uint64_t>(free);
}

Status last_error(const char* what) { return check(cudaGetLastError(), what); }

Status synchronize() { return check(cudaDeviceSynchronize(), "waiting for the device"); }

Result<Stream> Stream::create() {
  StreamHandle handle = nullptr;
  IMP_TRY(check(cudaStreamCreateWithFlags(&handle, cudaStreamNonBlocking), "stream"));
  return Stream(handle);
}
Stream::~Stream() {
  if (handle_ != nullptr) cudaStreamDestroy(handle_);
}
Status Stream::synchronize() const {
  return check(cudaStreamSynchronize(handle_), "waiting for a stream");
}

Result<Event> Event::create(bool timing) {
  EventHandle handle = nullptr;
  IMP_TRY(
      check(cudaEventCreateWithFlags(&handle, timing ? cudaEventDefault : cudaEventDisableTiming),
            "event"));
  return Event(handle);
}
Event::~Event() {
  if (handle_ != nullptr) cudaEventDestroy(handle_);
}
Status Event::record(StreamHandle stream) const {
  return check(cudaEventRecord(handle_, stream), "recording an event");
}
Status Event::synchronize() const {
  return check(cudaEventSynchronize(handle_), "waiting for an event");
}
Status Event::block(StreamHandle stream) const {
  return check(cudaStreamWaitEvent(stream, handle_, 0), "stream waiting for an event");
}
Result<float> Event::elapsed_ms(const Event& start) const {
  float ms = 0;
  IMP_TRY(check(cudaEventElapsedTime(&ms, start.handle_, handle_), "time between events"));
  return ms;
}

Result<DeviceBuffer> DeviceBuffer::allocate(uint64_t size_bytes) {
  void* data = nullptr;
  if (const cudaError_t code = cudaMalloc(&data, size_bytes == 0 ? 1 : size_bytes);
      code != cudaSuccess) {
    cudaGetLastError();  // an allocation that failed is not an error of later launches
    const auto free = free_bytes();
    return error_of(code, ("device memory, " + std::to_string(size_bytes) + " bytes with " +
                           (free.ok() ? std::to_string(*free) : "unknown") + " free")
                              .c_str());
  }
  return DeviceBuffer(static_cast<std::byte*>(data), size_bytes);
}
DeviceBuffer::~DeviceBuffer() {
  if (data_ != nullptr) cudaFree(data_);
}

Result<PinnedBuffer> PinnedBuffer::allocate(uint64_t size_bytes) {
  void* data = nullptr;
  IMP_TRY(check(cudaMallocHost(&data, size_bytes == 0 ? 1 : size_bytes), "page-locked memory"));
  return PinnedBuffer(static_cast<std::byte*>(data), size_bytes);
}
PinnedBuffer::~PinnedBuffer() {
  if (data_ != nullptr) cudaFreeHost(data_);
}

Status copy_to_device(void* device, Bytes host, StreamHandle stream) {
  return check(cudaMemcpyAsync(device, host.data(), host.size(), cudaMemcpyHostToDevice, stream),
               "copy to the device");
}
Status copy_to_host(MutableBytes host, const void* device, StreamHandle stream) {
  return check(cudaMemcpyAsync(host.data(), device, host.size(), cudaMemcpyDeviceToHost, stream),
               "copy to the host");
}
Status copy_on_device(void* to, const void* from, uint64_t size_bytes, StreamHandle stream) {
  return check(cudaMemcpyAsync(to, from, size_bytes, cudaMemcpyDeviceToDevice, stream),
               "copy on the device");
}
Status fill(void* device, uint8_t value, uint64_t size_bytes, StreamHandle stream) {
  return check(cudaMemsetAsync(device, value, size_bytes, stream), "filling device memory");
}

Status Graph::begin(StreamHandle stream) {
  return check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "graph capture");
}
Result<Graph> Graph::end(StreamHandle stream) {
  cudaGraph_t graph = nullptr;
  IMP_TRY(check(cudaStreamEndCapture(stream, &graph), "graph capture"));
  cudaGraphExec_t executable = nullptr;
  const cudaError_t code = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  IMP_TRY(check(code, "graph"));
  return Graph(executable);
}
Graph::~Graph() {
  if (executable_ != nullptr) cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(executable_));
}
Status Graph::replay(StreamHandle stream) const {
  return check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(executable_), stream), "graph replay");
}

}  // namespace imp::cuda
