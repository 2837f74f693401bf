# Tests of formats/safetensors, formats/hf and formats/gguf.
imp_test(safetensors
  SOURCES unit/safetensors_header_test.cpp unit/safetensors_malformed_test.cpp
          unit/safetensors_writer_test.cpp unit/safetensors_fuzz_replay_test.cpp
          fuzz/safetensors_header_fuzz.cpp
  LIBRARIES imp::safetensors)
target_compile_definitions(safetensors_test PRIVATE
  IMP_SAFETENSORS_SPEC="${PROJECT_SOURCE_DIR}/formats/safetensors/SPEC.md")
imp_test(header_memory
  SOURCES unit/safetensors_memory_test.cpp unit/gguf_memory_test.cpp unit/counted_memory.cpp
  LIBRARIES imp::safetensors imp::gguf)
imp_test(hf
  SOURCES unit/hf_checkpoint_test.cpp unit/hf_folder_test.cpp unit/hf_index_test.cpp
  LIBRARIES imp::hf)
imp_test(gguf
  SOURCES unit/gguf_header_test.cpp unit/gguf_limits_test.cpp unit/gguf_checkpoint_test.cpp
          unit/gguf_corpus_test.cpp unit/gguf_frame_test.cpp unit/gguf_fuzz_replay_test.cpp unit/gguf_spec_test.cpp
          fuzz/gguf_header_fuzz.cpp
  LIBRARIES imp::gguf PkgConfig::imp_re2)
target_compile_definitions(gguf_test PRIVATE IMP_GGUF_SPEC="${PROJECT_SOURCE_DIR}/formats/gguf/SPEC.md")

imp_fuzzer(safetensors_header_fuzz LIBRARIES imp::safetensors INSTRUMENT imp_safetensors)
imp_fuzzer(gguf_header_fuzz LIBRARIES imp::gguf INSTRUMENT imp_gguf)
