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

imp_fuzzer(artifact_reader_fuzz LIBRARIES imp_artifact_sample INSTRUMENT imp_artifact)
