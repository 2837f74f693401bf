# Tests of src/model and src/plan, and the editor of checkpoints that later tests use too.
add_library(imp_checkpoint_editor STATIC unit/checkpoint_editor.cpp)
imp_configure_target(imp_checkpoint_editor)
target_include_directories(imp_checkpoint_editor PUBLIC ${PROJECT_SOURCE_DIR})
target_compile_definitions(imp_checkpoint_editor PRIVATE IMP_TEST_DATA="${PROJECT_SOURCE_DIR}/tests/data")
target_link_libraries(imp_checkpoint_editor PUBLIC imp::base nlohmann_json::nlohmann_json)

imp_test(model
  SOURCES unit/model_architecture_test.cpp unit/model_completeness_test.cpp unit/model_config_ct_test.cpp
          unit/model_config_fixtures_test.cpp unit/model_config_import_test.cpp unit/model_config_modelopt_test.cpp
          unit/model_config_other_test.cpp unit/model_config_targets_test.cpp unit/model_editor_test.cpp
          unit/model_exclude_test.cpp unit/model_grouping_test.cpp unit/model_names_test.cpp
          unit/model_patterns_test.cpp unit/model_roles_test.cpp unit/model_schemes_test.cpp unit/tensor_view_test.cpp
  LIBRARIES imp::model imp_checkpoint_editor PkgConfig::imp_re2)
imp_test(import
  SOURCES unit/model_dialects_test.cpp unit/model_families_test.cpp unit/model_fixtures_test.cpp unit/model_refusals_test.cpp
          unit/model_scales_test.cpp unit/model_select_test.cpp unit/model_traps_formats_test.cpp
          unit/model_traps_scales_test.cpp unit/model_traps_stacks_test.cpp unit/model_values_test.cpp
  LIBRARIES imp::model imp_checkpoint_editor)
imp_test(import_gguf
  SOURCES unit/gguf_import_experts_test.cpp unit/gguf_import_heads_test.cpp unit/gguf_import_names_test.cpp
          unit/gguf_import_refusals_test.cpp
  LIBRARIES imp::model)
imp_test(plan
  SOURCES unit/plan_engine_test.cpp unit/plan_forms_test.cpp unit/plan_fusion_test.cpp unit/plan_gguf_test.cpp unit/plan_index_test.cpp unit/plan_placement_test.cpp
          unit/plan_print_test.cpp unit/plan_steps_test.cpp
  LIBRARIES imp::plan imp_checkpoint_editor)
imp_test(gguf_import_replay
  SOURCES unit/gguf_import_replay_test.cpp fuzz/gguf_import_fuzz.cpp
  LIBRARIES imp::model)
imp_fuzzer(gguf_import_fuzz LIBRARIES imp::model INSTRUMENT imp_model)
