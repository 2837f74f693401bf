# The whole line, from a checkpoint through the artifact and back.
imp_test(random_line
  SOURCES unit/random_line_test.cpp unit/random_checkpoint.cpp
  LIBRARIES imp::reference imp::verify imp::unpack imp::convert imp_checkpoint_editor)
