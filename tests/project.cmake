# The project itself: rules about includes, installing, scripts.
function(imp_script_test name)
  add_test(NAME ${name} COMMAND ${ARGN} WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
  set_tests_properties(${name} PROPERTIES TIMEOUT 300 ENVIRONMENT PYTHONDONTWRITEBYTECODE=1)
endfunction()

find_package(Python3 REQUIRED COMPONENTS Interpreter)

imp_script_test(lint.includes ${Python3_EXECUTABLE} scripts/check_includes.py)
imp_script_test(lint.includes_self_test ${Python3_EXECUTABLE} scripts/check_includes_test.py)
imp_script_test(project.scripts ${Python3_EXECUTABLE} tests/scripts_test.py)

imp_script_test(project.consumer_of_the_installed_package ${CMAKE_COMMAND}
  -D BUILD=${PROJECT_BINARY_DIR} -D WORK=${PROJECT_BINARY_DIR}/tests/consumer -D SAMPLE=${PROJECT_SOURCE_DIR}/samples/qwen3moe-nvfp4
  -D GENERATOR=${CMAKE_GENERATOR} -D COMPILER=${CMAKE_CXX_COMPILER} -D LAUNCHER=${CMAKE_CXX_COMPILER_LAUNCHER}
  -P ${CMAKE_CURRENT_LIST_DIR}/consumer/run.cmake)
imp_script_test(project.subdirectory_configures ${CMAKE_COMMAND} --fresh -S ${CMAKE_CURRENT_LIST_DIR}/consumer
  -B ${PROJECT_BINARY_DIR}/tests/subdirectory -G ${CMAKE_GENERATOR} -DCMAKE_CXX_COMPILER=${CMAKE_CXX_COMPILER}
  -DIMP_SOURCE=${PROJECT_SOURCE_DIR} -DIMP_CUDA=OFF)
