// A Dockerfile's text as logical lines, each knowing its bytes: what the Dockerfile's parser and those that change a
// few words of it begin with (private). As BuildKit's parser reads it (`dockerfile.md` section 1).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// A leading word "--…", without quotes and escapes.
struct DockerfileFlag {
    std::string text;
    std::size_t offset = 0;  ///< in the line's text
};

/// One instruction: its lines joined, comments and blank lines between them left out.
struct DockerfileLine {
    std::size_t number = 1;  ///< of its first line, from 1
    std::size_t last = 1;    ///< of its last one, bodies of heredocs included
    std::size_t begin = 0;   ///< where its first line begins in the text
    std::size_t end = 0;     ///< behind its last line's break, bodies of heredocs included
    std::string text;
    std::string word;     ///< the first word, as it is written: "From"
    std::string keyword;  ///< in upper case: "FROM"
    std::vector<DockerfileFlag> flags;
    std::size_t arguments = 0;                     ///< where in `text` the rest begins
    std::size_t end_of_arguments = 0;              ///< and where it ends, without blanks
    std::vector<Heredoc> heredocs;                 ///< tabs not cut
    std::vector<std::string> comments;             ///< the comments above it
    std::optional<std::size_t> blank_line;         ///< number of a blank line within
    std::optional<std::vector<std::string>> json;  ///< the arguments, when they are an array of strings

    /// Where a byte of `text` stands in the Dockerfile; text.size() is the place behind the last one.
    [[nodiscard]] std::size_t place_of(std::size_t offset) const;
    [[nodiscard]] std::string_view rest() const {
        return std::string_view(text).substr(arguments, end_of_arguments - arguments);
    }

    struct Piece {
        std::size_t offset;  ///< in `text`
        std::size_t place;   ///< in the Dockerfile
    };
    std::vector<Piece> pieces;
};

struct DockerfileLines {
    char escape = '\\';
    std::vector<DockerfileLine> lines;
};

/// Instructions need not be known ones. Throws DockerfileError for parser directives that are wrong, a heredoc without
/// an end, arrays of anything but strings, what is beyond the limits.
DockerfileLines split_dockerfile(std::string_view text, std::string_view file = "Dockerfile");

/// The instruction that stands within ONBUILD: keyword, flags and arguments, without place and heredocs.
DockerfileLine trigger_of(const DockerfileLine& onbuild, char escape);

/// A word and where it stands: [begin, end) of the text that was split.
struct DockerfileWord {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// Words as FROM and COPY have them: nothing quotes a blank.
std::vector<std::string_view> split_blanks(std::string_view text);

/// Words of ARG, ENV and LABEL: blanks within quotes or behind the escape character do not end one; an escape character
/// at the end of the text is left out.
std::vector<DockerfileWord> split_words(std::string_view text, char escape);

/// DIGITS << [-] NAME, without content; nullopt when `word` is no such thing. Throws Error{InvalidInput} for quotes
/// without an end.
std::optional<Heredoc> parse_heredoc_word(std::string_view word);

/// Without the tabs at the beginning of its lines.
std::string without_leading_tabs(std::string_view text);

}  // namespace cooper::build
