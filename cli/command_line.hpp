// A verb's command line: which flags it takes, what they mean, and what was given. One declaration drives parsing, the
// help text and the suggestions, so they cannot disagree.
//
// Own code instead of cxxopts: there, repeatable values are split at commas (`--env LIST=a,b` would be cut), a regular
// expression is compiled at start-up, and values end up in a map of strings instead of in typed members.
#pragma once

#include "exit_code.hpp"

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::cli {

struct Example {
    std::string_view purpose;
    std::string_view command;
};

/// All texts are literals.
struct VerbText {
    std::string_view name;     ///< "publish", "s3 abort-orphans"
    std::string_view summary;  ///< one line for the list of verbs
    std::string_view usage;    ///< behind "cooper NAME "
    std::string_view about;    ///< a paragraph or two, lines already broken
    std::vector<Example> examples;
};

class CommandLine {
public:
    explicit CommandLine(VerbText text) : text_(std::move(text)) {}

    /// The flags declared next are listed under this heading.
    void heading(std::string_view title) { heading_ = title; }
    /// `names` is "--flag" or "-f, --flag". All `help` texts say the default when it is not "off" or "none".
    void toggle(std::string_view names, std::string_view help, bool& into);
    void value(std::string_view names, std::string_view placeholder, std::string_view help, std::string& into);
    void values(std::string_view names, std::string_view placeholder, std::string_view help,
                std::vector<std::string>& into);
    /// `convert` turns the text into a value; what it throws as InvalidInput becomes a UsageError that names the flag.
    template <class T, class Parse>
    void parsed(std::string_view names, std::string_view placeholder, std::string_view help, T& into, Parse convert) {
        declare(names, placeholder, help, false, [&into, convert](std::string_view given) { into = convert(given); });
    }

    /// The positional arguments; nullopt when help was asked for. Throws UsageError.
    [[nodiscard]] std::optional<std::vector<std::string>> parse(std::span<const std::string_view> arguments);

    [[nodiscard]] std::string help() const;
    [[nodiscard]] const VerbText& text() const noexcept { return text_; }

private:
    struct Flag {
        std::string_view heading;
        std::string_view names;
        std::string_view placeholder;  // empty: takes no value
        std::string_view help;
        bool repeatable = false;
        std::function<void(std::string_view)> take;
        bool seen = false;

        [[nodiscard]] bool is_called(std::string_view name) const;
        [[nodiscard]] std::string_view long_name() const;
    };

    void declare(std::string_view names, std::string_view placeholder, std::string_view help, bool repeatable,
                 std::function<void(std::string_view)> take);
    Flag& flag_called(std::string_view name);

    VerbText text_;
    std::string_view heading_ = "Options";
    std::vector<Flag> flags_;
};

/// The candidate that a slip of the fingers turned into `given`; nullopt when none is near.
std::optional<std::string_view> nearest(std::string_view given, std::span<const std::string_view> candidates);

/// A decimal number in [least, most]; throws Error{InvalidInput}.
unsigned parse_count(std::string_view text, unsigned least, unsigned most);

}  // namespace cooper::cli
