# Kernels on the card. Built everywhere; each test skips without a device, or fails under IMP_REQUIRE_GPU=1.
add_library(imp_gpu_gemm_case STATIC unit/gpu_gemm_case.cpp)
imp_configure_target(imp_gpu_gemm_case)
target_link_libraries(imp_gpu_gemm_case PUBLIC imp::gemm imp::quant imp::reference)

imp_test(gpu_gemm SOURCES unit/gpu_gemm_test.cpp LIBRARIES imp_gpu_gemm_case LABELS gpu)
