// USER of a Dockerfile, by the rules that Docker and BuildKit share (moby/sys/user, GetExecUser).
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/sandbox/root_paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxUserFile = 16UL << 20U;
/// Docker refuses what does not fit a signed 32-bit number.
constexpr std::uint64_t kMaxId = 0x7fffffff;

struct PasswdEntry {
    std::string name;
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string home;
};

struct GroupEntry {
    std::string_view name;
    std::uint32_t gid = 0;
    std::vector<std::string_view> members;
};

std::optional<std::uint32_t> parse_id(std::string_view text) {
    const auto value = parse_uint(text);
    return value && *value <= kMaxId ? std::optional(static_cast<std::uint32_t>(*value)) : std::nullopt;
}

bool is_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

/// A name, or a number that wins over a name of the same digits.
struct Wanted {
    std::string_view text;
    std::optional<std::uint32_t> id;

    Wanted(std::string_view given, std::string_view what) : text(given) {
        if (is_number(given)) {
            id = parse_id(given);
            if (!id) {
                throw Error(ErrorCode::InvalidInput, "the number of " + std::string(what) + " '" +
                                                         oci::printable(given) + "' is larger than " +
                                                         std::to_string(kMaxId));
            }
        }
    }
    [[nodiscard]] bool matches(std::string_view name, std::uint32_t number) const {
        return id ? *id == number : text == name;
    }
};

template <class Entry>
void for_each_line(std::string_view text, std::size_t min_fields, const Entry& entry) {
    for (std::string_view line : split(text, '\n')) {
        line = trim(line);
        if (line.empty() || line.front() == '#') {
            continue;
        }
        const auto fields = split(line, ':');
        if (fields.size() >= min_fields) {
            entry(fields);
        }
    }
}

std::optional<PasswdEntry> find_entry(std::string_view passwd, const Wanted& user) {
    std::optional<PasswdEntry> found;
    for_each_line(passwd, 4, [&](const std::vector<std::string_view>& fields) {
        const auto uid = parse_id(fields[2]);
        if (!found && uid && user.matches(fields[0], *uid)) {
            found = PasswdEntry{std::string(fields[0]), *uid, parse_id(fields[3]).value_or(0),
                                fields.size() > 5 ? std::string(fields[5]) : std::string()};
        }
    });
    return found;
}

template <class Visit>
void for_each_group(std::string_view groups, const Visit& visit) {
    for_each_line(groups, 3, [&](const std::vector<std::string_view>& fields) {
        if (const auto gid = parse_id(fields[2])) {
            visit(GroupEntry{fields[0], *gid,
                             fields.size() > 3 ? split(fields[3], ',') : std::vector<std::string_view>{}});
        }
    });
}

std::uint32_t find_group(std::string_view groups, std::string_view name) {
    const Wanted group(name, "group");
    std::optional<std::uint32_t> found;
    for_each_group(groups, [&](const GroupEntry& entry) {
        if (!found && group.matches(entry.name, entry.gid)) {
            found = entry.gid;
        }
    });
    if (!found && !group.id) {
        Error error(ErrorCode::InvalidInput, "there is no group '" + oci::printable(name) + "' in /etc/group");
        error.advise("groups are looked up in the image's own files: add it by an earlier RUN, or use its number");
        throw error;
    }
    return found ? *found : *group.id;
}

}  // namespace

SandboxUser find_user(const std::filesystem::path& root, std::string_view user) {
    const auto colon = user.find(':');
    const auto user_name = user.substr(0, colon);
    const auto group_name = colon == std::string_view::npos ? std::string_view() : user.substr(colon + 1);
    const Wanted wanted(user_name.empty() ? "0" : user_name, "user");

    const auto directory = sandbox::open_directory(root.string());
    const auto passwd = sandbox::read_in_root(directory.get(), "/etc/passwd", kMaxUserFile).value_or("");
    const auto groups = sandbox::read_in_root(directory.get(), "/etc/group", kMaxUserFile).value_or("");

    SandboxUser result;
    const auto entry = find_entry(passwd, wanted);
    if (entry) {
        result.uid = entry->uid;
        result.gid = entry->gid;
        result.home = entry->home.empty() ? "/" : entry->home;
    } else if (wanted.id) {
        result.uid = *wanted.id;
    } else {
        Error error(ErrorCode::InvalidInput, "there is no user '" + oci::printable(user_name) + "' in /etc/passwd");
        error.advise("users are looked up in the image's own files: add it by an earlier RUN, or use its number");
        throw error;
    }
    if (!group_name.empty()) {
        result.gid = find_group(groups, group_name);
    } else if (entry) {
        for_each_group(groups, [&](const GroupEntry& group) {
            if (std::find(group.members.begin(), group.members.end(), entry->name) != group.members.end()) {
                result.groups.push_back(group.gid);
            }
        });
    }
    return result;
}

}  // namespace cooper::build
