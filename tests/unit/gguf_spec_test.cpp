// formats/gguf/SPEC.md's table of types against the one in the code.
#include <gtest/gtest.h>
#include <re2/re2.h>

#include <fstream>
#include <string>
#include <vector>

#include "src/base/ggml_type.h"

namespace imp {
namespace {

TEST(GgufSpec, TypeTableIsTheCodes) {
  std::ifstream in(IMP_GGUF_SPEC);
  const re2::RE2 row(R"(\| (\d+) \| (\w+) \| (\d+) \| (\d+) \|.*)");
  std::vector<std::string> seen;
  for (std::string line; std::getline(in, line);) {
    uint32_t id = 0, elems = 0, bytes = 0;
    std::string name;
    if (!re2::RE2::FullMatch(line, row, &id, &name, &elems, &bytes)) continue;
    const auto* type = find_ggml_type(id);
    ASSERT_NE(type, nullptr) << line;
    EXPECT_EQ(type->name, name);
    EXPECT_EQ(type->block_elems, elems) << line;
    EXPECT_EQ(type->block_bytes, bytes) << line;
    seen.push_back(name);
  }
  EXPECT_EQ(seen.size(), ggml_types().size());
}

}  // namespace
}  // namespace imp
