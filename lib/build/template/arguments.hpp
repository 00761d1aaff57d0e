// The arguments of a filter, a test, a method or a global function, by their names.
#pragma once

#include "build/template/value.hpp"

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build::jinja {

class Bound {
public:
    /// The first `required` of `names` must be given. Throws Failure that names `who`.
    Bound(Arguments& given, std::string_view who, std::initializer_list<std::string_view> names,
          std::size_t required = 0);

    [[nodiscard]] bool has(std::size_t index) const { return !values_[index].missing(); }
    /// Given, and not none.
    [[nodiscard]] bool is_set(std::size_t index) const { return has(index) && !values_[index].is(Kind::None); }
    [[nodiscard]] const Value& operator[](std::size_t index) const { return values_[index]; }
    [[nodiscard]] Value get(std::size_t index, const Value& otherwise) const {
        return has(index) ? values_[index] : otherwise;
    }
    /// Throw Failure for other types.
    [[nodiscard]] std::int64_t integer(std::size_t index, std::int64_t otherwise = 0) const;
    [[nodiscard]] const std::string& text(std::size_t index) const;
    [[nodiscard]] std::string text(std::size_t index, std::string_view otherwise) const {
        return has(index) ? text(index) : std::string(otherwise);
    }

private:
    [[noreturn]] void wrong_type(std::size_t index, std::string_view expected) const;

    std::string_view who_;
    std::vector<std::string_view> names_;
    std::vector<Value> values_;
};

}  // namespace cooper::build::jinja
