# Tests of formats/imp.
add_library(imp_artifact_sample STATIC unit/artifact_sample.cpp)
imp_configure_target(imp_artifact_sample)
target_include_directories(imp_artifact_sample PUBLIC ${PROJECT_SOURCE_DIR})
target_link_libraries(imp_artifact_sample PUBLIC imp::artifact GTest::gtest)

imp_test(artifact
  SOURCES unit/artifact_chunks_test.cpp unit/artifact_damage_test.cpp unit/artifact_example_test.cpp
          unit/artifact_malformed_test.cpp unit/artifact_roundtrip_test.cpp unit/artifact_targets_test.cpp
          fuzz/artifact_reader_fuzz.cpp
  LIBRARIES imp_artifact_sample)
target_compile_definitions(artifact_test PRIVATE
  IMP_GOLDEN="${CMAKE_CURRENT_SOURCE_DIR}/golden" IMP_FORMATS="${PROJECT_SOURCE_DIR}/formats")

if(IMP_FUZZ)
  target_compile_options(imp_artifact PRIVATE -fsanitize=fuzzer-no-link)
  add_executable(artifact_reader_fuzz fuzz/artifact_reader_fuzz.cpp)
  imp_configure_target(artifact_reader_fuzz)
  target_compile_options(artifact_reader_fuzz PRIVATE -fsanitize=fuzzer)
  target_link_libraries(artifact_reader_fuzz PRIVATE imp_artifact_sample)
  target_link_options(artifact_reader_fuzz PRIVATE -fsanitize=fuzzer)
endif()
