// COPY and ADD: which files are meant, what they are as content, and how they come into a file system.
//
// Dockerfile reference, COPY and ADD; `dockerfile.md` section 4, where tools differ as BuildKit does it, but for what
// is marked "cooper:" there. Sources and destination are hostile: every lookup is by descriptors beneath their roots.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/dockerfile.hpp"
#include "cooper/build/ignore.hpp"
#include "cooper/build/snapshots.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

/// What a URL or a git reference of ADD came to: a file, or a directory.
struct FetchedSource {
    std::string source;          ///< as the instruction has it, expanded
    std::filesystem::path path;  ///< a file, or the directory of a checkout
    std::string name;            ///< the file's name where the destination is a directory; empty for a checkout
    std::int64_t mtime = 0;      ///< of the file
};

/// Where COPY and ADD read.
struct CopyInputs {
    std::filesystem::path root;            ///< a context, or the path() of another stage's or image's tree
    const Dockerignore* ignore = nullptr;  ///< of a context
    const RootTree* tree = nullptr;        ///< set for a stage or image: owners, xattrs and devices are kept
    std::vector<FetchedSource> fetched;
    std::int64_t epoch = 0;             ///< later times count as this one
    std::filesystem::path hash_memory;  ///< as TreeOptions::cache_directory; for contexts
};

/// What decides a file's place and owner besides the instruction.
struct CopyTarget {
    std::string working_directory = "/";
    std::optional<std::pair<std::uint32_t, std::uint32_t>> owner;  ///< --chown, resolved with find_owner()
    bool devices = true;  ///< false: those of archives are left out, with a notice
};

/// What one COPY or ADD reads: chosen and hashed, nothing written. Borrows the inputs' tree and ignore rules.
class CopySelection {
public:
    /// `copy` is expanded. Throws Error: NotFound (a source that is not there; wildcards of which none matches
    /// anything, a link that leads to nothing inside the root), InvalidInput (a pattern, --chmod, loops of links),
    /// Integrity for files that change meanwhile.
    static CopySelection choose(const CopyInstruction& copy, const CopyInputs& inputs, const Run& run);
    CopySelection(CopySelection&&) noexcept;
    CopySelection& operator=(CopySelection&&) noexcept;
    ~CopySelection();

    /// Names all that gets into the image and stands in the sources: relative paths, types, modes, owners (of stages
    /// and images), sizes, contents, link targets, hard links, xattrs, times before `epoch`. Not flags and destination.
    [[nodiscard]] const Digest& digest() const;
    /// Writes into `tree`, beneath its path(). Times later than `epoch` are set to it. After an error the tree is to be
    /// dropped. Throws Error{InvalidInput} ("cannot copy to non-directory", several files and no directory as
    /// destination) naming the path in the image.
    void write(RootTree& tree, const CopyTarget& target, const Run& run) const;
    [[nodiscard]] std::uint64_t files() const noexcept;
    [[nodiscard]] std::uint64_t bytes() const noexcept;

private:
    struct State;
    explicit CopySelection(std::unique_ptr<State> state);
    std::unique_ptr<State> state_;
};

/// --chown's words in the files of `root`: "1000", "1000:1000", "app", "app:staff". Throws Error{InvalidInput} for a
/// name that is not there (but "root", which is 0).
std::pair<std::uint32_t, std::uint32_t> find_owner(const std::filesystem::path& root, std::string_view chown);

/// --chmod: octal, or symbolic as chmod(1) has it ("u=rwX,go=rX"); the mode after it, umask 0. Throws
/// Error{InvalidInput}.
std::uint32_t changed_mode(std::string_view chmod, std::uint32_t before, bool directory);

/// Go's path/filepath.Match on Unix, which sources with wildcards speak. Throws Error{InvalidInput} for a malformed
/// pattern, even where it could not match.
bool file_path_matches(std::string_view pattern, std::string_view name);
/// Go's path/filepath.Clean on Unix.
std::string clean_file_path(std::string_view path);

/// WORKDIR: makes what is missing of `path` (cleaned, absolute), 0755 and `owner`'s. Links are followed inside.
void make_working_directory(RootTree& tree, const std::string& path, std::pair<std::uint32_t, std::uint32_t> owner,
                            std::int64_t epoch);

}  // namespace cooper::build
