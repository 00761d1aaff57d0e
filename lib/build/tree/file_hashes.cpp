#include "build/tree/file_hashes.hpp"

#include "cooper/base/error.hpp"

#include "base/beneath.hpp"
#include "base/workers.hpp"
#include "build/paths.hpp"
#include "build/tree/file_times.hpp"
#include "build/tree/stat_cache.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <memory>
#include <numeric>
#include <optional>
#include <thread>

namespace cooper::build {

namespace {

constexpr std::size_t kReadStep = 256 * 1024;  // stays in the second-level cache between read() and hash
constexpr std::uint64_t kLargeFile =
    1024 * 1024;                     // from here on worth a thread's turn of its own and a read-ahead hint
constexpr std::size_t kBatch = 16;   // small files that a thread takes at once
constexpr unsigned kMaxThreads = 8;  // more only queue for the same disk

/// Begins with a page: into memory that begins 16 bytes behind one, as malloc gives it, read() copies at a quarter of
/// the speed (1.6 instead of 6 GB/s; the processor's block copy).
struct alignas(4096) ReadBuffer {
    std::array<std::byte, kReadStep> bytes;
};

bool is_same_file(const FileStatus& one, const FileStatus& other) {
    return one.st_dev == other.st_dev && one.st_ino == other.st_ino && one.st_size == other.st_size &&
           one.st_mode == other.st_mode && one.st_mtim.tv_sec == other.st_mtim.tv_sec &&
           one.st_mtim.tv_nsec == other.st_mtim.tv_nsec && one.st_ctim.tv_sec == other.st_ctim.tv_sec &&
           one.st_ctim.tv_nsec == other.st_ctim.tv_nsec;
}

std::vector<std::size_t> order_by_path(const std::vector<FileToHash>& files) {
    std::vector<std::size_t> order(files.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    const auto before = [&](std::size_t one, std::size_t other) { return files[one].path < files[other].path; };
    if (!std::is_sorted(order.begin(), order.end(), before)) {
        std::sort(order.begin(), order.end(), before);
    }
    return order;
}

/// What all threads share: the files by the order in which they are taken, and where the next turn begins.
class HashRound {
public:
    /// Hashes the files whose `hex` is empty, and notes when it began with each in `began` (nanoseconds since 1970).
    HashRound(const FileDescriptor& root, const std::filesystem::path& name, const std::vector<FileToHash>& files,
              const FileHashOptions& options, std::vector<std::string>& hex, std::vector<std::int64_t>& began)
        : root_(root), name_(name), files_(files), options_(options), hex_(hex), began_(began) {
        for (std::size_t i = 0; i < files.size(); ++i) {
            if (hex[i].empty()) {
                order_.push_back(i);
            }
        }
        // The small ones stay in the caller's order: neighbours share directories that are in the processor's cache.
        const auto small = std::stable_partition(order_.begin(), order_.end(), [&](auto i) { return is_large(i); });
        large_ = static_cast<std::size_t>(small - order_.begin());
        std::stable_sort(order_.begin(), small, [&](auto one, auto other) { return size_of(one) > size_of(other); });
    }

    /// How many files were read.
    std::uint64_t hash_all(const Run& run) {
        const std::size_t turns = large_ + (order_.size() - large_ + kBatch - 1) / kBatch;
        const auto threads = std::min<std::size_t>(hashing_threads(options_.threads), turns);
        if (threads < 2) {
            take_turns(run);
            return order_.size();
        }
        Workers workers(run);
        for (std::size_t i = 0; i < threads; ++i) {
            workers.start([this, of_workers = workers.run()] { take_turns(of_workers); });
        }
        workers.join();
        return order_.size();
    }

private:
    [[nodiscard]] std::uint64_t size_of(std::size_t i) const {
        return static_cast<std::uint64_t>(files_[i].status.st_size);
    }
    [[nodiscard]] bool is_large(std::size_t i) const { return size_of(i) >= kLargeFile; }
    [[nodiscard]] std::string shown(const FileToHash& file) const {
        return "'" + oci::printable((name_ / file.path).native(), kMaxPath) + "'";
    }
    [[nodiscard]] Error changed(const FileToHash& file, const char* how) const {
        Error error(ErrorCode::Integrity, shown(file) + how);
        error.advise("run it again when nothing writes to the directory");
        return error;
    }

    void take_turns(const Run& run) {
        MessageDigest digest(options_.algorithm);
        const auto buffer = std::make_unique_for_overwrite<ReadBuffer>();
        for (;;) {
            const std::size_t turn = next_turn_.fetch_add(1, std::memory_order_relaxed);
            const std::size_t begin = turn < large_ ? turn : large_ + (turn - large_) * kBatch;
            if (begin >= order_.size()) {
                return;
            }
            const std::size_t end = turn < large_ ? turn + 1 : std::min(begin + kBatch, order_.size());
            for (std::size_t i = begin; i < end; ++i) {
                run.check();
                began_[order_[i]] = nanoseconds_at(*run.clock);
                hex_[order_[i]] = hash_one(files_[order_[i]], digest, buffer->bytes, run);
            }
        }
    }

    std::string hash_one(const FileToHash& file, MessageDigest& digest, MutableBytes buffer, const Run& run) const {
        const FileDescriptor opened = open(file);
        check_unchanged(opened.get(), file, " was changed or replaced before it could be read");
        const auto size = static_cast<std::uint64_t>(file.status.st_size);
        if (size >= kLargeFile) {
            posix_fadvise(opened.get(), 0, 0, POSIX_FADV_SEQUENTIAL);  // a hint: its failure changes nothing
        }
        std::uint64_t done = 0;
        for (;;) {
            const auto got = ::read(opened.get(), buffer.data(), buffer.size());
            if (got < 0 && errno == EINTR) {
                continue;
            }
            if (got < 0) {
                throw SystemError("cannot read " + shown(file), errno);
            }
            digest.update(buffer.first(static_cast<std::size_t>(got)));
            done += static_cast<std::uint64_t>(got);
            // A short read that reaches the known size is the end; the check below catches one that grew meanwhile.
            if (got == 0 || done > size || (done == size && static_cast<std::size_t>(got) < buffer.size())) {
                break;
            }
            run.check();
        }
        std::string hex = digest.finish();
        check_unchanged(opened.get(), file, " changed while it was read");
        if (done != size) {
            throw changed(file, " has another length than its file system says");
        }
        return hex;
    }

    [[nodiscard]] FileDescriptor open(const FileToHash& file) const {
        FileDescriptor opened;
        if (options_.follow_links) {
            // O_NONBLOCK: a fifo that took the file's place must not make us wait for its writer.
            opened =
                FileDescriptor(openat(root_.get(), file.path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
            if (!opened.valid() && errno != ENOENT && errno != ENOTDIR) {
                throw SystemError("cannot read " + shown(file), errno);
            }
        } else {
            opened = open_without_links(file);
        }
        if (!opened.valid()) {
            throw changed(file, " was removed before it could be read");
        }
        return opened;
    }

    [[nodiscard]] FileDescriptor open_without_links(const FileToHash& file) const {
        try {
            auto by_kernel = detail::open_beneath_by_kernel(root_.get(), file.path);
            return by_kernel ? std::move(*by_kernel) : detail::open_beneath_by_walk(root_.get(), file.path);
        } catch (const SystemError& error) {
            throw SystemError("cannot read " + shown(file), error.error_number());
        } catch (const Error&) {
            throw changed(file, " was replaced by a symbolic link before it could be read");
        }
    }

    void check_unchanged(int descriptor, const FileToHash& file, const char* else_it) const {
        struct stat status {};
        if (fstat(descriptor, &status) != 0) {
            throw SystemError("cannot look at " + shown(file), errno);
        }
        if (!is_same_file(status, file.status)) {
            throw changed(file, else_it);
        }
    }

    const FileDescriptor& root_;
    const std::filesystem::path& name_;
    const std::vector<FileToHash>& files_;
    const FileHashOptions& options_;
    std::vector<std::string>& hex_;     // each element is written by one thread
    std::vector<std::int64_t>& began_;  // this too
    std::vector<std::size_t> order_;    // the large files, largest first, then the others
    std::size_t large_ = 0;             // how many are large
    std::atomic<std::size_t> next_turn_ = 0;
};

}  // namespace

unsigned hashing_threads(unsigned wanted) {
    return std::clamp(wanted != 0 ? wanted : std::thread::hardware_concurrency(), 1U, kMaxThreads);
}

FileHashes hash_files(const FileDescriptor& root, const std::filesystem::path& name,
                      const std::vector<FileToHash>& files, const FileHashOptions& options, const Run& run) {
    FileHashes hashes;
    hashes.hex.resize(files.size());
    std::vector<std::int64_t> began(files.size());
    const auto hash_others = [&] {
        hashes.files_read = HashRound(root, name, files, options, hashes.hex, began).hash_all(run);
    };
    if (options.cache_directory.empty()) {
        hash_others();
        return hashes;
    }
    const auto order = order_by_path(files);
    const StatCache cache(root, name, options);
    cache.recall(files, order, nanoseconds_at(*run.clock), hashes.hex);
    hash_others();
    if (hashes.files_read > 0) {
        cache.remember(files, order, hashes.hex, began);
    }
    return hashes;
}

}  // namespace cooper::build
