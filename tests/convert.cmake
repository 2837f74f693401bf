# Tests of the line as a whole.
imp_test(convert
  SOURCES unit/convert_test.cpp
  LIBRARIES imp::convert imp_checkpoint_editor)
