#include "cooper/base/error.hpp"
#include "cooper/build/hash_tags.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxTag = 128;  // OCI distribution specification 1.1, "Pulling manifests"

bool is_word_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool is_tag_character(char c) {
    return is_word_character(c) || c == '.' || c == '-';
}

/// Empty for a legal tag.
std::string find_fault(std::string_view tag) {
    if (tag.empty()) {
        return "is empty";
    }
    const auto* const illegal = std::find_if_not(tag.begin(), tag.end(), is_tag_character);
    if (illegal != tag.end()) {
        return "has the character '" + oci::printable({illegal, 1}) + "' at position " +
               std::to_string(illegal - tag.begin() + 1) + ", where only letters, digits, '_', '.' and '-' are allowed";
    }
    if (!is_word_character(tag.front())) {
        return std::string("begins with '") + tag.front() + "', where only a letter, a digit or '_' is allowed";
    }
    if (tag.size() > kMaxTag) {
        return "has " + std::to_string(tag.size()) + " characters, and the limit is " + std::to_string(kMaxTag);
    }
    return "";
}

}  // namespace

void check_tag(std::string_view tag, std::string_view what) {
    if (const auto fault = find_fault(tag); !fault.empty()) {
        throw Error(ErrorCode::InvalidInput,
                    "no registry accepts the " + std::string(what) + " '" + oci::printable(tag) + "': it " + fault);
    }
}

}  // namespace cooper::build
