#include "cooper/build/source_hash.hpp"

#include "cooper/base/text.hpp"

#include "build/paths.hpp"
#include "build/tree/source_walk.hpp"
#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

using Kind = SourceHashError::Kind;

struct Properties {
    bool name = false;
    bool data = false;
    bool is_link = false;
};

SourceHashError invalid(Kind kind, const std::string& message) {
    return {kind, ErrorCode::InvalidInput, message};
}

WildmatchList compile(const SourceHashOptions& options) {
    try {
        return {options.match, options.ignore};
    } catch (const Error& error) {
        SourceHashError refused(Kind::InvalidPattern, error.code(), error.what());
        refused.advise(error.advice());
        throw refused;
    }
}

Properties parse_properties(const std::vector<std::string>& names) {
    Properties properties;
    for (const std::string& name : names) {
        if (name == "name") {
            properties.name = true;
        } else if (name == "data") {
            properties.data = true;
        } else if (name == "is_link") {
            properties.is_link = true;
        } else {
            throw invalid(Kind::InvalidEntryProperties, "there is no entry property '" + oci::printable(name) +
                                                            "': name, data and is_link are known");
        }
    }
    if (!properties.name && !properties.data) {
        throw invalid(Kind::InvalidEntryProperties, "at least one of the entry properties name and data is needed");
    }
    return properties;
}

HashAlgorithm parse_algorithm(const std::string& name) {
    const auto algorithm = find_hash_algorithm(name);
    if (!algorithm) {
        throw invalid(Kind::UnknownAlgorithm, "there is no hash algorithm '" + oci::printable(name) +
                                                  "' here: md5, sha1, sha224, sha256, sha384 and sha512 are known");
    }
    return *algorithm;
}

/// Which directories stay: those with an entry that stays, links that lead back, and with empty_dirs all.
std::vector<bool> kept_directories(const SourceWalk& walk, bool empty_dirs) {
    std::vector<bool> kept(walk.directories.size(), empty_dirs);
    for (std::size_t i = walk.directories.size(); i-- > 0;) {  // those below come later
        const SourceDirectory& directory = walk.directories[i];
        if (directory.files != 0 || directory.levels_up) {
            kept[i] = true;
        }
        if (kept[i]) {
            kept[directory.parent] = true;
        }
    }
    return kept;
}

/// What is hashed for a link that leads back: the way from the link, taken for a directory, to what it leads to.
std::string way_up(std::size_t levels) {
    if (levels == 0) {
        return ".";
    }
    std::string way = "..";
    for (std::size_t i = 1; i < levels; ++i) {
        way += "/..";
    }
    return way;
}

/// A name that is not text has no place in a descriptor; one that is left out does no harm.
void check_names(const SourceWalk& walk, const std::vector<bool>& kept, const std::filesystem::path& root) {
    const auto check = [&root](const std::string& path) {
        if (!is_valid_utf8(file_name(path))) {
            SourceHashError error =
                invalid(Kind::NameNotUtf8,
                        "the name of '" + oci::printable((root / path).native(), kMaxPath) + "' is not UTF-8");
            error.advise("rename it, or leave it out with a pattern");
            throw error;
        }
    };
    for (std::size_t i = 0; i < walk.directories.size(); ++i) {
        if (kept[i]) {
            check(walk.directories[i].path);
        }
    }
    for (const FileToHash& file : walk.files) {
        check(file.path);
    }
}

FileHashes hash_content(const SourceWalk& walk, const std::filesystem::path& root, const SourceHashOptions& options,
                        HashAlgorithm algorithm, const Run& run) {
    FileHashOptions how;
    how.algorithm = algorithm;
    how.follow_links = std::find(walk.is_link.begin(), walk.is_link.end(), true) != walk.is_link.end() ||
                       std::any_of(walk.directories.begin(), walk.directories.end(), [](const auto& directory) {
                           return directory.through_link && directory.files != 0;
                       });
    how.cache_directory = options.cache_directory;
    how.threads = options.threads;
    return hash_files(walk.root, root, walk.files, how, run);
}

/// Makes the descriptors of a walked tree and hashes them, from below (tags.md 4.2).
class DescriptorHash {
public:
    DescriptorHash(const SourceWalk& walk, const std::vector<std::string>& contents, Properties properties)
        : walk_(walk), contents_(contents), properties_(properties), below_(walk.directories.size()) {}

    [[nodiscard]] std::string text_of(std::size_t index) {
        const SourceDirectory& directory = walk_.directories[index];
        if (directory.levels_up) {
            return way_up(*directory.levels_up);
        }
        std::vector<std::string> entries = std::move(below_[index]);
        for (std::size_t i = directory.first_file; i < directory.first_file + directory.files; ++i) {
            entries.push_back(
                entry(properties_.data ? "data:" + contents_[i] : "", walk_.files[i].path, walk_.is_link[i]));
        }
        std::sort(entries.begin(), entries.end());
        std::string text;
        for (const std::string& one : entries) {
            if (!text.empty()) {
                text.append(2, '\0');
            }
            text += one;
        }
        return text;
    }

    void add_to_parent(std::size_t index, const std::string& hex) {
        const SourceDirectory& directory = walk_.directories[index];
        if (index != 0) {
            below_[directory.parent].push_back(entry("dirhash:" + hex, directory.path, directory.is_link));
        }
    }

private:
    /// The properties that count, in the order of their names.
    [[nodiscard]] std::string entry(std::string text, std::string_view path, bool is_link) const {
        const auto add = [&text](std::string_view property, std::string_view value) {
            if (!text.empty()) {
                text.push_back('\0');
            }
            text.append(property).append(value);
        };
        if (properties_.is_link) {
            add("is_link:", is_link ? "true" : "false");
        }
        if (properties_.name) {
            add("name:", file_name(path));
        }
        return text;
    }

    const SourceWalk& walk_;
    const std::vector<std::string>& contents_;
    Properties properties_;
    std::vector<std::vector<std::string>> below_;  // each directory's entries that are directories
};

std::vector<SourceHash::Entry> sorted_entries(SourceWalk& walk, std::vector<std::string>& contents) {
    std::vector<SourceHash::Entry> entries;
    entries.reserve(walk.files.size());
    for (std::size_t i = 0; i < walk.files.size(); ++i) {
        entries.push_back({std::move(walk.files[i].path), std::move(contents[i]),
                           static_cast<std::uint64_t>(walk.files[i].status.st_size), walk.is_link[i]});
    }
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
    return entries;
}

}  // namespace

SourceHashError::SourceHashError(Kind kind, ErrorCode code, const std::string& message)
    : Error(code, message), kind_(kind) {}

SourceHashError::~SourceHashError() = default;

bool SourceHashError::is_value_error() const noexcept {
    return kind_ != Kind::SymlinkRecursion && kind_ != Kind::DirectoryEnteredTwice;
}

SourceHash hash_source(const std::filesystem::path& root, const SourceHashOptions& options, const Run& run,
                       const std::function<void(std::string_view path, std::string_view text)>& on_descriptor) {
    const WildmatchList patterns = compile(options);
    const Properties properties = parse_properties(options.entry_properties);
    const HashAlgorithm algorithm = parse_algorithm(options.algorithm);
    SourceWalk walk = walk_source(root, patterns, options, WalkFor::Hashing, run);
    const std::vector<bool> kept = kept_directories(walk, options.empty_dirs);
    if (!kept.front()) {
        throw invalid(Kind::NothingToHash, "there is nothing to hash in '" + oci::printable(root.native(), kMaxPath) +
                                               "': no file in it matches the patterns");
    }
    if (properties.name) {
        check_names(walk, kept, root);
    }
    FileHashes contents = hash_content(walk, root, options, algorithm, run);

    SourceHash result;
    result.files_read = contents.files_read;
    DescriptorHash descriptors(walk, contents.hex, properties);
    MessageDigest digest(algorithm);
    for (std::size_t i = walk.directories.size(); i-- > 0;) {
        if (!kept[i]) {
            continue;
        }
        const std::string text = descriptors.text_of(i);
        if (on_descriptor) {
            on_descriptor(walk.directories[i].path, text);
        }
        digest.update(text);
        result.digest = digest.finish();  // the last one is the root's
        descriptors.add_to_parent(i, result.digest);
    }
    result.entries = sorted_entries(walk, contents.hex);
    return result;
}

std::vector<std::string> list_source(const std::filesystem::path& root, const SourceHashOptions& options,
                                     const Run& run) {
    const WildmatchList patterns = compile(options);
    SourceWalk walk = walk_source(root, patterns, options, WalkFor::Listing, run);
    const std::vector<bool> kept = kept_directories(walk, options.empty_dirs);
    std::vector<bool> has_entries(walk.directories.size());
    std::vector<std::string> paths;
    paths.reserve(walk.files.size());
    for (std::size_t i = walk.directories.size(); i-- > 0;) {
        const SourceDirectory& directory = walk.directories[i];
        if (kept[i] && directory.files == 0 && !has_entries[i]) {
            paths.push_back(join_path(directory.path, "."));
        }
        if (kept[i]) {
            has_entries[directory.parent] = true;
        }
    }
    for (FileToHash& file : walk.files) {
        paths.push_back(std::move(file.path));
    }
    std::sort(paths.begin(), paths.end());
    return paths;
}

}  // namespace cooper::build
