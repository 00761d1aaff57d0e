// What one source of COPY or ADD comes to: the files that it brings (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/build/copy_files.hpp"

#include "build/copy/source_root.hpp"
#include "build/tree/dockerignore_pattern.hpp"
#include "build/tree/file_hashes.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cooper::build {

/// What a file is besides its content.
struct FileAttributes {
    std::uint32_t mode = 0644;  ///< permission bits, 07777
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::int64_t mtime = 0;  ///< seconds since 1970
    std::vector<std::pair<std::string, std::string>> xattrs;
};

struct CopyEntry {
    std::string path;  ///< below what is copied; "" is the source itself, a file
    mode_t type = S_IFREG;
    FileAttributes attributes;
    std::string link;                      ///< of symlinks
    dev_t device = 0;                      ///< of devices
    std::optional<std::size_t> same_file;  ///< an entry before this one that is a hard link to the same file
    FileStatus status;                     ///< of regular files, when they were chosen
};

struct CopyItem {
    enum class Kind : std::uint8_t {
        Directory,  ///< its contents are meant
        File,       ///< or link, device, fifo: entries has one
        Archive,    ///< a file that is unpacked
        Text,       ///< of a heredoc
    };
    Kind kind = Kind::File;
    std::shared_ptr<const SourceRoot> from;  ///< null for Text
    std::string root;                        ///< what is copied, below `from`
    std::string name;                        ///< a file's name in a directory
    std::string text;
    std::vector<CopyEntry> entries;

    /// Of entry `i`, below `from`.
    [[nodiscard]] std::string source_path(const CopyEntry& entry) const;
};

/// What of a directory is meant.
struct CopyFilter {
    const Dockerignore* exclude = nullptr;         ///< paths below the directory
    const DockerignorePattern* include = nullptr;  ///< the same: what it matches, with its parents
};

/// Reads sources; counts what it finds.
class EntryReader {
public:
    /// `tree`: as CopyInputs has it. All are borrowed.
    EntryReader(const SourceRoot& root, const RootTree* tree, std::int64_t epoch, const Run& run)
        : root_(root), tree_(tree), epoch_(epoch), run_(run) {}

    /// The one entry of a source that is no directory.
    CopyEntry read_file(const FoundSource& source);
    /// What is in a directory, parents before what they hold, names in order. Sockets are left out.
    std::vector<CopyEntry> read_directory(const FoundSource& source, const CopyFilter& filter);

private:
    class Walk;
    void describe(CopyEntry& entry, const std::string& path, const struct stat& status);
    [[nodiscard]] std::vector<std::pair<std::string, std::string>> xattrs_of(const std::string& path) const;

    const SourceRoot& root_;
    const RootTree* tree_;
    std::int64_t epoch_;
    const Run& run_;
};

}  // namespace cooper::build
