// --transcode's argument: forms, and what is said about others.
#include <gtest/gtest.h>

#include <string>

#include "src/transcode/rules.h"

namespace imp::transcode {
namespace {

TEST(TranscodeRule, NamesEverySchemeAndComesBack) {
  for (const std::string_view name : quant::transcode_names()) {
    const std::string text = "^model\\.layers\\.0\\.=" + std::string(name);
    const auto rule = parse_rule(text);
    ASSERT_TRUE(rule.ok()) << rule.error().to_line();
    EXPECT_EQ(rule->pattern, "^model\\.layers\\.0\\.");
    EXPECT_EQ(quant::transcode_name(rule->target), name);
    EXPECT_EQ(rule_text(*rule), text);
  }
}

TEST(TranscodeRule, TheLastEqualsSignSeparates) {
  const auto rule = parse_rule("a=b|(?P<x>c)==int8");
  ASSERT_TRUE(rule.ok()) << rule.error().to_line();
  EXPECT_EQ(rule->pattern, "a=b|(?P<x>c)=");
  EXPECT_EQ(rule->target, quant::TranscodeTarget::kInt8);
}

struct BadRule {
  const char* text;
  const char* words;
};

TEST(TranscodeRule, OtherFormsAreUsageErrors) {
  ASSERT_TRUE(parse_rule("mlp=nvfp4").ok());
  const BadRule cases[] = {
      {"", "expected REGEX=SCHEME"},
      {"mlp", "expected REGEX=SCHEME"},
      {"=nvfp4", "expected REGEX=SCHEME"},
      {"mlp=", "scheme '' is none of nvfp4, nvfp4-ct, mxfp4, mxfp4-ct, int8, fp8"},
      {"mlp=NVFP4", "scheme 'NVFP4' is none of"},
      {"mlp=nvfp4 ", "scheme 'nvfp4 ' is none of"},
      {"mlp=int4", "scheme 'int4' is none of"},
      {"nvfp4=mlp", "scheme 'mlp' is none of"},
      {"m(lp=nvfp4", "pattern: missing )"},
      {"*=nvfp4", "pattern: no argument for repetition operator"},
  };
  for (const BadRule& bad : cases) {
    const auto rule = parse_rule(bad.text);
    ASSERT_FALSE(rule.ok()) << bad.text;
    EXPECT_EQ(rule.error().kind, ErrorKind::kUsage) << bad.text;
    EXPECT_NE(rule.error().message.find(bad.words), std::string::npos) << rule.error().message;
    EXPECT_NE(rule.error().message.find("'" + std::string(bad.text) + "'"), std::string::npos);
  }
}

}  // namespace
}  // namespace imp::transcode
