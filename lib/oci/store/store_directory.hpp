// The directory of a store and what keeps its processes out of each other's way (private).
//
//   oci-layout, index.json, blobs/   the OCI image layout
//   ingest/ALG-HEX                   a blob that is not whole yet; whoever writes it holds flock(2) on it
//   leases/PID.RANDOM                one for each Store that lives; it holds flock(2) on it
//   memory/                          small files of others, by digest: what layers and trees were made of
//   lock                             flock(2): shared by whoever counts on a blob, exclusive for removing one
//
// How gc knows what is in use: a blob that a process counts on gets a modification time that is not before the start of
// its lease. gc lists the blobs, then the leases, then what index.json needs, and removes a blob only if none of these
// holds it and its time is still the one in the list. All of it is compared for order among files, never with a clock,
// so a clock that jumps changes nothing.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::oci {

inline constexpr std::string_view kIngestDirectory = "ingest";
inline constexpr std::string_view kLeaseDirectory = "leases";
inline constexpr std::string_view kMemoryDirectory = "memory";

/// A file's times and sizes, for comparing two moments.
using FileStatus = struct stat;

/// The same file, whatever its times.
bool is_same_file(const FileStatus& a, const FileStatus& b) noexcept;

/// True when `before` comes first, or at once.
bool is_not_after(const timespec& before, const timespec& after) noexcept;

/// Takes flock(2) without waiting; false: somebody else holds it. Throws SystemError where it cannot be had at all.
bool try_flock(int file, const std::filesystem::path& path);

class StoreDirectory {
public:
    /// Makes what is absent, and the lease. See Store::Store.
    explicit StoreDirectory(const std::filesystem::path& path);
    ~StoreDirectory();
    StoreDirectory(const StoreDirectory&) = delete;
    StoreDirectory& operator=(const StoreDirectory&) = delete;

    [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
    [[nodiscard]] std::filesystem::path blob_file(const Digest& digest) const;
    [[nodiscard]] std::filesystem::path ingest_file(const Digest& digest) const;
    /// A name below ingest/ that nobody else has.
    [[nodiscard]] std::filesystem::path new_ingest_file(const Digest& digest) const;
    [[nodiscard]] const std::filesystem::path& own_lease() const noexcept { return lease_path_; }
    /// Why nothing can be kept here; empty when it can.
    [[nodiscard]] const std::string& why_read_only() const noexcept { return read_only_; }

    /// The blob's file if it is there; from now on gc leaves it alone.
    [[nodiscard]] std::optional<FileStatus> use(const Digest& digest) const;
    /// The same, opened for reading; invalid when it is not there.
    [[nodiscard]] FileDescriptor open(const Digest& digest) const;
    /// Renames the open `file`, whose content is right, to its place among the blobs. Throws SystemError.
    void publish(int file, const std::filesystem::path& from, const Digest& digest) const;
    /// A second name for a file among the blobs; false where the file systems do not allow it.
    [[nodiscard]] bool link(const std::filesystem::path& from, const Digest& digest) const;
    /// Removes a file if `is_meant` when nobody can begin to count on it. False: it is not, or cannot go.
    bool remove(const std::filesystem::path& file, const std::function<bool(const FileStatus&)>& is_meant) const;

    /// The lock of the store, as long as it lives.
    class Lock {
    public:
        enum class Kind { Shared, Exclusive };
        /// Waits for others, who hold it for the time of a few system calls. Throws Error{Unavailable} when one of them
        /// does not go on, SystemError.
        Lock(const StoreDirectory& directory, Kind kind);

    private:
        FileDescriptor file_;
    };

    /// Tells why nothing is kept, the first time that it is called.
    void warn(const Run& run, const std::string& why) const;

private:
    void make_parts();
    void take_lease();
    void touch(int directory, const char* file) const;

    std::filesystem::path path_;
    std::filesystem::path lease_path_;
    FileDescriptor lease_;
    timespec lease_start_{};
    std::string read_only_;
    mutable std::atomic<bool> warned_{false};
};

}  // namespace cooper::oci
