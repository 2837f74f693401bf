# Tests of src/verify; artifacts come from the converter.
imp_test(verify
  SOURCES unit/registry_test.cpp unit/verify_backend_test.cpp unit/verify_engine_test.cpp unit/verify_ggml_test.cpp unit/verify_plain_test.cpp unit/verify_schemes_test.cpp unit/verify_test.cpp
  LIBRARIES imp::verify imp::convert imp_artifact_sample imp_checkpoint_editor)
target_compile_definitions(verify_test PRIVATE IMP_FORMATS="${PROJECT_SOURCE_DIR}/formats")
imp_test(gpu_verify
  SOURCES unit/gpu_verify_test.cpp
  LIBRARIES imp::verify imp::convert imp_artifact_sample
  LABELS gpu)
imp_test(golden_artifact
  SOURCES unit/golden_artifact_test.cpp
  LIBRARIES imp::verify imp::unpack imp::convert imp_artifact_sample imp_checkpoint_editor)
target_compile_definitions(golden_artifact_test PRIVATE IMP_GOLDEN="${CMAKE_CURRENT_SOURCE_DIR}/golden")
