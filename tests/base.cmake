# Tests of src/base.
imp_test(base
  SOURCES unit/base_digest_test.cpp unit/base_file_test.cpp unit/base_interrupt_test.cpp unit/base_numbers_test.cpp unit/base_result_test.cpp
          unit/base_text_test.cpp unit/base_work_queue_test.cpp
  LIBRARIES imp::base)
