// What fuzz targets share. A target: hostile bytes in, nothing but cooper::Error out, and what was accepted keeps its
// promises.
#pragma once

#include "cooper/base/error.hpp"

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace cooper::fuzz {

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
    return {reinterpret_cast<const char*>(data), size};
}

/// An Error is an answer; anything else that leaves `body` ends the program, which the fuzzer sees as a find.
template <class F>
void expect_only_errors(F&& body) {
    try {
        body();
    } catch (const Error&) {
    }
}

/// Not assert(): release builds replay corpora too.
inline void check(bool holds, const char* promise) {
    if (!holds) {
        std::fprintf(stderr, "broken promise: %s\n", promise);
        std::abort();
    }
}

}  // namespace cooper::fuzz
