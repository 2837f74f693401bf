// formats/gguf/SPEC.md's table of types against the one in the code.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>
#include <vector>

#include "src/base/ggml_type.h"

namespace imp {
namespace {

TEST(GgufSpec, TypeTableIsTheCodes) {
  std::ifstream in(IMP_GGUF_SPEC);
  const std::regex row(R"(\| (\d+) \| (\w+) \| (\d+) \| (\d+) \|.*)");
  std::vector<std::string> seen;
  for (std::string line; std::getline(in, line);) {
    std::smatch cells;
    if (!std::regex_match(line, cells, row)) continue;
    const auto* type = find_ggml_type(static_cast<uint32_t>(std::stoul(cells[1])));
    ASSERT_NE(type, nullptr) << line;
    EXPECT_EQ(type->name, cells[2].str());
    EXPECT_EQ(type->block_elems, std::stoul(cells[3])) << line;
    EXPECT_EQ(type->block_bytes, std::stoul(cells[4])) << line;
    seen.push_back(cells[2]);
  }
  EXPECT_EQ(seen.size(), ggml_types().size());
}

}  // namespace
}  // namespace imp
