#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::oci {

std::string printable(std::string_view text, std::size_t limit) {
    const bool cut = text.size() > limit;
    std::string result(text.substr(0, limit));
    std::replace_if(
        result.begin(), result.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
    return cut ? result + "…" : result;
}

}  // namespace cooper::oci
