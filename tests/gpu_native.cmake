# Dequantisation, activation quantisation, the native GEMM and what the compiled kernels need of a card.
imp_test(dequant
  SOURCES unit/dequant_test.cpp
  LIBRARIES imp::dequant imp::layouts imp::quant imp::repack imp::reference)
imp_test(gpu_dequant
  SOURCES unit/gpu_dequant_test.cpp
  LIBRARIES imp::dequant imp::kernels imp::layouts imp::quant imp::repack imp::reference
  LABELS gpu)
imp_test(quantize_activation
  SOURCES unit/quantize_activation_test.cpp
  LIBRARIES imp::activation imp::kernels imp::layouts imp::quant imp::repack imp::reference)
imp_test(gpu_activation
  SOURCES unit/gpu_activation_test.cpp
  LIBRARIES imp::activation imp::kernels imp::layouts imp::quant imp::repack imp::reference
  LABELS gpu)
imp_test(native_gemm
  SOURCES unit/native_gemm_test.cpp
  LIBRARIES imp::gemm_native imp::kernels imp::layouts imp::quant imp::repack imp::reference)
imp_test(gpu_native_gemm
  SOURCES unit/gpu_native_gemm_test.cpp
  LIBRARIES imp::gemm_native imp::kernels imp::layouts imp::quant imp::repack imp::reference
  LABELS gpu)

imp_script_test(lint.kernel_resources_self_test ${Python3_EXECUTABLE} scripts/check_kernel_resources_test.py)
if(IMP_CUDA_FOUND)
  set(imp_kernel_files)
  foreach(library cuda gpu_repack gemm gemm_mma gemm_scalar gemm_sm90 gemm_native dequant activation cold_read)
    list(APPEND imp_kernel_files $<TARGET_FILE:imp_${library}>)
    add_dependencies(cuda_tests imp_${library})
  endforeach()
  imp_script_test(lint.kernel_resources ${Python3_EXECUTABLE} scripts/check_kernel_resources ${imp_kernel_files})
  set_tests_properties(lint.kernel_resources PROPERTIES SKIP_RETURN_CODE 77 LABELS cuda)
endif()
