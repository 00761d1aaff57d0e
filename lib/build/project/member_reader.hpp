// What readers of a project file's parts share: values of a type, and messages that name the line and the way to it.
#pragma once

#include "build/project/commented_json.hpp"
#include "oci/printable.hpp"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace cooper::build {

/// `where` is the way to a value: "images.runtime.platforms".
class MemberReader {
public:
    /// `file` as it is to be printed.
    explicit MemberReader(std::string file) : file_(std::move(file)) {}

    [[nodiscard]] const std::string& file_name() const noexcept { return file_; }

    template <class Type>
    Type& take(CommentedValue& value, const std::string& where, std::string_view expected) const {
        if (auto* const found = std::get_if<Type>(&value.data)) {
            return *found;
        }
        throw error_in_line(
            file_, value.line,
            oci::printable(where) + ": expected " + std::string(expected) + ", found " + std::string(value.kind()));
    }

    /// Errors of `body` get the line and the way in front.
    template <class F>
    void in_line(std::size_t line, const std::string& where, F&& body) const {
        in_context(file_ + ":" + std::to_string(line) + ": " + oci::printable(where), std::forward<F>(body));
    }

    static std::string numbered(const std::string& where, std::size_t index) {
        return where + "[" + std::to_string(index) + "]";
    }

    /// Names the nearest of `known`, or all of them.
    [[noreturn]] void throw_unknown(const CommentedMember& member, const std::string& where,
                                    std::span<const std::string_view> known) const;

private:
    std::string file_;
};

/// "a, b, c".
std::string list_of(std::span<const std::string_view> words);

}  // namespace cooper::build
