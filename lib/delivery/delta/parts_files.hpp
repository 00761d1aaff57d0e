// What split and join both know of the files beside the parts (private).
#pragma once

#include <string>

namespace cooper::delivery {

inline constexpr const char* kPartsListEnd = ".parts.json";

inline std::string parts_list_name(const std::string& file) {
    return file + kPartsListEnd;
}

}  // namespace cooper::delivery
