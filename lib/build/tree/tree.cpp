#include "cooper/build/tree.hpp"

#include "cooper/base/error.hpp"
#include "cooper/build/ignore.hpp"

#include "build/paths.hpp"
#include "build/tree/dockerignore_pattern.hpp"
#include "build/tree/file_hashes.hpp"
#include "build/tree/tree_listing.hpp"
#include "build/tree/tree_walk.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>
#include <string_view>
#include <utility>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxIgnoreFile = 1024 * 1024;  // real ones have a few hundred bytes

std::string shown(const std::filesystem::path& path) {
    return "'" + oci::printable(path.native(), kMaxPath) + "'";
}

FileDescriptor open_root(const std::filesystem::path& root) {
    FileDescriptor opened(open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!opened.valid() && errno == ENOTDIR) {
        throw Error(ErrorCode::InvalidInput, shown(root) + " is not a directory");
    }
    if (!opened.valid()) {
        throw SystemError("cannot read the directory " + shown(root), errno);
    }
    return opened;
}

Dockerignore read_dockerignore(const TreeOptions& options) {
    if (!options.dockerignore) {
        return {};
    }
    const auto name = shown(options.root / ".dockerignore");
    const auto text = in_context("while reading " + name,
                                 [&] { return find_file_beneath(options.root, ".dockerignore", kMaxIgnoreFile); });
    return text ? Dockerignore::parse(*text, name) : Dockerignore();
}

/// Cleaned, sorted, and none below another; "" for the root.
std::vector<std::string> clean_sources(const TreeOptions& options) {
    std::vector<std::string> sources;
    for (const auto& source : options.sources) {
        auto cleaned = clean_file_path(source);
        if (cleaned.starts_with('/') || cleaned == ".." || cleaned.starts_with("../")) {
            throw Error(ErrorCode::InvalidInput,
                        "the source '" + oci::printable(source) + "' is outside of " + shown(options.root))
                .advise("sources are named by their paths below the root");
        }
        if (cleaned == ".") {
            return {""};
        }
        check_path(cleaned);
        sources.push_back(std::move(cleaned));
    }
    if (sources.empty()) {
        return {""};
    }
    const std::set<std::string, std::less<>> all(sources.begin(), sources.end());
    sources.clear();
    for (const auto& source : all) {
        auto above = parent_path(source);
        while (!above.empty() && !all.contains(above)) {
            above = parent_path(above);
        }
        if (above.empty()) {
            sources.push_back(source);
        }
    }
    return sources;
}

std::uint32_t content_mode(mode_t mode) {
    const mode_t permissions = (mode & S_IXUSR) != 0 ? 0755U : 0644U;
    return permissions | (mode & (S_ISUID | S_ISGID));
}

/// Excluded directories come back when something below them is included. True when anything is.
bool bring_back_parents(WalkedDirectory& directory) {
    bool any = false;
    for (auto& item : directory.items) {
        if (item.directory && bring_back_parents(*item.directory)) {
            item.excluded = false;
        }
        any = any || (!item.excluded && !item.unfit);
    }
    return any;
}

/// Brings what the walk found into order.
class Collector {
public:
    Collector(Tree& tree, std::vector<FileToHash>& files, const TreeOptions& options, const Run& run)
        : tree_(tree), files_(files), options_(options), run_(run) {}

    void collect(WalkedDirectory& directory) {
        std::vector<Place> places;
        places.reserve(directory.items.size());
        for (auto& item : directory.items) {
            const auto name = file_name(item.path);
            places.push_back({name, &item, false});
            if (item.directory) {
                places.push_back({name, &item, true});
            }
        }
        std::sort(places.begin(), places.end());
        for (const auto& place : places) {
            if (place.content) {
                collect(*place.item->directory);
            } else if (!place.item->excluded) {
                add(*place.item);
            }
        }
    }

private:
    /// Where an item itself stands, or what is below it: "a" comes before "a-b", and that before "a/c".
    struct Place {
        std::string_view name;
        WalkedItem* item;
        bool content;

        bool operator<(const Place& other) const {
            const auto one = name;
            const auto two = other.name;
            const int order = std::memcmp(one.data(), two.data(), std::min(one.size(), two.size()));
            if (order != 0) {
                return order < 0;
            }
            if (one.size() == two.size()) {
                return !content && other.content;
            }
            if (one.size() < two.size()) {
                return !content || '/' < static_cast<unsigned char>(two[one.size()]);
            }
            return other.content && static_cast<unsigned char>(one[two.size()]) < '/';
        }
    };

    void add(WalkedItem& item) {
        if (item.unfit) {
            run_.progress->notice(NoticeLevel::Warning,
                                  "left out " + shown(options_.root / item.path) + ": a fifo or socket has no content");
            return;
        }
        auto& entry = tree_.entries.emplace_back();
        entry.kind = item.kind;
        entry.mode = item.kind == EntryKind::Directory ? 0755 : item.kind == EntryKind::Symlink ? 0777 : 0644;
        if (item.kind == EntryKind::File) {
            entry.mode = content_mode(item.status.st_mode);
            entry.size = static_cast<std::uint64_t>(item.status.st_size);
            tree_.files += 1;
            tree_.bytes += entry.size;
            files_.push_back({item.path, item.status});
        }
        entry.link = std::move(item.link);
        entry.path = std::move(item.path);
    }

    Tree& tree_;
    std::vector<FileToHash>& files_;
    const TreeOptions& options_;
    const Run& run_;
};

}  // namespace

TreeListing list_tree(const TreeOptions& options, const Run& run) {
    TreeListing listing;
    listing.root = open_root(options.root);
    const auto of_file = read_dockerignore(options);
    const auto of_options = in_context("in the list of what to ignore", [&] { return Dockerignore(options.ignore); });
    const unsigned threads = hashing_threads(options.threads);
    auto walked = walk_tree(listing.root, options.root, {of_file, of_options, clean_sources(options), threads}, run);

    bring_back_parents(*walked.top);

    listing.tree.entries.reserve(walked.items);
    listing.files.reserve(walked.items);
    Collector(listing.tree, listing.files, options, run).collect(*walked.top);
    return listing;
}

Tree read_tree(const TreeOptions& options, const Run& run) {
    auto listing = list_tree(options, run);
    FileHashOptions hashing;
    hashing.cache_directory = options.cache_directory;
    hashing.threads = hashing_threads(options.threads);
    auto hashes = hash_files(listing.root, options.root, listing.files, hashing, run);
    Tree tree = std::move(listing.tree);
    tree.files_read = hashes.files_read;
    auto hex = hashes.hex.begin();
    for (auto& entry : tree.entries) {
        if (entry.kind == EntryKind::File) {
            entry.digest = Digest::parse("sha256:" + *hex);
            *hex++ = std::string();  // its memory serves the next digest
        }
    }
    return tree;
}

std::filesystem::path default_tree_cache(const Environment& environment) {
    // The XDG Base Directory specification: a relative path in the variable is invalid and to be ignored.
    const auto variable = environment.get("XDG_CACHE_HOME");
    const bool set = variable && variable->starts_with('/');
    return (set ? std::filesystem::path(*variable) : std::filesystem::path(environment.home()) / ".cache") / "cooper" /
           "trees";
}

}  // namespace cooper::build
