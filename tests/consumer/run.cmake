# cmake -D BUILD=... -D WORK=... -D SAMPLE=... -D GENERATOR=... -D COMPILER=... -D LAUNCHER=... -P run.cmake
# Installs the build folder BUILD, moves the prefix (nothing in it may name the place it was installed to), builds the consumer
# against it, and lets it open what the installed imp-convert made of SAMPLE. The rest says how to build the consumer.
function(run expected)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE rc)
  if(NOT rc EQUAL expected)
    message(FATAL_ERROR "exit ${rc}, expected ${expected}: ${ARGN}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
run(0 ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/first)
file(RENAME ${WORK}/first ${WORK}/prefix)
run(0 ${CMAKE_COMMAND} -S ${CMAKE_CURRENT_LIST_DIR} -B ${WORK}/build -G ${GENERATOR} -DCMAKE_BUILD_TYPE=Debug
  -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DCMAKE_PREFIX_PATH=${WORK}/prefix)
run(0 ${CMAKE_COMMAND} --build ${WORK}/build)
run(0 ${WORK}/prefix/bin/imp-convert ${SAMPLE} ${WORK}/model.imp --target sm_89)
run(0 ${WORK}/build/consumer ${WORK}/model.imp 89)
run(6 ${WORK}/build/consumer ${WORK}/model.imp 120)
