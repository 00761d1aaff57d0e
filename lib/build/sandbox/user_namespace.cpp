#include "build/sandbox/user_namespace.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/process.hpp"
#include "cooper/base/text.hpp"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::build::sandbox {

namespace {

constexpr std::size_t kMaxSubordinates = 16UL << 20U;
constexpr std::size_t kMaxRanges = 339;  // user_namespaces(7): 340 lines
constexpr std::size_t kMaxMap = 64UL << 10U;

/// Maps are taken in one write or not at all.
void write_proc(pid_t child, const char* name, const std::string& text) {
    const auto path = "/proc/" + std::to_string(child) + "/" + name;
    const FileDescriptor file(open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!file.valid() || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size())) {
        throw SystemError("cannot write " + path, errno);
    }
}

std::string user_name(uid_t uid) {
    std::array<char, 16 * 1024> buffer{};
    passwd entry{};
    passwd* found = nullptr;
    if (getpwuid_r(uid, &entry, buffer.data(), buffer.size(), &found) != 0 || found == nullptr) {
        return std::to_string(uid);
    }
    return found->pw_name;
}

/// All ids that we have, under the numbers that they have here.
std::string identity_map(const char* of_ours) {
    std::string map;
    const auto ours = read_file(of_ours, kMaxMap);
    for (const auto line : split(ours, '\n')) {
        std::vector<std::string> numbers;
        for (const auto word : split(line, ' ')) {
            if (!word.empty()) {
                numbers.emplace_back(word);
            }
        }
        if (numbers.size() == 3) {
            map.append(numbers[0]).append(" ").append(numbers[0]).append(" ").append(numbers[2]).append("\n");
        }
    }
    return map;
}

void map_all(pid_t child) {
    write_proc(child, "uid_map", identity_map("/proc/self/uid_map"));
    write_proc(child, "gid_map", identity_map("/proc/self/gid_map"));
}

void map_one(pid_t child) {
    write_proc(child, "setgroups", "deny");
    write_proc(child, "uid_map", "0 " + std::to_string(geteuid()) + " 1\n");
    write_proc(child, "gid_map", "0 " + std::to_string(getegid()) + " 1\n");
}

/// Through the helper that may: it checks the ranges again and is the only one that can give them.
void map_ranges(pid_t child, const std::string& helper, const std::string& file, std::uint64_t id) {
    const auto name = user_name(geteuid());
    const auto ranges = ranges_of(find_file(file, kMaxSubordinates).value_or(""), name, id);
    if (ranges.size() < 2) {
        Error error(ErrorCode::Unsupported, "no subordinate ids for user " + name + " in " + file);
        error.advise("add them as root: usermod --add-subuids 100000-165535 --add-subgids 100000-165535 " + name);
        throw error;
    }
    ProcessRequest request;
    request.arguments = {helper, std::to_string(child)};
    for (const auto& range : ranges) {
        for (const auto number : {range.inside, range.outside, range.count}) {
            request.arguments.push_back(std::to_string(number));
        }
    }
    const auto result = run_process(request, {});
    if (result.exit_status != 0) {
        throw Error(ErrorCode::Unsupported, helper + " failed: " + std::string(trim(result.error_output)));
    }
}

std::string find_helper(const std::string& name) {
    try {
        return find_program(name, Environment::process());
    } catch (const Error&) {
        Error error(ErrorCode::Unsupported, "there is no " + name + " here");
        error.advise("install it (package uidmap or shadow-utils)");
        throw error;
    }
}

}  // namespace

std::vector<IdRange> ranges_of(std::string_view subordinates, std::string_view name, std::uint64_t id) {
    std::vector<IdRange> ranges{{0, id, 1}};
    std::uint64_t inside = 1;
    const auto number = std::to_string(id);
    for (const auto line : split(subordinates, '\n')) {
        const auto fields = split(trim(line), ':');
        if (fields.size() != 3 || (fields[0] != name && fields[0] != number) || ranges.size() > kMaxRanges) {
            continue;
        }
        const auto start = parse_uint(fields[1]);
        const auto count = parse_uint(fields[2]);
        constexpr std::uint64_t kAll = 0xffffffff;
        if (start && count && *count > 0 && *start < kAll && *count <= kAll - *start && inside + *count <= kAll) {
            ranges.push_back({inside, *start, *count});
            inside += *count;
        }
    }
    return ranges;
}

void map_ids(pid_t child, Isolation isolation) {
    if (isolation == Isolation::SingleUser) {
        map_one(child);
    } else if (geteuid() == 0) {
        map_all(child);
    } else {
        const auto user_helper = find_helper("newuidmap");
        const auto group_helper = find_helper("newgidmap");
        map_ranges(child, user_helper, "/etc/subuid", geteuid());
        map_ranges(child, group_helper, "/etc/subgid", getegid());
    }
}

void become_root(Isolation isolation) {
    if ((isolation != Isolation::SingleUser && setgroups(0, nullptr) != 0) || setresgid(0, 0, 0) != 0 ||
        setresuid(0, 0, 0) != 0) {
        throw SystemError("cannot become root in a user namespace", errno);
    }
}

}  // namespace cooper::build::sandbox
