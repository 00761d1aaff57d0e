// One bucket at one endpoint, as something that requests are sent to: signs, tries again, and learns (region, clock
// skew, checksum form, pace). What an answer means for an operation is decided by bucket.cpp and its neighbours.
#pragma once

#include "cooper/s3/bucket.hpp"
#include "cooper/s3/sigv4.hpp"

#include "s3/congestion.hpp"
#include "s3/endpoint.hpp"
#include "s3/failure.hpp"
#include "s3/xml.hpp"

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace cooper::s3 {

/// How the bytes of an object are guarded on their way; a store that refuses one gets the next.
enum class ChecksumForm { Crc64, ContentMd5, None };

/// May a request be sent again when it is not known whether the store did it?
enum class Repeat { Always, OnlyIfNotDone };

/// What is done with the body of a good answer.
enum class ReplyBody {
    Text,      ///< read, at most Call::max_reply bytes
    Document,  ///< the same, and it must be XML whose root is not <Error>
    Stream,    ///< left to the caller
};

/// One operation, before signing.
struct Call {
    std::string what;  ///< "writing s3://bucket/key", for errors
    std::string method;
    std::string key;  ///< empty: the bucket itself
    NameValues query;
    NameValues headers;  ///< all of them are signed
    std::shared_ptr<const Ranged> body;
    /// Adds the headers that `form` asks for; empty: the call has no checksum.
    std::function<void(ChecksumForm form, NameValues& headers)> add_checksum;
    Repeat repeat = Repeat::Always;
    std::vector<int> accepted;  ///< error statuses that are given back, not thrown
    ReplyBody reply = ReplyBody::Text;
    std::size_t max_reply = 16U << 20;
    std::chrono::milliseconds stall_timeout{60'000};
    int max_attempts = 0;  ///< 0: as the settings say
};

struct Reply {
    int status = 0;  ///< 0: no usable answer came, and Call::repeat forbade another try
    Headers headers;
    std::string body;
    std::unique_ptr<Source> stream;
    std::optional<xml::Element> document;
    Failure failure;           ///< when the status is an accepted error
    bool lost_before = false;  ///< an earlier try may have been done without our seeing its answer

    [[nodiscard]] bool good() const noexcept { return status >= 200 && status < 300; }
};

/// Safe from several threads. Borrows client and credentials.
class Store {
public:
    Store(std::string bucket, Settings settings, HttpClient& http, CredentialsProvider& credentials);

    /// Throws HttpError for an answer that is an error and not accepted, Error{Unavailable} when no answer came.
    Reply send(const Call& call, const Run& run);

    [[nodiscard]] const std::string& bucket() const noexcept { return bucket_; }
    /// "s3://bucket/key".
    [[nodiscard]] std::string name_of(std::string_view key) const;
    [[nodiscard]] bool aws() const noexcept { return aws_; }
    [[nodiscard]] const Settings& settings() const noexcept { return settings_; }
    [[nodiscard]] RetryBudget& budget() noexcept { return budget_; }

    [[nodiscard]] ChecksumForm checksum_form() const noexcept { return checksum_form_; }
    /// The store compares ETags of conditions without their quotes (Ceph before version 17).
    [[nodiscard]] bool bare_etags() const noexcept { return bare_etags_; }
    void use_bare_etags() noexcept { bare_etags_ = true; }

    /// The store said a part's checksum back: it knows them, so it may be told the whole's (Swift 2.30 refuses the
    /// elements).
    [[nodiscard]] bool knows_checksums() const noexcept { return aws_ || knows_checksums_; }
    void note_checksum_echo() noexcept { knows_checksums_ = true; }

    /// The store's copies fail under a condition that holds (Swift, for sources that came in parts): compare by HEAD
    /// instead.
    [[nodiscard]] bool copies_by_head() const noexcept { return copies_by_head_; }
    void copy_by_head() noexcept { copies_by_head_ = true; }

    /// For presigning: where the bucket is (asked once from AWS when it is not yet known), and the time by the store's
    /// clock.
    [[nodiscard]] Location location(std::string_view key) const;
    [[nodiscard]] std::string region() const;
    void confirm_region(const Run& run);
    [[nodiscard]] TimePoint now(const Run& run) const;
    [[nodiscard]] CredentialsProvider& credentials() noexcept { return credentials_; }

private:
    struct Attempt;
    struct Cures;

    Attempt try_once(const Call& call, ChecksumForm form, const std::string& payload_hash, const Run& run);
    HttpRequest signed_request(const Call& call, ChecksumForm form, const std::string& payload_hash,
                               const Credentials& credentials, const std::string& region, TimePoint time) const;
    void read_reply(const Call& call, HttpResponse& response, Attempt& attempt) const;
    bool cure(const Call& call, const Attempt& attempt, Cures& cures, const Run& run);
    bool find_region(const Attempt& attempt, const Run& run);
    std::string ask_region(const Run& run);
    bool learn_clock(const Attempt& attempt, const Run& run);
    bool refresh_credentials(const Attempt& attempt, const Run& run);
    void settle_form(ChecksumForm form, const Run& run);
    [[nodiscard]] std::string payload_hash(const Call& call) const;

    std::string bucket_;
    Settings settings_;
    HttpClient& http_;
    CredentialsProvider& credentials_;
    bool aws_;
    std::shared_ptr<const TlsSettings> tls_;
    RetryBudget budget_;
    Congestion congestion_;
    mutable std::mutex mutex_;  // guards region_
    std::string region_;
    std::atomic<bool> region_confirmed_{false};
    std::atomic<std::int64_t> clock_offset_{0};  // seconds that the store's clock is ahead
    std::atomic<ChecksumForm> checksum_form_;
    std::atomic<bool> bare_etags_{false};
    std::atomic<bool> knows_checksums_{false};
    std::atomic<bool> copies_by_head_{false};
    std::atomic<bool> takes_bodies_{false};  // the last large body was taken: no need to ask first
};

}  // namespace cooper::s3
