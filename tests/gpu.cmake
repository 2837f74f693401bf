# The GEMM's checks and choices, without a card, and its kernels on one: those tests are built everywhere, and each skips
# without a device, or fails under IMP_REQUIRE_GPU=1.
add_library(imp_gpu_gemm_case STATIC unit/gpu_gemm_case.cpp)
imp_configure_target(imp_gpu_gemm_case)
target_link_libraries(imp_gpu_gemm_case PUBLIC imp::gemm imp::quant imp::reference)

imp_test(gemm_checks SOURCES unit/gemm_checks_test.cpp LIBRARIES imp::gemm LABELS cuda)
if(IMP_CUDA_FOUND)  # launch shapes come from the kernels' own files
  imp_test(gemm_shapes SOURCES unit/gemm_shapes_test.cpp LIBRARIES imp::gemm LABELS cuda)
endif()
imp_test(gpu_gemm SOURCES unit/gpu_gemm_test.cpp LIBRARIES imp_gpu_gemm_case LABELS gpu)
imp_test(gpu_gemm_formats SOURCES unit/gpu_gemm_formats_test.cpp LIBRARIES imp_gpu_gemm_case LABELS gpu)
imp_test(gpu_scalar_gemm
  SOURCES unit/gpu_scalar_gemm_test.cpp
  LIBRARIES imp::gemm imp::kernels imp::quant imp::repack imp::reference
  LABELS gpu)
