// Files that appear whole or not at all, and small file work.
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cooper {

/// An open file descriptor, closed when it goes.
class FileDescriptor {
public:
    FileDescriptor() = default;
    explicit FileDescriptor(int descriptor) : descriptor_(descriptor) {}
    FileDescriptor(FileDescriptor&& other) noexcept : descriptor_(other.release()) {}
    FileDescriptor& operator=(FileDescriptor&& other) noexcept;
    ~FileDescriptor();
    [[nodiscard]] int get() const noexcept { return descriptor_; }
    [[nodiscard]] bool valid() const noexcept { return descriptor_ >= 0; }
    int release() noexcept;

private:
    int descriptor_ = -1;
};

/// A new file that becomes visible under `path` at commit() (rename(2), in the same directory) and not before. Written
/// at any offset from several threads (pwrite), or in order as a Sink. Destroyed without commit(): removed, nothing
/// visible. Where the file system has nameless files (O_TMPFILE), not even a killed process leaves one behind. Not
/// fsynced: after a power loss readers must trust digests, not presence.
class AtomicFile final : public Sink {
public:
    enum class IfExists { Replace, Fail };
    /// Creates the temporary file beside `path`, with `mode` less umask. Throws SystemError.
    explicit AtomicFile(std::filesystem::path path, std::uint32_t mode = 0666);
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;
    ~AtomicFile() override;

    /// Reserves `size` bytes (posix_fallocate where the file system has it; a full disk is found here).
    void reserve(std::uint64_t size);
    /// Writes all of `chunk` at `offset`. From several threads at once for disjoint ranges.
    void write_at(std::uint64_t offset, Bytes chunk);
    /// Appends; offsets of write() and write_at() are independent.
    void write(Bytes chunk) override;
    void finish() override { commit(); }
    /// Makes it visible. With Fail, an existing file is Error{Conflict} and stays (renameat2 NOREPLACE, or link).
    void commit(IfExists if_exists = IfExists::Replace);

    [[nodiscard]] int descriptor() const noexcept { return file_.get(); }
    /// Empty while the file has no name.
    [[nodiscard]] const std::filesystem::path& temporary_path() const noexcept { return temporary_; }

private:
    void create_named(std::uint32_t mode);
    void give_name();
    void publish_new();

    std::filesystem::path path_;
    std::filesystem::path temporary_;
    FileDescriptor file_;
    std::uint64_t position_ = 0;
    bool committed_ = false;
};

/// A directory of our own (mode 0700) below $TMPDIR or /var/tmp, removed with all in it when it goes.
class TempDirectory {
public:
    explicit TempDirectory(std::string_view prefix = "cooper");
    TempDirectory(const TempDirectory&) = delete;
    TempDirectory& operator=(const TempDirectory&) = delete;
    ~TempDirectory();
    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }

private:
    std::filesystem::path path_;
};

/// The whole file; throws SystemError, or Error{InvalidInput} beyond `limit` bytes.
std::string read_file(const std::filesystem::path& path, std::size_t limit);
/// The same; nullopt when there is no such file (other failures throw).
std::optional<std::string> find_file(const std::filesystem::path& path, std::size_t limit);
/// Writes `text` to a file that appears whole, with `mode` less umask (0600 for what only its owner may read).
void write_file(const std::filesystem::path& path, std::string_view text, std::uint32_t mode = 0666);
/// Reads `path` **below** `root`, following no symlink in any component (openat2 RESOLVE_BENEATH|NO_SYMLINKS, or a walk
/// with O_NOFOLLOW); nullopt when it is not there. A symlink on the way is Error{InvalidInput}.
std::optional<std::string> find_file_beneath(const std::filesystem::path& root, std::string_view path,
                                             std::size_t limit);

/// Writes all of `chunk` at `offset` of an open file; throws SystemError that names `path`.
void write_all_at(int descriptor, std::uint64_t offset, Bytes chunk, const std::filesystem::path& path);

}  // namespace cooper
