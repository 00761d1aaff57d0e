# cooper_test(NAME SOURCES ... [ALONE sources...] [LINK rooms...] [LABEL unit]): a Catch2 program whose cases become CTest tests, one
# each. With COOPER_UNITY several sources are compiled as one; those in ALONE have helpers whose names would meet others.
# A name that no longer matches fails (-w NoTests); -w NoAssertions is left out, as it fails sections that only arrange what
# the code behind them checks.
# cooper_fuzz(NAME [LINK rooms...]): tests/fuzz/fuzz_NAME.cpp; replays its corpus in every build, hunts in the fuzz preset.
find_package(Catch2 2.13 REQUIRED)
include(Catch)

# A test is compiled once and runs once: in the ci preset the optimiser takes a third of its compile time and gives nothing back.
add_library(cooper_test_flags INTERFACE)
target_compile_options(cooper_test_flags INTERFACE $<$<CONFIG:RelWithDebInfo>:-O0>)

# Catch2's own main is slow to compile: once for all programs.
add_library(cooper_test_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/main.cpp)
target_link_libraries(cooper_test_main PUBLIC Catch2::Catch2 cooper_flags PRIVATE cooper_test_flags)

function(cooper_test name)
  cmake_parse_arguments(PARSE_ARGV 1 TEST "" "LABEL" "SOURCES;ALONE;LINK;ENVIRONMENT")
  if(NOT TEST_LABEL)
    set(TEST_LABEL unit)
  endif()
  add_executable(${name} ${TEST_SOURCES} ${TEST_ALONE})
  set_target_properties(${name} PROPERTIES UNITY_BUILD ${COOPER_UNITY} UNITY_BUILD_BATCH_SIZE 4)
  set_source_files_properties(${TEST_ALONE} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_link_libraries(${name} PRIVATE cooper_test_main cooper_testing ${TEST_LINK} cooper_warnings cooper_test_flags)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE COOPER_GOLDEN="${PROJECT_SOURCE_DIR}/tests/golden")
  catch_discover_tests(${name} TEST_PREFIX "${name}: " EXTRA_ARGS -w NoTests PROPERTIES LABELS ${TEST_LABEL} TIMEOUT 300
                       SKIP_REGULAR_EXPRESSION "SKIPPED:")
endfunction()

# Replaying needs no fuzzer: one object for all targets.
if(NOT COOPER_FUZZ)
  add_library(cooper_fuzz_replay OBJECT ${PROJECT_SOURCE_DIR}/tests/fuzz/replay.cpp)
  target_include_directories(cooper_fuzz_replay PRIVATE ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/tests)
  target_link_libraries(cooper_fuzz_replay PRIVATE cooper::base cooper_flags cooper_warnings)
endif()

function(cooper_fuzz name)
  cmake_parse_arguments(PARSE_ARGV 1 FUZZ "" "" "LINK")
  set(corpus ${PROJECT_SOURCE_DIR}/tests/fuzz/corpus/${name})
  add_executable(fuzz_${name} ${PROJECT_SOURCE_DIR}/tests/fuzz/fuzz_${name}.cpp)
  target_link_libraries(fuzz_${name} PRIVATE ${FUZZ_LINK} cooper_flags cooper_warnings)
  target_include_directories(fuzz_${name} PRIVATE ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/tests)
  if(COOPER_FUZZ)
    target_link_options(fuzz_${name} PRIVATE -fsanitize=fuzzer)
    # What a run finds goes to the build directory: corpora in the tree are chosen by hand.
    set(found ${CMAKE_CURRENT_BINARY_DIR}/found_${name})
    file(MAKE_DIRECTORY ${found})
    set(test "fuzz: ${name}")
    add_test(NAME ${test} COMMAND fuzz_${name} -max_total_time=20 -timeout=10 -rss_limit_mb=2048 ${found} ${corpus})
  else()
    target_link_libraries(fuzz_${name} PRIVATE cooper_fuzz_replay)
    set(test "fuzz: ${name} replays its corpus")
    add_test(NAME ${test} COMMAND fuzz_${name} ${corpus})
  endif()
  set_tests_properties(${test} PROPERTIES LABELS fuzz TIMEOUT 120)
endfunction()
