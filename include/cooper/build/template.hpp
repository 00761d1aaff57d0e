// Templates of Dockerfiles: the part of Jinja 3.1 that they use, with its white space and its printed values to the
// byte.
//
//     const auto dockerfile = Template::parse(read_file("Dockerfile.j2", kMaxTemplate), "Dockerfile.j2", {});
//     const std::string text = dockerfile.render({{"base_image", {"ubuntu:22.04"}}, {"build_from_scratch", {true}}});
//
// Statements: if/elif/else, for (with else, `if` filter, several targets, `loop`), set (also blocks), macro and call,
// filter blocks, include, raw, with. Expressions: literals (strings, numbers, lists, tuples, dicts, true, false, none),
// arithmetic, `~`, comparisons and their chains, `in`, `not in`, and/or/not, conditional expressions, subscripts,
// slices, dotted access, calls with named arguments, tests (`is defined`, …), filters. What is not supported
// (inheritance, import, extensions, async, most globals) is an error that says so.
#pragma once

#include "cooper/base/error.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace cooper::build {

/// A file of templates is text that people write.
inline constexpr std::size_t kMaxTemplate = 4U << 20;

struct TemplateValue;
using TemplateList = std::vector<TemplateValue>;
using TemplateMap =
    std::vector<std::pair<std::string, TemplateValue>>;  ///< in this order; the last of equal names counts

/// What a variable holds: none, true or false, a number, text, a list, a map.
struct TemplateValue {
    TemplateValue() = default;
    TemplateValue(bool value) : data(value) {}
    TemplateValue(std::int64_t value) : data(value) {}
    TemplateValue(double value) : data(value) {}
    TemplateValue(std::string value) : data(std::move(value)) {}
    TemplateValue(const char* value) : data(std::string(value)) {}
    TemplateValue(TemplateList value) : data(std::move(value)) {}
    TemplateValue(TemplateMap value) : data(std::move(value)) {}

    std::variant<std::monostate, bool, std::int64_t, double, std::string, TemplateList, TemplateMap> data;
};

/// A template that cannot be parsed or rendered. what() is "FILE:LINE: what was found, what was expected".
/// InvalidInput.
class TemplateError : public Error {
public:
    TemplateError(std::string file, std::size_t line, const std::string& message);
    ~TemplateError() override;
    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    [[nodiscard]] std::size_t line() const noexcept { return line_; }  ///< from 1

private:
    std::string file_;
    std::size_t line_;
};

/// The text of another template; nullopt when there is none of this name.
using TemplateLoader = std::function<std::optional<std::string>(const std::string& name)>;
/// Templates below a directory. Names that lead out of it, by "..", "/" or a symlink, are not there.
TemplateLoader templates_below(std::filesystem::path directory);

/// As Jinja's Environment has them.
struct TemplateOptions {
    bool trim_blocks = false;
    bool lstrip_blocks = false;
    bool keep_trailing_newline = false;
    /// Using a variable that nobody set is an error (StrictUndefined). False, as Jinja's default: it prints as nothing.
    bool strict = false;
    TemplateLoader loader;  ///< for include; empty: there is nothing to include
};

/// A parsed template. A cheap value; const and safe from several threads when the loader is.
class Template {
public:
    /// `file` names it in errors. Throws TemplateError. Depth and size are bounded; the time is linear in the text.
    static Template parse(std::string_view text, std::string file, TemplateOptions options);

    /// Throws TemplateError. Bounded: 64 MiB of output, 10,000,000 steps, 200 levels of calls and includes.
    [[nodiscard]] std::string render(const TemplateMap& variables) const;
    /// The names that the template reads and nothing in it sets, sorted: what a caller may give.
    [[nodiscard]] std::vector<std::string> variables() const;

private:
    struct State;
    std::shared_ptr<const State> state_;
};

}  // namespace cooper::build
