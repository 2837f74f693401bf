// README's table of formats against what the importer and the planner do with the checkpoint that
// each row names.
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "src/model/architecture.h"
#include "src/model/schemes.h"
#include "tests/unit/plan_make.h"

namespace imp::testing {
namespace {

struct Row {
  std::string source, says, scheme, sm_89, sm_120, fixture;
};

std::string trimmed(const std::string& text) {
  const size_t first = text.find_first_not_of(" `"), last = text.find_last_not_of(" `");
  return first == std::string::npos ? "" : text.substr(first, last - first + 1);
}

std::vector<std::string> cells_of(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) cells.push_back(trimmed(cell));
  return cells;
}

std::string section(const std::string& title) {
  std::ifstream in(std::string(IMP_README));
  std::string text, line;
  bool inside = false;
  while (std::getline(in, line)) {
    if (line.starts_with("## ")) inside = line == "## " + title;
    if (inside) text += line + "\n";
  }
  return text;
}

std::vector<Row> rows() {
  std::istringstream in(section("What can be read"));
  std::vector<Row> rows;
  for (std::string line; std::getline(in, line);) {
    if (!line.starts_with("| ModelOpt |") && !line.starts_with("| compressed-tensors |") &&
        !line.starts_with("| others |"))
      continue;
    const std::vector<std::string> c = cells_of(line);
    rows.push_back({c.at(0), c.at(1), c.at(2), c.at(3), c.at(4), c.at(5)});
  }
  return rows;
}

bool takes_default_layout(const plan::Operand& operand) {
  return operand.gemm && operand.role != model::Role::kTokenEmbedding &&
         operand.role != model::Role::kMlaKvB;
}

/// Layouts of the operands of this scheme for one target.
std::set<std::string> layouts_of(const Row& row, uint32_t sm) {
  const Planned planned(std::string_view(row.fixture), plan::Options{{sm}, {}});
  std::set<std::string> names;
  for (const plan::Operand& operand : planned.plan.operands)
    if (takes_default_layout(operand) && model::scheme_name(operand.scheme) == row.scheme)
      for (const plan::Form& form : operand.forms)
        names.insert(layouts::find_layout(static_cast<uint16_t>(form.layout))->name);
  return names;
}

TEST(ReadmeFormats, EveryRowIsWhatHappens) {
  for (const Row& row : rows()) {
    SCOPED_TRACE(row.source + " " + row.says + ", " + row.fixture);
    EXPECT_EQ(layouts_of(row, 89), std::set<std::string>{row.sm_89});
    EXPECT_EQ(layouts_of(row, 120), std::set<std::string>{row.sm_120});
  }
}

TEST(ReadmeFormats, EverySchemeAndDialectHasARow) {
  std::set<std::string> schemes, sources;
  for (const Row& row : rows()) {
    schemes.insert(row.scheme);
    sources.insert(row.source);
  }
  EXPECT_EQ(sources, (std::set<std::string>{"ModelOpt", "compressed-tensors", "others"}));
  EXPECT_EQ(schemes, (std::set<std::string>{"nvfp4", "nvfp4_g32", "mxfp4", "mxfp8", "fp8", "int2",
                                            "int3", "int4", "int5", "int8", "bf16"}));
}

TEST(ReadmeFormats, ArchitecturesAreKnown) {
  const std::string text = section("What can be read");
  const size_t at = text.find("Architectures by name:");
  ASSERT_NE(at, std::string::npos);
  std::string list = text.substr(at, text.find("Any other", at) - at);
  uint32_t count = 0;
  for (size_t open = list.find('`'); open != std::string::npos; open = list.find('`', open)) {
    const size_t close = list.find('`', open + 1);
    ASSERT_NE(close, std::string::npos);
    EXPECT_TRUE(model::is_known_architecture(list.substr(open + 1, close - open - 1)))
        << list.substr(open + 1, close - open - 1);
    open = close + 1;
    ++count;
  }
  EXPECT_GE(count, 20u);
}

}  // namespace
}  // namespace imp::testing
