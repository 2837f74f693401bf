// The functions of runtime.h in a build without CUDA.
#include "kernels/cuda/runtime.h"

namespace imp::cuda {
namespace {

Error absent() { return Error{ErrorKind::kNoDevice, "this build has no CUDA kernels", "", ""}; }

}  // namespace

bool built_in() { return false; }
Result<Device> current_device() { return absent(); }
Result<uint64_t> free_bytes() { return absent(); }
Status last_error(const char*) { return absent(); }
Status synchronize() { return absent(); }

Result<Stream> Stream::create() { return absent(); }
Stream::~Stream() = default;
Status Stream::synchronize() const { return absent(); }

Result<Event> Event::create(bool) { return absent(); }
Event::~Event() = default;
Status Event::record(StreamHandle) const { return absent(); }
Status Event::synchronize() const { return absent(); }
Status Event::block(StreamHandle) const { return absent(); }
Result<float> Event::elapsed_ms(const Event&) const { return absent(); }

Result<DeviceBuffer> DeviceBuffer::allocate(uint64_t) { return absent(); }
DeviceBuffer::~DeviceBuffer() = default;
Result<PinnedBuffer> PinnedBuffer::allocate(uint64_t) { return absent(); }
PinnedBuffer::~PinnedBuffer() = default;

Status copy_to_device(void*, Bytes, StreamHandle) { return absent(); }
Status copy_to_host(MutableBytes, const void*, StreamHandle) { return absent(); }
Status copy_on_device(void*, const void*, uint64_t, StreamHandle) { return absent(); }
Status fill(void*, uint8_t, uint64_t, StreamHandle) { return absent(); }

Status Graph::begin(StreamHandle) { return absent(); }
Result<Graph> Graph::end(StreamHandle) { return absent(); }
Graph::~Graph() = default;
Status Graph::replay(StreamHandle) const { return absent(); }

}  // namespace imp::cuda
