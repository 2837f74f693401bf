// Base of tests that need a card: they skip, loudly, where there is none, and fail instead where
// IMP_REQUIRE_GPU is set.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "kernels/cuda/runtime.h"

namespace imp::testing {

class GpuTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto found = cuda::current_device();
    if (found.ok()) {
      device_ = std::move(found).take();
      return;
    }
    const char* required = std::getenv("IMP_REQUIRE_GPU");
    if (required != nullptr && std::string(required) != "0")
      FAIL() << "IMP_REQUIRE_GPU is set, but: " << found.error().to_line();
    GTEST_SKIP() << "NOT RUN, NO GPU: " << found.error().to_line();
  }
  const cuda::Device& device() const { return *device_; }

 private:
  std::optional<cuda::Device> device_;
};

}  // namespace imp::testing
