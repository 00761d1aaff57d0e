#include "build/matrix/matrix_text.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>
#include <unordered_set>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxAxisFile = 256U << 10;
constexpr std::size_t kMaxAxisValues = 4096;  // an exclude may leave few of them

bool is_ascii_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_name_character(char c) {
    return is_ascii_letter(c) || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

/// NAME and what stands behind its "=".
std::pair<std::string_view, std::string_view> split_name(std::string_view text, std::string_view form) {
    const std::size_t equals = text.find('=');
    if (equals == std::string_view::npos || trim(text.substr(0, equals)).empty()) {
        throw invalid_matrix(quoted_text(text) + " is not " + std::string(form));
    }
    return {trim(text.substr(0, equals)), text.substr(equals + 1)};
}

std::string_view without_comment(std::string_view line) {
    for (std::size_t at = line.find('#'); at != std::string_view::npos; at = line.find('#', at + 1)) {
        if (at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t') {
            return line.substr(0, at);
        }
    }
    return line;
}

std::vector<std::string> read_axis_file(const std::filesystem::path& file) {
    const std::string text = read_file(file, kMaxAxisFile);
    std::vector<std::string> values;
    for (const std::string_view line : split(text, '\n')) {
        const std::string_view value = trim(without_comment(line));
        if (!value.empty()) {
            values.emplace_back(value);
        }
    }
    if (values.empty()) {
        throw invalid_matrix("'" + oci::printable(file.string()) + "' holds no values").advise("one value a line");
    }
    return values;
}

/// The length of the name behind an opening brace.
std::size_t name_length(std::string_view rest) {
    const auto* const end = std::find_if_not(rest.begin(), rest.end(), is_name_character);
    return static_cast<std::size_t>(end - rest.begin());
}

}  // namespace

Error invalid_matrix(const std::string& message) {
    return {ErrorCode::InvalidInput, message};
}

std::string quoted_text(std::string_view text) {
    return "\"" + oci::printable(text) + "\"";
}

void check_matrix_name(std::string_view name) {
    if (name.empty() || name.size() > kMaxMatrixName || !(is_ascii_letter(name.front()) || name.front() == '_') ||
        !std::all_of(name.begin(), name.end(), is_name_character)) {
        throw invalid_matrix(quoted_text(name) +
                             " is no name for a value of a matrix: a letter or '_', then letters, digits, '_' " +
                             "and '-', at most " + std::to_string(kMaxMatrixName));
    }
}

void check_matrix_axis_name(std::string_view name) {
    check_matrix_name(name);
    if (equals_ignoring_case(name, "include") || equals_ignoring_case(name, "exclude")) {
        throw invalid_matrix(quoted_text(name) + " cannot be an axis: in a matrix that word lists jobs");
    }
}

void check_matrix_value(std::string_view value) {
    if (value.size() > kMaxMatrixValue) {
        throw invalid_matrix(quoted_text(value) + " is longer than " + std::to_string(kMaxMatrixValue) + " bytes");
    }
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
    if (std::any_of(value.begin(), value.end(), is_control) || !is_valid_utf8(value)) {
        throw invalid_matrix(quoted_text(value) + " has a control character, or is not UTF-8");
    }
}

void check_matrix_axis(const MatrixAxis& axis) {
    if (!axis.file.empty()) {
        return;
    }
    if (axis.values.empty() || axis.values.size() > kMaxAxisValues) {
        throw invalid_matrix("axis " + axis.name + " has " + std::to_string(axis.values.size()) + " values, not 1 to " +
                             std::to_string(kMaxAxisValues));
    }
    std::unordered_set<std::string_view> seen;
    for (const std::string& value : axis.values) {
        in_context("axis " + axis.name, [&] { check_matrix_value(value); });
        if (!seen.insert(value).second) {
            throw invalid_matrix("axis " + axis.name + " has the value " + quoted_text(value) + " twice");
        }
    }
}

std::string describe(const MatrixMatch& match) {
    std::string text;
    for (const auto& [name, value] : match) {
        text += (text.empty() ? "" : ", ") + name + "=" + oci::printable(value);
    }
    return text;
}

const std::string* find_value(const MatrixMatch& match, std::string_view name) {
    const auto found = std::find_if(match.begin(), match.end(), [&](const auto& pair) { return pair.first == name; });
    return found == match.end() ? nullptr : &found->second;
}

std::string fill_matrix_template(std::string_view text, const MatrixValueOf& value_of) {
    std::string filled;
    for (std::size_t at = 0; at < text.size(); ++at) {
        const char c = text[at];
        const std::string_view rest = text.substr(at + 1);
        if (c != '{' && c != '}') {
            filled.push_back(c);
        } else if (rest.starts_with(c)) {
            filled.push_back(c);
            ++at;
        } else {
            const std::size_t length = name_length(rest);
            if (c == '}' || length == 0 || length == rest.size() || rest[length] != '}') {
                throw invalid_matrix("template " + quoted_text(text) + ": '" + c + "' at byte " + std::to_string(at) +
                                     " belongs to no {name}")
                    .advise("write {{ and }} for braces");
            }
            filled += value_of(rest.substr(0, length));
            at += length + 1;
        }
        if (filled.size() > kMaxMatrixValue) {
            throw invalid_matrix("template " + quoted_text(text) + " makes more than " +
                                 std::to_string(kMaxMatrixValue) + " bytes");
        }
    }
    return filled;
}

void check_matrix_template(std::string_view text) {
    check_matrix_value(text);
    fill_matrix_template(text, [](std::string_view name) {
        check_matrix_name(name);
        return std::string_view();
    });
}

MatrixAxis parse_matrix_axis(std::string_view text, const std::filesystem::path& directory) {
    const auto [name, list] = split_name(text, "NAME=VALUE,VALUE or NAME=@FILE");
    check_matrix_axis_name(name);
    MatrixAxis axis{std::string(name), {}};
    if (const std::string_view file = trim(list); file.starts_with('@')) {
        axis.file = file.substr(1);
        MatrixSpec alone;
        alone.axes.push_back(std::move(axis));
        read_matrix_files(alone, directory);
        return std::move(alone.axes.front());
    }
    for (const std::string_view value : split(list, ',')) {
        if (trim(value).empty()) {
            throw invalid_matrix(quoted_text(text) + " has an empty value");
        }
        axis.values.emplace_back(trim(value));
    }
    check_matrix_axis(axis);
    return axis;
}

MatrixMatch parse_matrix_match(std::string_view text) {
    MatrixMatch match;
    for (const std::string_view part : split(text, ',')) {
        const auto [name, value] = split_name(part, "NAME=VALUE");
        check_matrix_name(name);
        check_matrix_value(trim(value));
        if (find_value(match, name) != nullptr) {
            throw invalid_matrix(quoted_text(text) + " names " + std::string(name) + " twice");
        }
        match.emplace_back(name, trim(value));
    }
    return match;
}

std::pair<std::string, std::string> parse_matrix_template(std::string_view text) {
    const auto [name, made] = split_name(text, "NAME=TEMPLATE");
    check_matrix_name(name);
    check_matrix_template(made);
    return {std::string(name), std::string(made)};
}

std::pair<std::string, std::string> parse_matrix_value(std::string_view text) {
    const auto [name, value] = split_name(text, "NAME=VALUE");
    check_matrix_name(name);
    check_matrix_value(value);
    return {std::string(name), std::string(value)};
}

void read_matrix_files(MatrixSpec& spec, const std::filesystem::path& directory) {
    for (MatrixAxis& axis : spec.axes) {
        if (axis.file.empty()) {
            continue;
        }
        in_context("axis " + axis.name, [&] { axis.values = read_axis_file(directory / axis.file); });
        axis.file.clear();
        check_matrix_axis(axis);
    }
}

}  // namespace cooper::build
