#include "build/dockerfile/source_error.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kShownColumns = 120;

std::string_view line_at(std::string_view text, std::size_t number) {
    std::size_t begin = 0;
    for (std::size_t line = 1; line < number; ++line) {
        const auto end = text.find('\n', begin);
        if (end == std::string_view::npos) {
            return {};
        }
        begin = end + 1;
    }
    auto line = text.substr(begin, text.find('\n', begin) - begin);
    while (line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    return line;
}

/// The part of a long line that has the column, tabs as blanks, and the caret below.
std::string excerpt(std::string_view line, std::size_t column) {
    const std::size_t at = std::min(column - 1, line.size());
    const std::size_t first = at < kShownColumns ? 0 : at - kShownColumns / 2;
    std::string shown(line.substr(first, kShownColumns));
    std::replace(shown.begin(), shown.end(), '\t', ' ');
    return "\n  " + oci::printable(shown, kShownColumns) + "\n  " + std::string(at - first, ' ') + "^";
}

}  // namespace

DockerfilePosition position_of(std::string_view text, std::size_t place) {
    const auto before = text.substr(0, place);
    const auto line_begin = before.rfind('\n') + 1;  // npos + 1 is 0
    return {static_cast<std::size_t>(std::count(before.begin(), before.end(), '\n')) + 1, place - line_begin + 1};
}

DockerfileError source_error(std::string_view text, std::string_view file, DockerfilePosition position,
                             const std::string& problem, const std::string& advice) {
    const auto line = line_at(text, position.line);
    DockerfileError error(std::string(file) + ":" + std::to_string(position.line) + ":" +
                              std::to_string(position.column) + ": " + problem + excerpt(line, position.column),
                          position);
    if (!advice.empty()) {
        error.advise(advice);
    }
    return error;
}

DockerfileError source_error(std::string_view text, std::string_view file, std::size_t place,
                             const std::string& problem, const std::string& advice) {
    return source_error(text, file, position_of(text, place), problem, advice);
}

}  // namespace cooper::build
