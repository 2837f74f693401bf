// Small checkpoints of random shapes in every dialect, written plane by plane from the formats'
// descriptions: what goes through the whole line and must come back.
#pragma once

#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include "tests/unit/checkpoint_editor.h"

namespace imp::testing {

/// What a random checkpoint holds, for messages and for the test's own choice of layouts.
struct RandomCheckpoint {
  CheckpointEditor editor;
  std::string text;  ///< "int4 N 70 K 200 group 32 asymmetric BF16"
};

/// Families by name; each call draws shapes and contents from `random`.
struct RandomFamily {
  std::string name;
  std::function<RandomCheckpoint(std::mt19937& random)> make;
};
const std::vector<RandomFamily>& random_families();

}  // namespace imp::testing
