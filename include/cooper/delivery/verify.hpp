// What a tarball has in common with its lock, by grades, each with its evidence (`trust-and-delivery.md` 1.5).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/delivery/lock.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// Each includes those before it.
enum class Grade {
    Record,  ///< the lock is well formed and what its own digest says; checksums and signature agree with it
    Image,   ///< config and diff IDs, of the layers as they inflate
    Blobs,   ///< the digest of every blob
    Bytes,   ///< size and SHA-256 of the file
};
std::string_view to_string(Grade grade) noexcept;
/// "record", "image", "blobs", "bytes"; throws Error{InvalidInput}.
Grade parse_grade(std::string_view text);

struct VerifyOptions {
    Grade grade = Grade::Bytes;        ///< higher ones are not looked at
    std::filesystem::path checksums;   ///< a SHA256SUMS; empty: none
    std::filesystem::path public_key;  ///< PEM, for the signature SHA256SUMS.sig beside it; empty: none
    std::filesystem::path spool;       ///< an existing directory, for tarballs that are compressed as a whole
    unsigned jobs = 4;                 ///< layers read at once
    std::string task;                  ///< name in progress events
};

struct GradeResult {
    Grade grade = Grade::Record;
    bool checked = false;
    bool reached = false;
    std::string evidence;                  ///< "5 layer blobs, 2 configs"
    std::vector<std::string> differences;  ///< which member, layer or byte; the first twenty
};

struct Verification {
    std::vector<GradeResult> grades;  ///< all four, in order
    std::optional<Grade> reached;     ///< the highest, with all below it
    Lock lock;
    /// The asked grade is reached, and nothing that was checked contradicts it.
    bool good = false;
};

/// Looks at the tarball, which is read where it lies and at most twice. What differs is in the result. Throws Error:
/// Integrity for a damaged lock, SHA256SUMS or signature and where they contradict each other (named),
/// UnknownLockVersion, NotFound.
Verification verify_tarball(const std::filesystem::path& tarball, const std::filesystem::path& lock,
                            const VerifyOptions& options, const Run& run);

}  // namespace cooper::delivery
