// The difference between two tarballs, for customers who are given files: what the new one has and the old one lacks,
// and where the rest lies in the old one. apply_delta() makes the new tarball with the same SHA-256, without a network.
//
// Works on blobs: both tarballs are cut at their members, in whatever dialect of tar, whoever wrote them. All other
// bytes (headers, padding, small members) are stretches of their own; what is no tar is one stretch. A plain layer that
// changed is a tar itself and cut at its files; a compressed one is sent whole.
//
// Format cooper.delta/v1, one file: the head, one line feed, the payload. The head is one line of canonical JSON (RFC
// 8785) that names itself: "digest" is the SHA-256 of the document without that member. Nothing in it names a path.
//
//   {"assumed":[{"offset":1,"sha256":"…","size":1}],"digest":"sha256:…",
//    "new":{"name":"app_2.tar","sha256":"…","size":1},"old":{"name":"app_1.tar","sha256":"…","size":1},
//    "schema":"cooper.delta/v1",
//    "segments":[{"old":512,"size":1},{"payload":0,"sha256":"…","size":1}]}
//
// The segments are the new file in order: ranges of the old file, and ranges of the payload with their digests.
// "assumed" lists the blobs of the old file that the new one takes over.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/run.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

inline constexpr std::string_view kDeltaSchema = "cooper.delta/v1";
/// 100,000 stretches of which every second changed fit.
inline constexpr std::size_t kMaxDeltaHead = 32 * 1024 * 1024;

struct DeltaFile {
    std::string name;  ///< colon-free, without directories; for messages only
    std::uint64_t size = 0;
    Digest sha256;
    bool operator==(const DeltaFile&) const = default;
};

/// A stretch of the new file.
struct DeltaSegment {
    std::uint64_t offset = 0;      ///< in the old file, or in the payload
    std::uint64_t size = 0;        ///< never 0
    std::optional<Digest> sha256;  ///< of payload; nullopt: a range of the old file
    bool operator==(const DeltaSegment&) const = default;
};

/// A blob of the old file that the new one takes over.
struct AssumedBlob {
    std::uint64_t offset = 0;
    std::uint64_t size = 0;
    Digest sha256;
    bool operator==(const AssumedBlob&) const = default;
};

/// A value.
struct DeltaHead {
    DeltaFile old_file;
    DeltaFile new_file;
    std::vector<DeltaSegment> segments;
    std::vector<AssumedBlob> assumed;  ///< by offset, none overlaps another

    [[nodiscard]] std::uint64_t payload_size() const;
    /// Bytes of the new file that come from the old one.
    [[nodiscard]] std::uint64_t reused() const;
    bool operator==(const DeltaHead&) const = default;
};

/// A delta of a schema that this cooper does not know: exit code 13.
class UnknownDeltaVersion : public Error {
public:
    explicit UnknownDeltaVersion(const std::string& message);
    ~UnknownDeltaVersion() override;
};

/// One line, without the line feed.
std::string delta_head_to_json(const DeltaHead& head);
/// Strict: every byte must be as delta_head_to_json() writes it. Throws UnknownDeltaVersion; Error{InvalidInput} for
/// what is no delta; IntegrityError or Error{Integrity} for a delta that was changed, or whose ranges do not make the
/// new file. `what` names it.
DeltaHead delta_head_from_json(std::string_view text, std::string_view what);

struct DeltaReport {
    DeltaHead head;
    std::uint64_t delta_size = 0;  ///< of the delta's file
};

/// Writes the delta from `old_file` to `new_file` to `delta`, which appears whole or not at all. `old_file` is a
/// tarball or a lock of one (lock.hpp): then no old tarball is needed here. Both are read once, hashed on all cores;
/// memory is bounded. Throws NotFound, SystemError, Error{Conflict} for a file that changed meanwhile,
/// Error{InvalidInput} when `delta` is one of the two, what lock_from_json() throws, Cancelled.
DeltaReport make_delta(const std::filesystem::path& old_file, const std::filesystem::path& new_file,
                       const std::filesystem::path& delta, const Run& run);

/// Writes the new file to `out`, where it appears when its SHA-256 is proved, and not before. Opens no socket. Throws
/// IntegrityError when `old_file` is not the one that the delta was made for (naming damaged members), or the delta was
/// changed (naming the part); what delta_head_from_json() throws; Error{InvalidInput} when `out` is one of the two;
/// NotFound, SystemError (a full disk before anything is written), Cancelled.
DeltaReport apply_delta(const std::filesystem::path& old_file, const std::filesystem::path& delta,
                        const std::filesystem::path& out, const Run& run);

}  // namespace cooper::delivery
