# Number formats, layouts, their packers and the CPU GEMM that reads packed bytes.
imp_library(reference
  SOURCES
    reference/encodings.cpp
    reference/engine_layouts.cpp
    reference/ggml_values.cpp
    reference/golden_inputs.cpp
    reference/layout_variants.cpp
    reference/layouts.cpp
    reference/modelopt_dequant.cpp
    reference/quantise.cpp
    reference/scheme_values.cpp
    reference/source_values.cpp)

imp_test(quant
  SOURCES unit/quant_decode_test.cpp unit/quant_encoding_test.cpp unit/quant_float_test.cpp unit/quant_nvfp4_test.cpp
          unit/quant_rounding_test.cpp unit/quant_transcode_test.cpp unit/quant_vectors_test.cpp
  LIBRARIES imp::quant imp::reference imp_checkpoint_editor nlohmann_json::nlohmann_json)
imp_test(ggml
  SOURCES unit/ggml_decode_test.cpp unit/ggml_planes_test.cpp
  LIBRARIES imp::quant imp::reference nlohmann_json::nlohmann_json)
imp_test(layouts
  SOURCES unit/layout_decode_test.cpp unit/layout_facts_test.cpp unit/layout_golden_test.cpp
          unit/layout_paint_test.cpp unit/layout_variants_test.cpp
  LIBRARIES imp::layouts imp::quant imp::repack imp::reference)
target_compile_definitions(layouts_test PRIVATE IMP_GOLDEN="${CMAKE_CURRENT_SOURCE_DIR}/golden")
imp_test(repack
  SOURCES unit/engine_repack_test.cpp unit/engine_scales_test.cpp unit/repack_mma64_test.cpp
          unit/repack_native_test.cpp unit/repack_variants_test.cpp unit/repack_words_test.cpp
  LIBRARIES imp::repack imp::reference)
imp_test(cpu_gemm
  SOURCES unit/cpu_gemm_engine_test.cpp unit/cpu_gemm_ggml_test.cpp unit/cpu_gemm_plain_test.cpp unit/cpu_gemm_test.cpp
          unit/cpu_gemm_variants_test.cpp
  LIBRARIES imp::kernels imp::quant imp::repack imp::reference)
