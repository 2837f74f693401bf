# The whole line, from a checkpoint through the artifact and back.
imp_test(random_line
  SOURCES unit/random_line_test.cpp unit/random_checkpoint.cpp
  LIBRARIES imp::reference imp::verify imp::unpack imp::convert imp_checkpoint_editor)
imp_test(readme_formats
  SOURCES unit/readme_formats_test.cpp
  LIBRARIES imp::plan imp_checkpoint_editor)
target_compile_definitions(readme_formats_test PRIVATE IMP_README="${PROJECT_SOURCE_DIR}/README.md")
imp_test(traps_line
  SOURCES unit/traps_line_test.cpp
  LIBRARIES imp::unpack imp::convert imp_checkpoint_editor)
imp_test(gguf_line
  SOURCES unit/gguf_line_test.cpp
  LIBRARIES imp::reference imp::verify imp::unpack imp::convert imp_checkpoint_editor)
# Weights that are quantised anew.
imp_test(transcode
  SOURCES unit/transcode_rules_test.cpp unit/transcode_model_test.cpp unit/transcode_line_test.cpp
          unit/transcode_vectors_test.cpp unit/transcode_artifact_test.cpp unit/transcode_refusal_test.cpp
  LIBRARIES imp::reference imp::inspect imp::verify imp::unpack imp::convert imp_checkpoint_editor)
