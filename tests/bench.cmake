# Tests of imp-bench: judging and printing without a card; small runs on one; the program as a user meets it.
imp_test(bench
  SOURCES unit/bench_test.cpp
  LIBRARIES imp::bench imp::quant nlohmann_json::nlohmann_json)
imp_test(gpu_bench
  SOURCES unit/gpu_bench_test.cpp
  LIBRARIES imp::bench
  LABELS gpu)
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME bench_cli
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/bench_test.py
          --bin ${PROJECT_BINARY_DIR}/bin --samples ${PROJECT_SOURCE_DIR}/samples)
set_tests_properties(bench_cli PROPERTIES TIMEOUT 300 LABELS cuda)
