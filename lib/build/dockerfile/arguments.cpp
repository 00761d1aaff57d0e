#include "build/dockerfile/arguments.hpp"

#include "cooper/base/error.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr int kMaxNesting = 32;

bool is_name_character(char character) {
    return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
           (character >= '0' && character <= '9') || character == '_';
}

bool is_plain(char character) {
    return is_name_character(character) || std::string_view("./:@+,=-%").find(character) != std::string_view::npos;
}

class Expansion {
public:
    Expansion(const DockerfileVariables& variables, char escape) : variables_(variables), escape_(escape) {}

    std::optional<std::string> expand(std::string_view word, int depth = 0) const {
        std::string text;
        char quote = 0;
        for (std::size_t i = 0; i < word.size(); ++i) {
            if (word[i] == escape_ && quote != '\'' && i + 1 < word.size()) {
                const char next = word[++i];
                const bool kept = quote == '"' && next != '"' && next != '$' && next != escape_;
                text += (kept ? std::string(1, escape_) : "") + next;
            } else if (quote == 0 && (word[i] == '\'' || word[i] == '"')) {
                quote = word[i];
            } else if (word[i] == quote) {
                quote = 0;
            } else if (word[i] == '$' && quote != '\'') {
                const auto value = expand_variable(word, i, depth);
                if (!value) {
                    return std::nullopt;
                }
                text += *value;
            } else {
                text += word[i];
            }
        }
        return text;
    }

private:
    /// `at` is the dollar sign's place, and its last character's afterwards.
    std::optional<std::string> expand_variable(std::string_view word, std::size_t& at, int depth) const {
        if (depth == kMaxNesting || at + 1 == word.size()) {
            return std::nullopt;
        }
        const bool braces = word[at + 1] == '{';
        const std::size_t begin = at + (braces ? 2 : 1);
        std::size_t end = begin;
        while (end < word.size() && is_name_character(word[end])) {
            ++end;
        }
        const auto found = variables_.find(word.substr(begin, end - begin));
        const auto value = found == variables_.end() ? std::nullopt : std::optional(found->second);
        if (!braces) {
            at = end - 1;
            return end == begin ? std::nullopt : value;
        }
        const auto close = closing_brace(word, end);
        if (!close || end == begin) {
            return std::nullopt;
        }
        at = *close;
        return end == *close ? value : modified(value, word.substr(end, *close - end), depth);
    }

    static std::optional<std::size_t> closing_brace(std::string_view word, std::size_t from) {
        std::size_t open = 1;
        for (std::size_t i = from; i < word.size(); ++i) {
            if (word[i] == '{') {
                ++open;
            } else if (word[i] == '}' && --open == 0) {
                return i;
            }
        }
        return std::nullopt;
    }

    std::optional<std::string> modified(const std::optional<std::string>& value, std::string_view modifier,
                                        int depth) const {
        const bool colon = modifier.starts_with(':');
        modifier.remove_prefix(colon ? 1 : 0);
        if (modifier.empty() || (modifier[0] != '-' && modifier[0] != '+')) {
            return std::nullopt;
        }
        const bool there = value && !(colon && value->empty());
        if (modifier[0] == '-') {
            return there ? value : expand(modifier.substr(1), depth + 1);
        }
        return there ? expand(modifier.substr(1), depth + 1) : std::optional<std::string>("");
    }

    const DockerfileVariables& variables_;
    char escape_;
};

}  // namespace

std::string quoted_argument(std::string_view name, std::string_view value, char escape) {
    if (value.find_first_of(std::string_view("\r\n\0", 3)) != std::string_view::npos) {
        throw Error(ErrorCode::InvalidInput, "the value of the build argument " + oci::printable(name) +
                                                 " has a line break, which no Dockerfile can hold");
    }
    if (!value.empty() && std::all_of(value.begin(), value.end(), is_plain)) {
        return std::string(value);
    }
    std::string quoted = "\"";
    for (const char character : value) {
        if (character == '"' || character == '$' || character == escape) {
            quoted += escape;
        }
        quoted += character;
    }
    return quoted + '"';
}

std::optional<std::string> expand_word(std::string_view word, const DockerfileVariables& variables, char escape) {
    return Expansion(variables, escape).expand(word);
}

}  // namespace cooper::build
