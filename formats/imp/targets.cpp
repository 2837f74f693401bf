#include "formats/imp/targets.h"

#include <charconv>

namespace imp::artifact {
namespace {

/// Digits only, as a number.
std::optional<uint32_t> parse_digits(std::string_view text) {
  uint32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool is_known(uint32_t sm) { return target_mask(sm).has_value(); }

}  // namespace

std::optional<uint64_t> target_mask(uint32_t sm) {
  for (const TargetInfo& target : kTargets)
    if (target.sm == sm) return uint64_t{1} << target.bit;
  return std::nullopt;
}

std::optional<uint32_t> parse_target(std::string_view text) {
  if (text.starts_with("sm_")) text.remove_prefix(3);
  if (text.ends_with('a') || text.ends_with('f')) text.remove_suffix(1);
  std::optional<uint32_t> sm;
  if (const size_t dot = text.find('.'); dot != std::string_view::npos) {
    const auto major = parse_digits(text.substr(0, dot));
    const auto minor = parse_digits(text.substr(dot + 1));
    if (!major || !minor || *major > 99 || *minor > 9) return std::nullopt;
    sm = *major * 10 + *minor;
  } else {
    sm = parse_digits(text);
  }
  return sm && is_known(*sm) ? sm : std::nullopt;
}

std::vector<uint32_t> targets_in(uint64_t mask) {
  std::vector<uint32_t> sms;
  for (const TargetInfo& target : kTargets)
    if (mask >> target.bit & 1) sms.push_back(target.sm);
  return sms;
}

std::string targets_to_string(uint64_t mask) {
  if (mask & kTargetAny) return "any";
  std::string text;
  for (uint32_t sm : targets_in(mask)) text += (text.empty() ? "sm_" : " sm_") + std::to_string(sm);
  return text;
}

}  // namespace imp::artifact
