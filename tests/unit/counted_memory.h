// Memory counted at operator new, which counted_memory.cpp replaces for the whole program.
#pragma once

#include <cstddef>

namespace imp::testing {

/// What is held at the worst from construction on, above what was held before. One thread.
class CountedMemory {
 public:
  CountedMemory();
  size_t peak_bytes() const;

 private:
  size_t before_bytes_;
};

}  // namespace imp::testing
