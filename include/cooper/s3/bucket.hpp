// One bucket of an S3 store: the operations that cooper needs, signed, retried, and honest about what the store can do.
// Amazon S3 API 2006-03-01; facts and traps in `s3.md`.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/s3/credentials.hpp"

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::s3 {

enum class AddressingStyle { Auto, Path, VirtualHost };

/// Endpoint, region and habits; from flags, environment and profile by `resolve_settings`.
struct Settings {
    std::string region = "us-east-1";
    std::string endpoint;  ///< URL; empty: AWS's own for the region
    AddressingStyle addressing = AddressingStyle::Auto;
    bool dualstack = false;
    bool fips = false;
    bool accelerate = false;  ///< transfer acceleration: bucket.s3-accelerate.amazonaws.com
    bool insecure = false;    ///< do not verify certificates
    std::string ca_bundle;    ///< AWS_CA_BUNDLE
    /// Sign the payload's SHA-256. Auto: not over https and not to loopback, where UNSIGNED-PAYLOAD saves a hash of
    /// each byte.
    enum class PayloadSigning { Auto, Always, Never } payload_signing = PayloadSigning::Auto;
    /// Send CRC-64/NVME with every object and part. WhenRequired: only where S3 demands a checksum.
    enum class Checksums { WhenSupported, WhenRequired } checksums = Checksums::WhenSupported;
    std::string expected_bucket_owner;  ///< account id, sent with each request; guards against a squatted bucket name
    RetryPolicy retry;
};

/// Settings as the AWS CLI finds them: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, AWS_REGION, AWS_DEFAULT_REGION, profile
/// (services section, endpoint_url, region, s3.addressing_style), AWS_CA_BUNDLE, AWS_USE_FIPS_ENDPOINT,
/// AWS_USE_DUALSTACK_ENDPOINT, …
Settings resolve_settings(const Environment& environment, const std::string& profile = "");

struct S3Url {
    std::string bucket;
    std::string key;  ///< may be empty; never begins with "/"
    /// "s3://BUCKET[/KEY]"; throws Error{InvalidInput}.
    static S3Url parse(std::string_view text);
    [[nodiscard]] std::string text() const { return "s3://" + bucket + (key.empty() ? "" : "/" + key); }
};

/// What is known of an object. ETags are opaque; quotes are kept as the server gave them.
struct ObjectInfo {
    std::string key;
    std::uint64_t size = 0;
    std::string etag;
    std::string version_id;
    std::optional<TimePoint> last_modified;
    std::string content_type;
    std::map<std::string, std::string> metadata;  ///< x-amz-meta-*, names lower case without the prefix
};

/// Headers for a new object.
struct ObjectHeaders {
    std::string content_type = "application/octet-stream";
    std::string content_disposition;
    std::string cache_control;
    std::map<std::string, std::string> metadata;
    std::string storage_class;
    std::string server_side_encryption;  ///< "AES256", "aws:kms"; empty: the bucket's default
    std::string kms_key_id;
};

/// A condition on a write. With several writers exactly one of two racing If-None-Match writes wins on a store that has
/// them.
struct WriteCondition {
    enum class Kind { None, IfAbsent, IfMatch } kind = Kind::None;
    std::string etag;
    static WriteCondition none() { return {}; }
    static WriteCondition if_absent() { return {Kind::IfAbsent, {}}; }
    static WriteCondition if_match(std::string etag) { return {Kind::IfMatch, std::move(etag)}; }
};

/// How a conditional write ended.
enum class WriteOutcome {
    Done,
    ConditionFailed,  ///< 412, 409, or 404 for If-Match: somebody else was faster
    Ambiguous,        ///< 5xx, timeout or reset: it may have been written; read before trying again
};
struct WriteResult {
    WriteOutcome outcome = WriteOutcome::Done;
    std::string etag;
    std::string version_id;
};

/// Whether the store honours conditions on writes (probed, `s3.md` section 8).
enum class ConditionalWrites { Supported, CreateOnly, Unsupported };

struct UploadedPart {
    std::uint32_t number = 0;  ///< 1 to 10,000
    std::string etag;
    std::uint64_t size = 0;
    std::optional<std::uint64_t> crc64;  ///< CRC-64/NVME of the part; nullopt: the store did not tell
};

/// A multipart upload that is not there (any more): it was completed or aborted by somebody else, or has expired.
/// What to do: look at the object again and, if it is still wanted, begin anew. Its code is Conflict.
class UploadGone : public Error {
public:
    UploadGone(const std::string& message, std::string upload_id);
    ~UploadGone() override;
    [[nodiscard]] const std::string& upload_id() const noexcept { return upload_id_; }

private:
    std::string upload_id_;
};

/// A Content-Disposition that makes a browser save under `file_name`: characters that some file system refuses (":" in
/// an image tag) become "_"; a name that is not ASCII is given twice (RFC 6266).
std::string attachment_disposition(std::string_view file_name);

struct PendingUpload {
    std::string key;
    std::string upload_id;
    std::optional<TimePoint> initiated;
};

/// A bucket. Safe from several threads at once. Borrows client and credentials. Every operation throws Error: NotFound
/// (no such bucket or upload), AccessDenied, Unavailable (retries used up), Conflict, InvalidInput; messages name
/// bucket, key and the store's own code, never a signature. Learns region, clock skew, checksum form and ETag quoting
/// from the store.
class Bucket {
public:
    Bucket(std::string name, Settings settings, HttpClient& http, CredentialsProvider& credentials);
    ~Bucket();
    Bucket(const Bucket&) = delete;
    Bucket& operator=(const Bucket&) = delete;

    [[nodiscard]] const std::string& name() const noexcept;

    /// nullopt: no such object.
    [[nodiscard]] std::optional<ObjectInfo> head(const std::string& key, const Run& run);
    /// The whole object as text, at most `limit` bytes; nullopt: no such object.
    struct Text {
        std::string text;
        ObjectInfo info;
    };
    [[nodiscard]] std::optional<Text> find_text(const std::string& key, std::size_t limit, const Run& run);
    /// A stream of the object from `offset` (resumed on breaks, pinned by If-Match to the first answer's ETag).
    [[nodiscard]] std::unique_ptr<Source> open(const std::string& key, std::uint64_t offset, const Run& run);

    /// One PUT (at most 5 GiB). With a condition no blind retry is made after an ambiguous end.
    WriteResult put(const std::string& key, std::shared_ptr<const Ranged> body, const ObjectHeaders& headers,
                    const WriteCondition& condition, const Run& run);
    void remove(const std::string& key, const Run& run);

    /// Sets tags of an object; others that it has stay (two that do this at once: the last one counts). False: this
    /// store, or this user, has no tags (400, 403, 405, 501, or a store that does not know the request). Throws
    /// NotFound for the object, Error{Conflict} when it would have more than S3's ten, InvalidInput for characters that
    /// not every store takes.
    bool add_tags(const std::string& key, const std::map<std::string, std::string>& tags, const Run& run);

    /// Keys below `prefix` in order, all pages; at most `limit` (throws beyond).
    [[nodiscard]] std::vector<ObjectInfo> list(const std::string& prefix, const Run& run, std::size_t limit = 100'000);

    /// Multipart, step by step. `upload.hpp` drives it.
    [[nodiscard]] std::string create_upload(const std::string& key, const ObjectHeaders& headers, const Run& run);
    /// Throws UploadGone when there is no such upload (any 404 but of the bucket: Ceph says NoSuchKey).
    UploadedPart upload_part(const std::string& key, const std::string& upload_id, std::uint32_t number, Bytes bytes,
                             const Run& run);
    /// All parts that the store has of an upload, by number; nullopt: no such upload (any 404 but of the bucket).
    /// Throws Error{Unavailable} for a listing that cannot be true.
    [[nodiscard]] std::optional<std::vector<UploadedPart>> list_parts(const std::string& key,
                                                                      const std::string& upload_id, const Run& run);
    /// Server-side copy of source bytes [first, first + length) into a part. Stores that ignore conditions on sources
    /// (Ceph, moto) copy whatever is there by now, so the caller looks at what was copied: `part_holds` (`upload.hpp`).
    /// Throws, meaning "send the bytes instead", Error{Conflict}: the source is gone, or its ETag is not `source_etag`
    /// (empty: any); Error{Unsupported}: this store, or this user, cannot copy that (400, 403, 405, 416, 501). Else
    /// UploadGone, Error{Unavailable} after all retries, NotFound for the bucket, AccessDenied for an expired session.
    UploadedPart copy_part(const std::string& key, const std::string& upload_id, std::uint32_t number,
                           const std::string& source_key, const std::string& source_etag, std::uint64_t first,
                           std::uint64_t length, const Run& run);
    /// Sees errors inside a 200 reply; after a lost reply asks by HEAD whether it worked (size and metadata
    /// `expect_metadata`). Throws UploadGone as upload_part does; when nobody can tell from a store's 404 whether the
    /// upload is gone or the object of If-Match (Ceph), the outcome is ConditionFailed.
    WriteResult complete_upload(const std::string& key, const std::string& upload_id,
                                const std::vector<UploadedPart>& parts, const WriteCondition& condition,
                                const std::map<std::string, std::string>& expect_metadata, const Run& run);
    /// Until the store says that it is gone. Never throws for an upload that is not there.
    void abort_upload(const std::string& key, const std::string& upload_id, const Run& run);
    [[nodiscard]] std::vector<PendingUpload> pending_uploads(const std::string& prefix, const Run& run);

    /// Probed once per bucket and kept.
    [[nodiscard]] ConditionalWrites conditional_writes(const Run& run);

    /// A GET link and when it really ends: the least of what was asked, seven days, and the credentials' life.
    struct Presigned {
        std::string url;              ///< a bearer token: print to stdout only, never log
        TimePoint expires;            ///< when the link stops working, as far as it can be known
        std::string limited_by;       ///< empty, or why it is earlier than asked ("the session's credentials")
        bool expiry_unknown = false;  ///< session credentials without a known end: "at most 12 h"
    };
    [[nodiscard]] Presigned presign_get(const std::string& key, std::chrono::seconds lifetime,
                                        const std::string& file_name, const Run& run);

private:
    struct State;
    std::unique_ptr<State> state_;
};

}  // namespace cooper::s3
