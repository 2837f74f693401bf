# CUDA is optional: IMP_CUDA_FOUND says whether kernels/*.cu can be built, that is whether there is an nvcc of 13.0
# or newer: the one that CMAKE_CUDA_COMPILER or the environment's CUDACXX names, else what scripts/find_nvcc finds.
set(IMP_CUDA_FOUND FALSE)
set_property(CACHE IMP_CUDA PROPERTY STRINGS AUTO ON OFF)

if(IMP_CUDA)  # ON, AUTO
  set(imp_named_nvcc ${CMAKE_CUDA_COMPILER})
  if(NOT imp_named_nvcc)
    set(imp_named_nvcc $ENV{CUDACXX})
  endif()
  execute_process(COMMAND ${CMAKE_CURRENT_LIST_DIR}/../scripts/find_nvcc ${imp_named_nvcc}
    OUTPUT_VARIABLE imp_nvcc ERROR_VARIABLE imp_nvcc_note
    OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_STRIP_TRAILING_WHITESPACE)
  if(imp_nvcc_note)
    message(STATUS "${imp_nvcc_note}")
  endif()

  if(imp_nvcc)
    set(CMAKE_CUDA_COMPILER ${imp_nvcc})
    if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES "80-real;90-real;80-virtual")  # machine code for 8.x and 9.0, PTX for all others
    endif()
    enable_language(CUDA)
    if(NOT CMAKE_CUDA20_STANDARD_COMPILE_OPTION)  # CMake 3.25.1 asks only old releases of nvcc what they know
      set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION "-std=c++20")
      set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION "-std=c++20")
      list(APPEND CMAKE_CUDA_COMPILE_FEATURES cuda_std_20)
    endif()
    set(CMAKE_CUDA_STANDARD 20)
    set(CMAKE_CUDA_STANDARD_REQUIRED ON)
    set(CMAKE_CUDA_EXTENSIONS OFF)
    set(IMP_CUDA_FOUND TRUE)
  elseif(NOT IMP_CUDA STREQUAL "AUTO")
    message(FATAL_ERROR "IMP_CUDA=${IMP_CUDA}, but no nvcc of 13.0 or newer was found; "
      "`scripts/setup --cuda` fetches one, IMP_CUDA=OFF builds without")
  endif()
endif()
message(STATUS "CUDA kernels: ${IMP_CUDA_FOUND}")
