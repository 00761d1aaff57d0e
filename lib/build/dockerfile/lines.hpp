// A Dockerfile's text as logical lines, each knowing its bytes: what the Dockerfile's parser and those that change a
// few words of it begin with (private). As BuildKit's parser reads it (`dockerfile.md` section 1).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// One instruction: its lines joined, comments and blank lines between them left out.
struct DockerfileLine {
    std::size_t number = 1;  ///< of its first line, from 1
    std::size_t begin = 0;   ///< where its first line begins in the text
    std::size_t end = 0;     ///< behind its last line's break, bodies of heredocs included
    std::string text;
    std::string keyword;             ///< the first word, in upper case: "FROM"
    std::vector<std::string> flags;  ///< "--platform=linux/amd64", without quotes and escapes
    std::size_t arguments = 0;       ///< where in `text` the rest begins

    /// Where a byte of `text` stands in the Dockerfile; text.size() is the place behind the last one.
    [[nodiscard]] std::size_t place_of(std::size_t offset) const;
    [[nodiscard]] std::string_view rest() const { return std::string_view(text).substr(arguments); }

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

/// Instructions need not be known ones. Throws Error{InvalidInput} "Dockerfile:12: …" for parser directives that are
/// wrong, a heredoc without an end, what is beyond the limits.
DockerfileLines split_dockerfile(std::string_view text);

/// A word and where it stands: [begin, end) of the text that was split.
struct DockerfileWord {
    std::size_t begin = 0;
    std::size_t end = 0;
};

/// Words as FROM and COPY have them: nothing quotes a blank.
std::vector<std::string_view> split_blanks(std::string_view text);

/// Words of ARG, ENV and LABEL: blanks within quotes or behind the escape character do not end one.
std::vector<DockerfileWord> split_words(std::string_view text, char escape);

}  // namespace cooper::build
