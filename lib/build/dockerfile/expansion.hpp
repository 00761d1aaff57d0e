// Variables in the words of a Dockerfile, as BuildKit's shell lexer fills them in (`dockerfile.md` section 2; private).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

struct ExpansionOptions {
    char escape = '\\';
    bool keep_quotes = false;      ///< quotes protect, and stay
    bool keep_escapes = false;     ///< so do escape characters
    bool quotes_are_text = false;  ///< bodies of heredocs
    bool split = false;            ///< `words` are wanted
    bool keep_unset = false;       ///< variables without a value stay as they are written
};

using VariableNames = std::set<std::string, std::less<>>;

struct Expansion {
    std::string text;
    std::vector<std::string> words;  ///< with `split`: the same, split at blanks that no quote protects
    VariableNames matched;           ///< variables that had a value
    VariableNames unmatched;         ///< and those that had none
    bool complete = true;            ///< none that had none stands for nothing in `text`
};

/// Throws Error{InvalidInput}: what is wrong, without the text; too deep, or too much text.
Expansion expand(std::string_view text, const ExpansionOptions& options, const VariableLookup& variables);

}  // namespace cooper::build
