// What the components of a form in a plan must be.
#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "src/base/dtype.h"
#include "src/plan/plan.h"

namespace imp::testing {

struct ComponentRow {
  model::ComponentKind kind;
  const char* dtype;
  Shape shape;
  uint64_t stride;
  bool required;
};

inline void expect_components(const plan::Form& form, const std::vector<ComponentRow>& rows) {
  ASSERT_EQ(form.components.size(), rows.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const plan::Component& c = form.components[i];
    EXPECT_EQ(c.kind, rows[i].kind) << i;
    EXPECT_EQ(dtype_name(c.dtype), rows[i].dtype) << i;
    EXPECT_EQ(c.shape, rows[i].shape) << i << ": " << c.shape.to_string();
    EXPECT_EQ(c.expert_stride_bytes, rows[i].stride) << i;
    EXPECT_EQ(c.required, rows[i].required) << i;
    const bool exceptions = c.kind == model::ComponentKind::kExceptions;
    EXPECT_EQ(c.blob == model::kNone, exceptions) << i;
    EXPECT_EQ(c.size_bytes, exceptions ? 0 : *c.shape.num_elems() * dtype_bits(c.dtype) / 8) << i;
  }
}

}  // namespace imp::testing
