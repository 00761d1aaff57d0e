# cooper_test(NAME SOURCES ... [LINK rooms...] [LABEL unit]): a Catch2 program whose cases become CTest tests, one each.
find_package(Catch2 2.13 REQUIRED)
include(Catch)

# Catch2's own main is slow to compile: once for all programs.
add_library(cooper_test_main OBJECT ${PROJECT_SOURCE_DIR}/tests/support/main.cpp)
target_link_libraries(cooper_test_main PUBLIC Catch2::Catch2 cooper_flags)

function(cooper_test name)
  cmake_parse_arguments(PARSE_ARGV 1 TEST "" "LABEL" "SOURCES;LINK;ENVIRONMENT")
  if(NOT TEST_LABEL)
    set(TEST_LABEL unit)
  endif()
  add_executable(${name} ${TEST_SOURCES})
  target_link_libraries(${name} PRIVATE cooper_test_main cooper_testing ${TEST_LINK} cooper_warnings)
  target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/tests)
  target_compile_definitions(${name} PRIVATE COOPER_GOLDEN="${PROJECT_SOURCE_DIR}/tests/golden")
  catch_discover_tests(${name} TEST_PREFIX "${name}: " EXTRA_ARGS -w NoAssertions PROPERTIES LABELS ${TEST_LABEL} TIMEOUT 300
                       SKIP_REGULAR_EXPRESSION "SKIPPED:")
endfunction()
