#include "build/project/matrix_member.hpp"

#include "build/matrix/matrix_text.hpp"
#include "build/project/setting_checks.hpp"

namespace cooper::build {

namespace {

using Pairs = std::vector<std::pair<std::string, std::string>>;
using Check = void (*)(std::string_view);

constexpr std::string_view kAxisForm = R"(a list of texts, or "@FILE")";

/// A text, and nothing that looks like one: 3.10 has become 3.1 when it is read as a number.
std::string& take_text(CommentedValue& value, const std::string& where, const MemberReader& reader) {
    if (std::holds_alternative<double>(value.data) || std::holds_alternative<std::int64_t>(value.data)) {
        throw error_in_line(reader.file_name(), value.line, oci::printable(where) + ": expected a text, found a number")
            .advise("write it in quotes, \"3.10\": as a number 3.10 is 3.1");
    }
    return reader.take<std::string>(value, where, "a text in quotes");
}

MatrixAxis read_axis(CommentedMember& member, const std::string& where, const MemberReader& reader) {
    reader.in_line(member.line, where, [&] { check_matrix_axis_name(member.key); });
    MatrixAxis axis{std::move(member.key), {}};
    if (const auto* const file = std::get_if<std::string>(&member.value.data)) {
        reader.in_line(member.value.line, where, [&] {
            if (!file->starts_with('@')) {
                throw invalid_matrix(quoted_text(*file) + " is neither " + std::string(kAxisForm));
            }
            axis.file = file->substr(1);
            check_file_below(axis.file);
        });
        return axis;
    }
    for (CommentedValue& element : reader.take<CommentedList>(member.value, where, kAxisForm)) {
        axis.values.push_back(take_text(element, MemberReader::numbered(where, axis.values.size()), reader));
    }
    reader.in_line(member.value.line, where, [&] { check_matrix_axis(axis); });
    return axis;
}

/// An object of names and texts.
Pairs read_pairs(CommentedValue& value, const std::string& where, Check check_text, const MemberReader& reader) {
    Pairs pairs;
    for (CommentedMember& member : reader.take<CommentedObject>(value, where, "an object of texts")) {
        const std::string way = where + "." + member.key;
        reader.in_line(member.line, where, [&] { check_matrix_name(member.key); });
        std::string& text = take_text(member.value, way, reader);
        reader.in_line(member.value.line, way, [&] { check_text(text); });
        pairs.emplace_back(std::move(member.key), std::move(text));
    }
    return pairs;
}

std::vector<MatrixMatch> read_rules(CommentedValue& value, const std::string& where, const MemberReader& reader) {
    std::vector<MatrixMatch> rules;
    for (CommentedValue& element : reader.take<CommentedList>(value, where, "a list of objects")) {
        const std::string way = MemberReader::numbered(where, rules.size());
        rules.push_back(read_pairs(element, way, check_matrix_value, reader));
        if (rules.back().empty()) {
            throw error_in_line(reader.file_name(), element.line, way + ": says nothing");
        }
    }
    return rules;
}

}  // namespace

MatrixSpec read_matrix_member(CommentedValue& value, const MemberReader& reader) {
    MatrixSpec spec;
    for (CommentedMember& member : reader.take<CommentedObject>(value, "matrix", "an object")) {
        const std::string where = "matrix." + member.key;
        if (member.key == "axes") {
            for (CommentedMember& axis : reader.take<CommentedObject>(member.value, where, "an object of lists")) {
                spec.axes.push_back(read_axis(axis, where + "." + axis.key, reader));
            }
        } else if (member.key == "include") {
            spec.include = read_rules(member.value, where, reader);
        } else if (member.key == "exclude") {
            spec.exclude = read_rules(member.value, where, reader);
        } else if (member.key == "make") {
            spec.made = read_pairs(member.value, where, check_matrix_template, reader);
        } else if (member.key == "small") {
            spec.small = read_rules(member.value, where, reader);
        } else {
            reader.throw_unknown(member, "matrix", kMatrixKeys);
        }
    }
    return spec;
}

}  // namespace cooper::build
