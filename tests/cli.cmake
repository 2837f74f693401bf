# The programs as a user meets them: exit codes, messages, interruption. Python's standard library only.
find_package(Python3 REQUIRED COMPONENTS Interpreter)
add_test(NAME cli
  COMMAND ${Python3_EXECUTABLE} ${CMAKE_CURRENT_SOURCE_DIR}/cli/cli_test.py
          --bin ${PROJECT_BINARY_DIR}/bin --samples ${PROJECT_SOURCE_DIR}/samples)
set_tests_properties(cli PROPERTIES TIMEOUT 600 LABELS cuda)
