// The files of a listed tree, opened later without following any symlink, and only if they are still the same
// (private).
#pragma once

#include "cooper/base/files.hpp"

#include "build/tree/file_hashes.hpp"

#include <filesystem>
#include <string>

namespace cooper::build {

/// Holds the root open: what is renamed or replaced above it does not matter. Safe from several threads.
class TreeFiles {
public:
    TreeFiles(FileDescriptor root, std::filesystem::path name) : root_(std::move(root)), name_(std::move(name)) {}

    /// Throws Error{Integrity} unless it is the file that had this status; SystemError with its path.
    [[nodiscard]] FileDescriptor open(const std::string& path, const FileStatus& status) const;
    /// Throws Error{Integrity} when the open file is not as it was.
    void check_unchanged(int descriptor, const std::string& path, const FileStatus& status) const;
    /// What can be read at `offset`, `into.size()` at most. Throws Error{Integrity} at the file's end, SystemError.
    std::size_t read_at(int descriptor, const std::string& path, std::uint64_t offset, MutableBytes into) const;
    /// The first bytes of a file, `limit` at most.
    [[nodiscard]] std::string beginning(const std::string& path, const FileStatus& status, std::size_t limit) const;

    /// The path as the user knows it, fit for messages.
    [[nodiscard]] std::string shown(const std::string& path) const;

private:
    [[noreturn]] void throw_changed(const std::string& path, const char* how) const;

    FileDescriptor root_;
    std::filesystem::path name_;
};

}  // namespace cooper::build
