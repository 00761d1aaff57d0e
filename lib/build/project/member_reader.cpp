#include "build/project/member_reader.hpp"

#include "cooper/base/nearest.hpp"

namespace cooper::build {

std::string list_of(std::span<const std::string_view> words) {
    std::string all;
    for (const std::string_view word : words) {
        all += (all.empty() ? "" : ", ") + std::string(word);
    }
    return all;
}

void MemberReader::throw_unknown(const CommentedMember& member, const std::string& where,
                                 std::span<const std::string_view> known) const {
    const auto near = nearest(member.key, known);
    Error error = error_in_line(file_, member.line,
                                (where.empty() ? "" : oci::printable(where) + ": ") + "unknown key \"" +
                                    oci::printable(member.key) + "\"" +
                                    (near ? "; did you mean \"" + oci::printable(*near) + "\"?" : ""));
    if (!near) {
        error.advise("one of " + list_of(known));
    }
    throw error;
}

}  // namespace cooper::build
