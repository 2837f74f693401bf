// Names that must differ.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

namespace imp {

/// A name that two elements have, the least of them; nullptr if all differ. O(n log n) without a
/// copy of the names, which may be many.
template <class Named>
const std::string* repeated_name(const std::vector<Named>& elements) {
  std::vector<const std::string*> names;
  names.reserve(elements.size());
  for (const Named& element : elements) names.push_back(&element.name);
  std::sort(names.begin(), names.end(),
            [](const std::string* a, const std::string* b) { return *a < *b; });
  const auto twice =
      std::adjacent_find(names.begin(), names.end(),
                         [](const std::string* a, const std::string* b) { return *a == *b; });
  return twice == names.end() ? nullptr : *twice;
}

}  // namespace imp
