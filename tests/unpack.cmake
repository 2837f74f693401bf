# Tests of src/unpack and src/inspect: what comes back out of an artifact, and what is said about it.
imp_test(unpack
  SOURCES unit/unpack_roundtrip_test.cpp unit/unpack_values_test.cpp unit/unpack_refusal_test.cpp
          unit/unpack_engine_test.cpp unit/unpack_ggml_test.cpp unit/unpack_raw_test.cpp unit/unpack_schemes_test.cpp unit/artifact_sample.cpp
  LIBRARIES imp::unpack imp::convert imp_checkpoint_editor)
imp_test(unpack_gguf
  SOURCES unit/unpack_gguf_test.cpp unit/gguf_manifest_test.cpp
  LIBRARIES imp::unpack imp::convert imp_checkpoint_editor)
imp_test(inspect
  SOURCES unit/inspect_report_test.cpp unit/artifact_sample.cpp
  LIBRARIES imp::inspect imp::convert imp_checkpoint_editor)
