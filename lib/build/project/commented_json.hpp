// JSON as people write it: with // and /* */ comments and trailing commas, and with the line of every value, so that
// errors of meaning can name it too.
#pragma once

#include "cooper/base/error.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cooper::build {

struct CommentedValue;
struct CommentedMember;
using CommentedList = std::vector<CommentedValue>;
using CommentedObject = std::vector<CommentedMember>;

struct CommentedValue {
    std::size_t line = 1;
    std::variant<std::monostate, bool, std::int64_t, double, std::string, CommentedList, CommentedObject> data;

    /// "a number", "a list", for messages.
    [[nodiscard]] std::string_view kind() const noexcept;
};

struct CommentedMember {
    std::string key;
    std::size_t line = 1;
    CommentedValue value;
};

/// Throws Error{InvalidInput} "FILE:LINE: what was expected, what was found": syntax, two members of one name, text
/// that is not UTF-8, numbers that fit neither 64 bits nor a double, more than 64 levels or 200,000 values.
CommentedValue parse_commented_json(std::string_view text, const std::string& file);

/// "FILE:LINE: MESSAGE", InvalidInput.
Error error_in_line(const std::string& file, std::size_t line, const std::string& message);

}  // namespace cooper::build
