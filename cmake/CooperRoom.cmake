# cooper_room(NAME SOURCES ... [DEPENDS rooms...] [LINK libraries...]): one room of the house as a target, cooper::NAME.
# Public headers are include/cooper/NAME/*.hpp; private ones lie beside the sources and are included as "NAME/x.hpp".

add_library(cooper_warnings INTERFACE)
target_compile_options(
  cooper_warnings
  INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wold-style-cast -Wnon-virtual-dtor
            -Woverloaded-virtual -Wcast-align -Wnull-dereference -Wdouble-promotion -Wformat=2 -Wimplicit-fallthrough
            -Wextra-semi -Wundef
            $<$<CXX_COMPILER_ID:GNU>:-Wduplicated-cond;-Wduplicated-branches;-Wlogical-op;-Wsuggest-override>
            $<$<BOOL:${COOPER_WERROR}>:-Werror>)

add_library(cooper_flags INTERFACE)
target_compile_features(cooper_flags INTERFACE cxx_std_20)
if(COOPER_SANITIZE)
  target_compile_options(cooper_flags INTERFACE -fsanitize=${COOPER_SANITIZE} -fno-sanitize-recover=all
                                                -fno-omit-frame-pointer)
  target_compile_definitions(cooper_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(cooper_flags INTERFACE -fsanitize=${COOPER_SANITIZE})
endif()
if(COOPER_FUZZ)
  if(NOT CMAKE_CXX_COMPILER_ID MATCHES Clang)
    message(FATAL_ERROR "COOPER_FUZZ needs clang's libFuzzer; the compiler here is ${CMAKE_CXX_COMPILER_ID}. "
                        "Try the preset: cmake --preset fuzz")
  endif()
  target_compile_options(cooper_flags INTERFACE -fsanitize=fuzzer-no-link)
endif()

# How programs are linked. Start-up counts, since cooper runs many times in a pipeline: with its own C++ runtime inside, a
# program that uses all our libraries is ready in 2.2 ms instead of 3.2 (the dynamic linker binds far fewer symbols).
add_library(cooper_program INTERFACE)
target_link_options(cooper_program INTERFACE -Wl,--as-needed -Wl,-O1)
if(NOT COOPER_SANITIZE)
  target_link_options(cooper_program INTERFACE $<$<CONFIG:Release>:-static-libstdc++;-static-libgcc>)
endif()

function(cooper_room name)
  cmake_parse_arguments(PARSE_ARGV 1 ROOM "" "" "SOURCES;DEPENDS;LINK")
  set(target cooper_${name})
  add_library(${target} STATIC ${ROOM_SOURCES})
  add_library(cooper::${name} ALIAS ${target})
  set_target_properties(${target} PROPERTIES EXPORT_NAME ${name} POSITION_INDEPENDENT_CODE ON CXX_EXTENSIONS OFF
                                             CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(
    ${target} PUBLIC $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/lib)
  list(TRANSFORM ROOM_DEPENDS PREPEND cooper::)
  # A library of headers only is compiled in and nothing that users of an installed cooper must have.
  list(TRANSFORM ROOM_LINK REPLACE "^nlohmann_json::nlohmann_json$" "$<BUILD_INTERFACE:nlohmann_json::nlohmann_json>")
  target_link_libraries(
    ${target}
    PUBLIC ${ROOM_DEPENDS} $<BUILD_INTERFACE:cooper_flags>
    PRIVATE ${ROOM_LINK} $<BUILD_INTERFACE:cooper_warnings>)
  if(COOPER_INSTALL)
    install(TARGETS ${target} EXPORT cooperTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT cooper_development)
    install(DIRECTORY ${PROJECT_SOURCE_DIR}/include/cooper/${name} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/cooper
            COMPONENT cooper_development FILES_MATCHING PATTERN "*.hpp")
  endif()
endfunction()
