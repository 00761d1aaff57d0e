#include "build/context/members.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/build/hash_tags.hpp"

#include "build/context/links.hpp"
#include "build/context/secrets.hpp"
#include "build/paths.hpp"
#include "build/tree/dockerignore_pattern.hpp"
#include "build/tree/tree_listing.hpp"
#include "oci/printable.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <set>
#include <utility>

namespace cooper::build {

namespace {

/// Files at the context's root by which builders leave out what they find there. The patterns count already: a second
/// time, below a prefix or against files that were named on purpose, they would leave out what belongs to the context,
/// and they would do so for `docker build .` and podman but not for a tar that dockerd gets.
constexpr std::array<std::string_view, 4> kIgnoreFiles = {".dockerignore", ".containerignore",
                                                          "Dockerfile.dockerignore", "Dockerfile.containerignore"};

constexpr std::size_t kNamesInMessage = 10;

std::string shown(const std::string& path) {
    return "'" + oci::printable(path, kMaxPath) + "'";
}

/// `path` cleaned; "" is the root itself.
std::string path_inside(const std::string& path, const std::string& what) {
    auto cleaned = clean_file_path(path);
    if (cleaned.starts_with('/') || cleaned == ".." || cleaned.starts_with("../")) {
        throw Error(ErrorCode::InvalidInput, what + " '" + oci::printable(path) + "' leads out of the directory");
    }
    check_path(cleaned);
    return cleaned == "." ? std::string() : cleaned;
}

bool is_at_or_below(std::string_view path, std::string_view directory) {
    return directory.empty() || path == directory || (path.starts_with(directory) && path[directory.size()] == '/');
}

class Lister {
public:
    Lister(const ContextOptions& options, const Run& run)
        : options_(options), run_(run), prefix_(path_inside(options.prefix, "the prefix")) {}

    ContextMembers list() {
        add_sources();
        for (const auto& file : options_.files) {
            add_file(file);
        }
        add_directories_above();
        sort_and_join();
        return std::move(found_);
    }

private:
    void add_sources() {
        TreeOptions tree;
        tree.root = options_.root;
        tree.sources = options_.sources;
        tree.ignore = default_ignore();
        tree.ignore.insert(tree.ignore.end(), options_.ignore.begin(), options_.ignore.end());
        tree.dockerignore = options_.dockerignore;
        auto listing = list_tree(tree, run_);
        found_.files = std::make_shared<const TreeFiles>(std::move(listing.root), options_.root);
        add(std::move(listing), {"", prefix_}, kSources);
    }

    [[nodiscard]] std::vector<std::string> default_ignore() const {
        return options_.default_ignore ? std::vector<std::string>(kDefaultIgnore.begin(), kDefaultIgnore.end())
                                       : std::vector<std::string>();
    }

    /// A file that is named goes in, whatever is ignored; of a directory, all but what tools leave behind.
    void add_file(const ExtraFile& file) {
        const auto from = path_inside(file.from, "the file");
        struct stat status {};
        const bool there = lstat((options_.root / from).c_str(), &status) == 0;
        if (!there && file.optional && (errno == ENOENT || errno == ENOTDIR)) {
            return;
        }
        const bool is_directory = there && S_ISDIR(status.st_mode);
        TreeOptions tree;
        tree.root = options_.root;
        tree.sources = {from.empty() ? "." : from};
        tree.dockerignore = false;
        tree.ignore = is_directory ? default_ignore() : std::vector<std::string>();
        auto listing = list_tree(tree, run_);
        if (file.to.empty()) {
            add(std::move(listing), {"", prefix_}, kNamed);
            return;
        }
        const auto to = path_inside(file.to, "the place of a file");
        if (to.empty() && !is_directory) {
            throw Error(ErrorCode::InvalidInput, "the file " + shown(from) + " cannot be the context's root")
                .advise("give it a name in the context");
        }
        add(std::move(listing), {from, to}, kNamed);
    }

    enum Origin : std::uint8_t { kSources, kNamed };

    void add(TreeListing listing, ContextPlace place, Origin origin) {
        const auto number = static_cast<std::uint32_t>(found_.places.size());
        auto file = listing.files.begin();
        for (auto& entry : listing.tree.entries) {
            const auto status = entry.kind == EntryKind::File ? (file++)->status : FileStatus();
            if (!is_at_or_below(entry.path, place.from) || (place.to.empty() && entry.path == place.from)) {
                continue;
            }
            ContextMember member;
            member.name =
                entry.path == place.from
                    ? place.to
                    : join_path(place.to,
                                std::string_view(entry.path).substr(place.from.empty() ? 0 : place.from.size() + 1));
            if (origin == kSources && is_replaced(member.name, entry, status)) {
                continue;
            }
            check_path(member.name);
            member.kind = entry.kind;
            member.mode = entry.mode;
            member.place = number;
            member.status = status;
            member.link = std::move(entry.link);
            found_.members.push_back(std::move(member));
        }
        found_.places.push_back(std::move(place));
        if (found_.members.size() > TarLimits().max_entries) {
            throw Error(ErrorCode::InvalidInput, "the build context holds more than the limit of " +
                                                     std::to_string(TarLimits().max_entries) + " entries");
        }
    }

    /// Something else stands at this name in the context, or nothing at all.
    bool is_replaced(const std::string& name, const TreeEntry& entry, const FileStatus& status) {
        if (entry.kind == EntryKind::Directory) {
            return false;
        }
        if (name != kContextDockerfile) {
            return std::find(kIgnoreFiles.begin(), kIgnoreFiles.end(), name) != kIgnoreFiles.end();
        }
        const bool same = entry.kind == EntryKind::File && entry.size == options_.dockerfile.size() &&
                          found_.files->beginning(entry.path, status, entry.size) == options_.dockerfile;
        if (!same) {
            run_.progress->notice(NoticeLevel::Info, "left out " + found_.files->shown(entry.path) +
                                                         ": the context's Dockerfile is the generated one");
        }
        return true;
    }

    void add_directories_above() {
        std::set<std::string, std::less<>> above;
        for (const auto& place : found_.places) {
            for (auto path = parent_path(place.to); !path.empty(); path = parent_path(path)) {
                above.emplace(path);
            }
            if (place.from.empty() && !place.to.empty()) {
                above.insert(place.to);  // the root is no entry of its own
            }
        }
        for (const auto& path : above) {
            ContextMember directory;
            directory.name = path;
            directory.kind = EntryKind::Directory;
            directory.mode = 0755;
            found_.members.push_back(std::move(directory));
        }
    }

    void sort_and_join() {
        auto& members = found_.members;
        std::sort(members.begin(), members.end(), [](const auto& one, const auto& other) {
            return one.name != other.name ? one.name < other.name : one.place < other.place;
        });
        const auto same = [this](const ContextMember& one, const ContextMember& other) {
            return one.name == other.name && is_same(one, other);
        };
        members.erase(std::unique(members.begin(), members.end(), same), members.end());
        for (std::size_t i = 0; i < members.size(); ++i) {
            check_place(members[i]);
        }
    }

    /// Two that may be one member. Throws when they may not.
    [[nodiscard]] bool is_same(const ContextMember& one, const ContextMember& other) const {
        if (one.kind == EntryKind::Directory && other.kind == EntryKind::Directory) {
            return true;
        }
        if (one.kind == other.kind && found_.path_of(one) == found_.path_of(other)) {
            return true;
        }
        throw Error(ErrorCode::InvalidInput, origin_of(one) + " and " + origin_of(other) + " would both be " +
                                                 shown(one.name) + " in the build context")
            .advise("give one of them another place");
    }

    [[nodiscard]] std::string origin_of(const ContextMember& member) const {
        const auto path = found_.path_of(member);
        return path.empty() ? "the directory of the sources" : shown(path);
    }

    /// Nothing may stand where the Dockerfile stands, or below what is no directory.
    void check_place(const ContextMember& member) const {
        if (member.kind == EntryKind::Directory && member.name != kContextDockerfile) {
            return;
        }
        if (member.name == kContextDockerfile) {
            throw Error(ErrorCode::InvalidInput,
                        shown(found_.path_of(member)) + " would stand where the context has its generated Dockerfile")
                .advise("give it another place in the context, or a prefix to the sources");
        }
        const auto below = member.name + "/";
        const auto next = std::lower_bound(found_.members.begin(), found_.members.end(), below,
                                           [](const auto& one, const auto& name) { return one.name < name; });
        if (next != found_.members.end() && next->name.starts_with(below)) {
            throw Error(ErrorCode::InvalidInput, shown(found_.path_of(*next)) + " would lie below " +
                                                     shown(member.name) + ", which is no directory in the context")
                .advise("give one of them another place");
        }
    }

    const ContextOptions& options_;
    const Run& run_;
    const std::string prefix_;
    ContextMembers found_;
};

}  // namespace

std::string ContextMembers::path_of(const ContextMember& member) const {
    if (places.empty()) {
        return member.name;
    }
    const auto& place = places[member.place];
    if (member.name == place.to || !is_at_or_below(member.name, place.to)) {
        return place.from;
    }
    return join_path(place.from, std::string_view(member.name).substr(place.to.empty() ? 0 : place.to.size() + 1));
}

std::string some_of(const std::vector<std::string>& names) {
    std::string text;
    const std::size_t told = std::min(names.size(), kNamesInMessage);
    for (std::size_t i = 0; i < told; ++i) {
        text += i == 0 ? "" : i + 1 == names.size() ? " and " : ", ";
        text += names[i];
    }
    return names.size() > told ? text + " and " + std::to_string(names.size() - told) + " more" : text;
}

ContextMembers list_members(const ContextOptions& options, const Run& run) {
    auto members = Lister(options, run).list();
    check_links(members, run);
    check_secrets(members, options.allow_secrets, run);
    return members;
}

}  // namespace cooper::build
