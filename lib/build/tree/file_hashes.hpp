// Content hashes of many files: in parallel, and from memory where a file is certainly the one that was hashed before.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"

#include "base/message_digest.hpp"

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace cooper::build {

/// What of stat() tells one state of a file from another. Members as in struct stat, which is more than twice as large:
/// with 20,000 files that costs more than hashing nothing.
struct FileStatus {
    FileStatus() = default;
    FileStatus(const struct stat& status)  // NOLINT(google-explicit-constructor): it is the same, only less of it
        : st_dev(status.st_dev),
          st_ino(status.st_ino),
          st_size(status.st_size),
          st_mode(status.st_mode),
          st_mtim(status.st_mtim),
          st_ctim(status.st_ctim) {}

    dev_t st_dev = 0;
    ino_t st_ino = 0;
    off_t st_size = 0;
    mode_t st_mode = 0;
    timespec st_mtim{};
    timespec st_ctim{};
};

/// One file to hash, as fstatat() saw it.
struct FileToHash {
    std::string path;   ///< below the root; opened from there, named so in errors and remembered under this name
    FileStatus status;  ///< of the file itself (of a link's target when links are followed)
};

struct FileHashOptions {
    HashAlgorithm algorithm = HashAlgorithm::Sha256;
    bool follow_links = false;  ///< else no component of the path may be one
    /// Digests are remembered here, one file per root, algorithm and treatment of links; empty: not at all. One is
    /// believed only when device, inode, size, mode, mtime and ctime (ns) are the same, the file was not touched in the
    /// same tick in which it was hashed (git's racy entries), and the memory is of this machine and undamaged. A memory
    /// that cannot be read or written is done without.
    std::filesystem::path cache_directory;
    unsigned threads = 0;
};

struct FileHashes {
    std::vector<std::string> hex;  ///< in the order asked
    std::uint64_t files_read = 0;
};

/// 0: as many as the machine has cores; 8 at most.
unsigned hashing_threads(unsigned wanted);

/// Hashes `files` below the open directory `root` (shown as `name` in errors), largest first, on several threads.
/// Throws Error{Integrity} when a file is another than `status` says or changes while it is read, SystemError with its
/// path.
FileHashes hash_files(const FileDescriptor& root, const std::filesystem::path& name,
                      const std::vector<FileToHash>& files, const FileHashOptions& options, const Run& run);

}  // namespace cooper::build
