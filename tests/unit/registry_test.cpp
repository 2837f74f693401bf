// The registries that SPEC.md prints are those of the code.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "kernels/cpu/gemm.h"
#include "kernels/layouts/registry.h"
#include "src/model/roles.h"
#include "src/model/schemes.h"
#include "src/quant/encoding.h"

namespace imp {
namespace {

/// number -> name of the table under "### heading".
std::map<unsigned, std::string> table(const std::string& heading) {
  std::ifstream spec(std::string(IMP_FORMATS) + "/imp/SPEC.md");
  std::map<unsigned, std::string> rows;
  bool inside = false;
  for (std::string line; std::getline(spec, line);) {
    if (line.starts_with("#")) inside = line == "### " + heading;
    unsigned number = 0;
    char name[64] = {};
    if (inside && std::sscanf(line.c_str(), "| %u | %63[a-z0-9_] |", &number, name) == 2)
      rows[number] = name;
  }
  return rows;
}

template <class NameOf>
void expect_same(const std::string& heading, NameOf name_of) {
  const auto rows = table(heading);
  EXPECT_FALSE(rows.empty());
  for (unsigned number = 0; number < 1000; ++number) {
    const std::string name(name_of(static_cast<uint16_t>(number)));
    const auto it = rows.find(number);
    EXPECT_EQ(it == rows.end() ? "?" : it->second, name) << heading << " " << number;
  }
}

TEST(Registry, SpecTablesAreTheCodes) {
  expect_same("roles", [](uint16_t n) { return model::role_name(static_cast<model::Role>(n)); });
  expect_same("schemes",
              [](uint16_t n) { return model::scheme_name(static_cast<model::Scheme>(n)); });
  expect_same("encodings",
              [](uint16_t n) { return quant::encoding_name(static_cast<quant::Encoding>(n)); });
  expect_same("layouts", [](uint16_t n) {
    const layouts::LayoutInfo* layout = layouts::find_layout(n);
    return std::string(layout == nullptr ? "?" : layout->name);
  });
}

TEST(Registry, SchemesOfBlocksAreThoseOfTheTypes) {
  const auto name_of = [](unsigned n) {
    return std::string(model::scheme_name(static_cast<model::Scheme>(n)));
  };
  EXPECT_EQ(name_of(64 + 12), "q4_k_blocks");
  EXPECT_EQ(name_of(64 + 16), "iq2_xxs_blocks");
  EXPECT_EQ(name_of(64 + 42), "q2_0_blocks");
  EXPECT_EQ(name_of(64 + 0), "?");   // F32 has no blocks
  EXPECT_EQ(name_of(64 + 9), "?");   // Q8_1 is no type of a stored tensor
  EXPECT_EQ(name_of(64 + 43), "?");  // no type
}

/// Rows "| layout | scheme | major | oldest read |" of SPEC's table of variants.
TEST(Registry, SpecVariantsAreTheCodes) {
  std::ifstream spec(std::string(IMP_FORMATS) + "/imp/SPEC.md");
  std::set<std::string> rows, codes;
  bool inside = false;
  for (std::string line; std::getline(spec, line);) {
    if (line.starts_with("#")) inside = line == "### layout variants";
    char layout[64] = {}, scheme[64] = {};
    unsigned major = 0, oldest = 0;
    if (inside && std::sscanf(line.c_str(), "| %63[a-z0-9_] | %63[a-z0-9_ ] | %u | %u |", layout,
                              scheme, &major, &oldest) == 4) {
      std::string name = scheme;
      name.erase(name.find_last_not_of(' ') + 1);
      rows.insert(std::string(layout) + "/" + name + "/" + std::to_string(major) + "/" +
                  std::to_string(oldest));
    }
  }
  for (const layouts::LayoutVariant& variant : layouts::kVariants)
    codes.insert(std::string(layouts::find_layout(static_cast<uint16_t>(variant.layout))->name) +
                 "/" + variant.scheme_name + "/" + std::to_string(variant.major) + "/" +
                 std::to_string(variant.oldest_major));
  EXPECT_EQ(rows, codes);
}

/// The registry of layouts may not include the model's header, so its schemes are its own numbers.
TEST(Registry, VariantsNameTheSchemesOfTheModel) {
  EXPECT_EQ(model::scheme_name(static_cast<model::Scheme>(layouts::kEveryScheme)), "?");
  for (const layouts::LayoutVariant& variant : layouts::kVariants)
    if (variant.scheme != layouts::kEveryScheme) {
      EXPECT_EQ(model::scheme_name(static_cast<model::Scheme>(variant.scheme)),
                variant.scheme_name);
    }
}

/// The kernels may not include the model's header, so their numbers are their own.
TEST(Registry, KernelsKnowTheNumbersOfTheModel) {
  const auto supports = [](layouts::LayoutId layout, model::Scheme scheme) {
    return kernels::cpu_gemm_supports(static_cast<uint16_t>(layout), static_cast<uint16_t>(scheme));
  };
  for (const layouts::LayoutVariant& variant : layouts::kVariants)
    if (variant.scheme != layouts::kEveryScheme) {
      const auto scheme = static_cast<model::Scheme>(variant.scheme);
      EXPECT_TRUE(supports(variant.layout, scheme)) << variant.scheme_name;
      EXPECT_TRUE(supports(layouts::LayoutId::kPlain, scheme)) << variant.scheme_name;
    }
  for (const auto scheme : {model::Scheme::kF32, model::Scheme::kF16, model::Scheme::kBf16}) {
    EXPECT_TRUE(supports(layouts::LayoutId::kPlain, scheme));
    EXPECT_FALSE(supports(layouts::LayoutId::kMma64, scheme));
  }
  EXPECT_FALSE(supports(layouts::LayoutId::kPlain, model::Scheme::kRaw));
  EXPECT_EQ(kernels::accumulator_unit(static_cast<uint16_t>(layouts::LayoutId::kMma64),
                                      static_cast<uint16_t>(model::Scheme::kNvfp4)),
            16384.0f);
}

}  // namespace
}  // namespace imp
