// Copies the parts of an upload that an older object of the bucket has, ahead of the bytes (private).
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/delivery/reused_ranges.hpp"
#include "cooper/s3/bucket.hpp"

#include <condition_variable>
#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

namespace cooper::delivery {

/// Begins at once, with threads of its own; stops when it goes. The first copy that the store refuses ends all.
/// Thread-safe.
class PartCopier {
public:
    struct Copy {
        std::uint32_t number = 0;
        std::uint64_t source_offset = 0;
        std::uint64_t length = 0;
    };

    PartCopier(s3::Bucket& bucket, std::string key, std::string upload_id, std::string source_key,
               std::string source_etag, const std::vector<Copy>& copies, const Run& run);
    ~PartCopier();
    PartCopier(const PartCopier&) = delete;
    PartCopier& operator=(const PartCopier&) = delete;

    /// Waits until a part was copied, or will not be; nullopt: it is none of the copies, or was not copied, and no copy
    /// of it is under way that could replace what is sent now. What was copied is not checked.
    std::optional<s3::UploadedPart> await(std::uint32_t number);
    /// No further copies: `why` is told, once.
    void give_up(const std::string& why);

private:
    struct Outcome {
        enum class State { Waiting, UnderWay, Ended } state = State::Waiting;
        std::optional<s3::UploadedPart> part;
    };

    void copy_parts();
    std::optional<Copy> next();
    void end(std::uint32_t number, std::optional<s3::UploadedPart> part);

    s3::Bucket& bucket_;
    std::string key_;
    std::string upload_id_;
    std::string source_key_;
    std::string source_etag_;
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> forward_;
    Run run_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    std::vector<Copy> waiting_;  // last first
    std::map<std::uint32_t, Outcome> outcomes_;
    bool given_up_ = false;
    std::vector<std::jthread> threads_;
};

}  // namespace cooper::delivery
