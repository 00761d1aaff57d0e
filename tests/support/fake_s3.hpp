// An S3 store in memory that can be made to fail: for what no real server does on request (a lost reply, SlowDown, an
// error inside a 200 answer, a clock that is off). Checks every signature with code of its own, from the request as it
// was sent.
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/http.hpp"

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace cooper::testing {

/// How a request may go wrong. The operation is done or not as each says.
enum class S3Fault {
    None,
    SlowDown,        ///< 503, not done
    InternalError,   ///< 500, not done
    Late500,         ///< done, then 500
    ErrorIn200,      ///< 200 with <Error>InternalError, not done
    DoneErrorIn200,  ///< the same, but done
    EmptyIn200,      ///< 200 with an empty body, but done
    Conflict,        ///< 409 ConditionalRequestConflict, not done
    Reset,           ///< no answer, not done
    LostReply,       ///< no answer, but done
    CutBody,         ///< the answer's body breaks off in the middle
    RequestTimeout,  ///< 400 RequestTimeout, not done
    ExpiredToken,    ///< 400 ExpiredToken, not done
    BadDigest,       ///< 400 BadDigest, not done
    AccessDenied,    ///< 403, not done
};

/// Habits of stores.
struct FakeS3Options {
    std::string bucket = "bucket";
    std::string region = "us-east-1";
    std::string access_key = "AKIDEXAMPLE";
    std::string secret_key = "secret/+key";
    std::string session_token = "";        ///< when set, requests must bring it
    const Clock* clock = nullptr;          ///< for skew and link expiry; null: the system's
    std::chrono::seconds clock_offset{0};  ///< how far the store's clock is ahead of `clock`
    enum class Conditions { Honoured, CreateOnly, Ignored, Refused } conditions = Conditions::Honoured;
    bool bare_etags = false;         ///< If-Match compares without quotes
    bool refuses_crc = false;        ///< 400 for x-amz-checksum-* and x-amz-sdk-checksum-algorithm
    bool ignores_checksums = false;  ///< does not say them back, and refuses their elements at completion (Swift 2.30)
    bool fails_guarded_copies = false;       ///< 412 for x-amz-copy-source-if-match, whatever it says (Swift 2.30)
    bool ignores_source_conditions = false;  ///< copies whatever is there (Ceph, moto)
    int copy_status = 0;                     ///< what each copy is refused with, as `copy_code`; 0: copies
    std::string copy_code = "";
    bool confuses_uploads = false;  ///< says NoSuchKey when there is no such upload (Ceph)
    bool refuses_md5 = false;       ///< 501 for Content-MD5
    /// What it knows of object tags: all, nothing (501), or not even the subresource: `?tagging` is the object itself.
    enum class Tagging { Kept, Refused, Unknown } tagging = Tagging::Kept;
    bool redirects = false;         ///< a wrong region is 301 with x-amz-bucket-region; else 400 with <Region>
    bool encodes_silently = false;  ///< listings are encoded without saying so
    bool never_encodes = false;     ///< listings ignore encoding-type
    std::size_t page = 1000;        ///< keys, uploads and parts of one page
    std::size_t min_part = 1;       ///< smallest part but the last (real stores: 5 MiB)
};

class FakeS3 {
public:
    /// What a store keeps of an object.
    struct Object {
        std::string content;
        std::string etag;                            ///< with quotes
        std::map<std::string, std::string> headers;  ///< content-type, x-amz-meta-*, …; names lower case
        std::map<std::string, std::string> tags;
    };
    /// One request that came, for assertions.
    struct Seen {
        std::string operation;  ///< "PutObject", "UploadPart", … as in the API reference
        std::string key;
        std::map<std::string, std::string> headers;
        std::string query;
        int status = 0;  ///< 0: no answer was given
    };
    struct Answer {
        int status = 200;
        std::vector<std::pair<std::string, std::string>> headers;
        std::string body;
        bool none = false;  ///< the connection breaks instead
        bool cut = false;   ///< the connection breaks in the middle of the body
    };
    struct Request {
        std::string method;
        std::string path;                            ///< as sent
        std::string query;                           ///< as sent
        std::map<std::string, std::string> headers;  ///< names lower case; host included
        std::string body;
    };

    explicit FakeS3(FakeS3Options options = {}) : options_(std::move(options)) {}

    /// Answers one request. From several threads at once.
    Answer handle(const Request& request);

    /// The next `times` requests for `operation` ("" for any) go wrong.
    void fail(const std::string& operation, S3Fault fault, int times = 1);
    /// Asked for each request when no fail() fits; may sleep or count.
    void set_chaos(std::function<S3Fault(const std::string& operation, const std::string& key)> chaos);

    void put(const std::string& key, std::string content);
    /// Of an object that is there.
    void put_tag(const std::string& key, const std::string& name, std::string text);
    [[nodiscard]] std::optional<Object> find(const std::string& key) const;
    [[nodiscard]] std::vector<std::string> keys() const;
    [[nodiscard]] std::size_t pending_uploads() const;
    [[nodiscard]] std::vector<Seen> seen() const;
    [[nodiscard]] std::size_t count(const std::string& operation) const;
    /// Changes a habit while the store runs.
    void change(const std::function<void(FakeS3Options&)>& edit);

private:
    struct Part {
        std::string content;
        std::string etag;
        std::uint64_t crc = 0;
    };
    struct Upload {
        std::string key;
        std::map<std::string, std::string> headers;
        std::map<unsigned, Part> parts;
        std::string checksum_algorithm;
    };
    using Query = std::map<std::string, std::string>;

    Answer dispatch(const Request& request, const std::string& operation, const std::string& key, const Query& query);
    std::optional<Answer> check_access(const Request& request) const;
    std::optional<Answer> check_presigned(const Request& request) const;
    std::optional<Answer> check_condition(const Request& request, const std::string& key) const;
    std::optional<Answer> check_integrity(const Request& request) const;
    Answer put_object(const Request& request, const std::string& key);
    Answer get_object(const Request& request, const std::string& key, const Query& query) const;
    Answer tagging(const Request& request, const std::string& key);
    Answer list_objects(const Query& query) const;
    Answer list_uploads(const Query& query) const;
    Answer list_parts(const std::string& upload_id, const Query& query) const;
    Answer create_upload(const Request& request, const std::string& key);
    Answer upload_part(const Request& request, const Query& query);
    Answer copy_part(const Request& request, const Query& query);
    Answer complete_upload(const Request& request, const std::string& key, const std::string& upload_id);
    [[nodiscard]] Answer no_such_upload() const;
    [[nodiscard]] std::string listed_key(const std::string& key, const Query& query) const;
    S3Fault next_fault(const std::string& operation, const std::string& key);
    [[nodiscard]] TimePoint now() const;

    mutable std::mutex mutex_;
    FakeS3Options options_;
    std::map<std::string, Object> objects_;
    std::map<std::string, Upload> uploads_;
    std::vector<std::pair<std::string, S3Fault>> faults_;
    std::function<S3Fault(const std::string&, const std::string&)> chaos_;
    std::vector<Seen> seen_;
    unsigned next_upload_ = 1;
};

/// Sends requests straight to `store`, without a socket: a reset is Error{Unavailable} as from the real client. Path
/// style; any endpoint's host will do. Borrows `store`.
std::unique_ptr<HttpClient> make_fake_s3_client(FakeS3& store);

}  // namespace cooper::testing
