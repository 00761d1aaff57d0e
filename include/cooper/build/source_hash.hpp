// The Dirhash Standard 0.1.0 as its reference implementation (dirhash-python 0.5.0, scantree 0.0.4) really behaves;
// `tags.md` section 4 is the specification, quirks included. For tags that exist already; new ones use tree.hpp.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/run.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

struct SourceHashOptions {
    std::string algorithm = "md5";  ///< md5, sha1, sha224, sha256, sha384, sha512
    std::vector<std::string> match{"*"};
    std::vector<std::string> ignore;
    bool linked_dirs = true;
    bool linked_files = true;
    bool empty_dirs = false;
    std::vector<std::string> entry_properties{"name", "data"};  ///< and "is_link", as the Standard writes it
    bool allow_cyclic_links = false;
    /// A root that is a symlink is an error in the original (a cycle); true: it is followed first.
    bool resolve_root = false;
    std::filesystem::path cache_directory;  ///< as in TreeOptions
    unsigned threads = 0;                   ///< as in TreeOptions
};

struct SourceHash {
    struct Entry {
        std::string path;    ///< below the root, by the names met on the way
        std::string digest;  ///< hex, of the content that was hashed
        std::uint64_t size = 0;
        bool is_link = false;  ///< a symlink to a file
    };
    std::string digest;          ///< hex
    std::vector<Entry> entries;  ///< the files that went into it, sorted by path
    std::uint64_t files_read = 0;
};

/// Why a tree has no source hash. Where the original raises ValueError, profile v1 goes on with "unknown" as the hash.
class SourceHashError : public Error {
public:
    enum class Kind : std::uint8_t {
        NothingToHash,
        SymlinkRecursion,
        InvalidPattern,
        NameNotUtf8,
        NoSuchDirectory,
        NotADirectory,
        UnknownAlgorithm,
        InvalidEntryProperties,
        DirectoryEnteredTwice,  ///< where the original crashes (KeyError), with allow_cyclic_links
    };
    SourceHashError(Kind kind, ErrorCode code, const std::string& message);
    ~SourceHashError() override;
    [[nodiscard]] Kind kind() const noexcept { return kind_; }
    /// The original's exception is a ValueError.
    [[nodiscard]] bool is_value_error() const noexcept;

private:
    Kind kind_;
};

/// Hashes `root`. `on_descriptor` (may be empty) gets every directory's path and the text that was hashed for it,
/// deepest first. Throws SourceHashError, SystemError with the path (ELOOP, ENOTDIR, EACCES, …), Error{Integrity} for a
/// file that changes while it is read. Depth is bounded by PATH_MAX, the number of files by TarLimits().max_entries.
SourceHash hash_source(const std::filesystem::path& root, const SourceHashOptions& options, const Run& run,
                       const std::function<void(std::string_view path, std::string_view text)>& on_descriptor = {});

/// The files that hash_source would take, sorted by path, without reading them. A directory that is kept without
/// entries and a link that leads back are "DIRECTORY/.", as in the original's included_paths(). Nothing at all is no
/// error. Throws as hash_source does, but for what only hashing meets.
std::vector<std::string> list_source(const std::filesystem::path& root, const SourceHashOptions& options,
                                     const Run& run);

}  // namespace cooper::build
