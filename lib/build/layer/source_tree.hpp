// The directory that a layer is made from: listed once, then opened file by file without following any symlink.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/tar.hpp"

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace cooper::build {

struct SourceFile {
    std::string path;  ///< below the directory
    TarType type = TarType::File;
    std::string link;
    std::uint32_t mode = 0;
    std::uint64_t uid = 0;
    std::uint64_t gid = 0;
    std::uint64_t size = 0;
    std::int64_t mtime = 0;
    std::int64_t mtime_nanoseconds = 0;
    std::int64_t ctime = 0;
    std::int64_t ctime_nanoseconds = 0;
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::uint64_t links = 1;
    std::map<std::string, std::string> xattrs;  ///< of directories; those of files are read when the file is open
};

/// Holds the directory open: what is renamed or replaced above it later does not matter. Safe from several threads.
class SourceTree {
public:
    /// Follows `directory` when it is a symlink itself.
    explicit SourceTree(std::filesystem::path directory);

    /// Everything below, sorted bytewise by path (parents first). Sockets are left out with a notice. Throws
    /// Error{InvalidInput} for devices and for names that mean whiteouts.
    [[nodiscard]] std::vector<SourceFile> list(const Run& run) const;

    /// Opens a file or directory of list(); Error{Integrity} when it is another by now.
    [[nodiscard]] FileDescriptor open(const SourceFile& file) const;
    /// Throws Error{Integrity} when size or time of the open file are not those of list().
    void check_unchanged(int descriptor, const SourceFile& file) const;
    /// user.* and security.capability.
    [[nodiscard]] std::map<std::string, std::string> read_xattrs(int descriptor, const SourceFile& file) const;

    /// The directory itself.
    [[nodiscard]] const FileDescriptor& root() const noexcept { return root_; }
    [[nodiscard]] std::uint64_t device() const noexcept { return device_; }
    /// The path as the user knows it, fit for messages.
    [[nodiscard]] std::string shown(const std::string& path) const;

private:
    void list_directory(const std::string& path, int descriptor, std::vector<SourceFile>& files, const Run& run) const;
    [[nodiscard]] SourceFile look_at(int directory, const char* name, std::string path) const;

    std::filesystem::path directory_;
    FileDescriptor root_;
    std::uint64_t device_ = 0;
};

}  // namespace cooper::build
