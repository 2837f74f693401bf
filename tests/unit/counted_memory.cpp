#include "tests/unit/counted_memory.h"

#include <malloc.h>

#include <cstdlib>
#include <new>

namespace {

size_t live_bytes = 0;
size_t peak_bytes = 0;

}  // namespace

// Not inlined: gcc would otherwise see malloc and operator delete meet, and warn of a mismatch.
[[gnu::noinline]] void* operator new(size_t size_bytes, const std::nothrow_t&) noexcept {
  void* memory = std::malloc(size_bytes);
  live_bytes += malloc_usable_size(memory);
  if (live_bytes > peak_bytes) peak_bytes = live_bytes;
  return memory;
}
[[gnu::noinline]] void* operator new(size_t size_bytes) {
  void* memory = operator new(size_bytes, std::nothrow);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept {
  live_bytes -= malloc_usable_size(memory);
  std::free(memory);
}
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { operator delete(memory); }

namespace imp::testing {

CountedMemory::CountedMemory() : before_bytes_(live_bytes) { ::peak_bytes = live_bytes; }
size_t CountedMemory::peak_bytes() const { return ::peak_bytes - before_bytes_; }

}  // namespace imp::testing
