#include "build/snapshot/scrub.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "build/paths.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>
#include <span>

namespace cooper::build {

namespace {

struct ScrubList {
    std::string_view name;
    std::span<const std::string_view> files;
    std::span<const std::string_view> below;  ///< all that these directories hold, not they themselves
    std::span<const std::string_view> names;  ///< files or directories, with all in them, wherever they lie
    std::span<const std::string_view> endings;
};

// Logs, caches and lists that apt, dpkg, ldconfig and their triggers write again when they are missed.
constexpr std::array<std::string_view, 10> kDebianFiles{"var/log/dpkg.log",
                                                        "var/log/alternatives.log",
                                                        "var/log/bootstrap.log",
                                                        "var/log/fontconfig.log",
                                                        "var/cache/ldconfig/aux-cache",
                                                        "var/cache/debconf/config.dat-old",
                                                        "var/cache/debconf/templates.dat-old",
                                                        "var/lib/dpkg/status-old",
                                                        "var/lib/dpkg/available-old",
                                                        "root/.wget-hsts"};
constexpr std::array<std::string_view, 5> kDebianBelow{"var/log/apt", "var/lib/apt/lists", "var/cache/apt",
                                                       "var/cache/fontconfig", "var/cache/man"};
constexpr std::array<std::string_view, 2> kAlpineFiles{"var/log/apk.log", "root/.wget-hsts"};
constexpr std::array<std::string_view, 3> kAlpineBelow{"var/cache/apk", "etc/apk/cache", "var/cache/fontconfig"};
constexpr std::array<std::string_view, 1> kPythonFiles{"root/.python_history"};
constexpr std::array<std::string_view, 2> kPythonBelow{"root/.cache/pip", "root/.cache/uv"};
constexpr std::array<std::string_view, 1> kPythonNames{"__pycache__"};
constexpr std::array<std::string_view, 2> kPythonEndings{".pyc", ".pyo"};

constexpr std::array<ScrubList, 3> kLists{{{"debian", kDebianFiles, kDebianBelow, {}, {}},
                                           {"alpine", kAlpineFiles, kAlpineBelow, {}, {}},
                                           {"python", kPythonFiles, kPythonBelow, kPythonNames, kPythonEndings}}};

const ScrubList& find_list(const std::string& name) {
    const auto found =
        std::find_if(kLists.begin(), kLists.end(), [&](const ScrubList& list) { return list.name == name; });
    if (found == kLists.end()) {
        Error error(ErrorCode::InvalidInput, "no list of files to scrub is called '" + oci::printable(name) + "'");
        error.advise("there are debian, alpine and python");
        throw Error(error);
    }
    return *found;
}

bool lies_below(std::string_view path, std::string_view directory) {
    return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

/// Whiteouts only in directories that go as a whole: what else was removed is the same in each run.
bool names(const ScrubList& list, const Member& member) {
    const auto any = [](std::span<const std::string_view> values, const auto& matches) {
        return std::any_of(values.begin(), values.end(), matches);
    };
    const auto parts = split(member.whiteout ? parent_path(member.path) : std::string_view(member.path), '/');
    if (any(list.names,
            [&](std::string_view name) { return std::find(parts.begin(), parts.end(), name) != parts.end(); })) {
        return true;
    }
    const bool is_file = !S_ISDIR(member.status.st_mode);
    return !member.whiteout &&
           (any(list.files, [&](std::string_view file) { return member.path == file; }) ||
            any(list.below, [&](std::string_view directory) { return lies_below(member.path, directory); }) ||
            (is_file && any(list.endings, [&](std::string_view ending) { return member.path.ends_with(ending); })));
}

}  // namespace

std::vector<Member> take_scrubbed(Changes& changes, const std::vector<std::string>& lists) {
    std::vector<const ScrubList*> wanted;
    for (const auto& name : lists) {
        wanted.push_back(&find_list(name));
    }
    if (wanted.empty()) {
        return {};
    }
    const auto stays = [&](const Member& member) {
        return std::none_of(wanted.begin(), wanted.end(), [&](const ScrubList* list) { return names(*list, member); });
    };
    const auto border = std::stable_partition(changes.members.begin(), changes.members.end(), stays);
    std::vector<Member> taken(std::make_move_iterator(border), std::make_move_iterator(changes.members.end()));
    changes.members.erase(border, changes.members.end());
    return taken;
}

}  // namespace cooper::build
