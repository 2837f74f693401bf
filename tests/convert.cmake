# Tests of the line as a whole, on the CPU and on a card, and of the repack kernels.
imp_test(convert
  SOURCES unit/convert_test.cpp unit/convert_device_test.cpp
  LIBRARIES imp::convert imp_checkpoint_editor)
imp_test(convert_engine
  SOURCES unit/convert_engine_test.cpp unit/engine_expected.cpp
  LIBRARIES imp::reference imp::convert imp_checkpoint_editor)
imp_test(device_map
  SOURCES unit/device_map_test.cpp
  LIBRARIES imp::gpu_repack imp::repack imp::reference)
imp_test(gpu_repack
  SOURCES unit/gpu_repack_test.cpp unit/gpu_repack_variants_test.cpp
  LIBRARIES imp::gpu_repack imp::repack imp::reference
  LABELS gpu)
imp_test(gpu_convert
  SOURCES unit/gpu_convert_test.cpp
  LIBRARIES imp::convert imp_checkpoint_editor
  LABELS gpu)
