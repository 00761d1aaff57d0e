#include "cooper/s3/upload.hpp"

#include "cooper/base/error.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>

namespace cooper::s3 {

namespace {

constexpr std::uint64_t kPartStep = 1ULL << 20;
constexpr std::uint64_t kMaxPart = 5ULL << 30;
constexpr std::uint64_t kOnePutUpTo = 8ULL << 20;

/// Sends the parts of `content` with some threads, each with a buffer of its own. The first exception ends all.
class PartSender {
public:
    PartSender(Upload& to, const Ranged& content, std::uint64_t part_size, std::string task, const Run& run)
        : to_(to),
          content_(content),
          part_size_(part_size),
          part_count_((content.size() + part_size - 1) / part_size),
          task_(std::move(task)),
          run_(run) {}

    void send(unsigned threads) {
        const std::stop_callback stop_all(run_.stop, [this] { stop_.request_stop(); });
        {
            std::vector<std::jthread> workers;
            for (std::uint64_t i = 0; i < std::min<std::uint64_t>(threads, part_count_); ++i) {
                workers.emplace_back([this] { work(); });
            }
        }
        if (failure_) {
            std::rethrow_exception(failure_);
        }
    }

private:
    void work() {
        try {
            const Run run = run_.with_stop(stop_.get_token());
            std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(part_size_, content_.size())));
            for (std::uint64_t index = next_++; index < part_count_; index = next_++) {
                run.check();
                const std::uint64_t offset = index * part_size_;
                const std::uint64_t length = std::min(part_size_, content_.size() - offset);
                const MutableBytes bytes = MutableBytes(buffer).first(static_cast<std::size_t>(length));
                if (read_full(*content_.open(offset, length), bytes) != length) {
                    throw Error(ErrorCode::Integrity, "the content of " + task_ + " ended early");
                }
                to_.part(static_cast<std::uint32_t>(index + 1), bytes, run);
                run.progress->advance(task_, done_ += length);
            }
        } catch (...) {
            const std::scoped_lock lock(mutex_);
            failure_ = failure_ ? failure_ : std::current_exception();
            stop_.request_stop();
        }
    }

    Upload& to_;
    const Ranged& content_;
    std::uint64_t part_size_;
    std::uint64_t part_count_;
    std::string task_;
    Run run_;
    std::stop_source stop_;
    std::atomic<std::uint64_t> next_{0};
    std::atomic<std::uint64_t> done_{0};
    std::mutex mutex_;
    std::exception_ptr failure_;
};

/// Announces a task for as long as it lives.
class Announced {
public:
    Announced(std::string task, std::uint64_t total, Progress& progress) : task_(std::move(task)), progress_(progress) {
        progress_.begin(task_, total);
    }
    Announced(const Announced&) = delete;
    Announced& operator=(const Announced&) = delete;
    ~Announced() { progress_.end(task_); }

private:
    std::string task_;
    Progress& progress_;
};

/// The whole content from memory or a file, without owning it.
class Lent final : public Ranged {
public:
    explicit Lent(const Ranged& content) : content_(content) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return content_.size(); }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override {
        return content_.open(offset, length);
    }

private:
    const Ranged& content_;
};

}  // namespace

std::uint64_t part_size_for(std::uint64_t size, std::uint64_t wanted) {
    const std::uint64_t least = (size + kMaxParts - 1) / kMaxParts;
    const std::uint64_t chosen = std::max({wanted, least, kMinPart});
    const std::uint64_t rounded = (chosen + kPartStep - 1) / kPartStep * kPartStep;
    if (rounded > kMaxPart) {
        throw Error(ErrorCode::InvalidInput, "an object of " + std::to_string(size) + " bytes needs parts of " +
                                                 std::to_string(rounded) + " bytes; S3 takes 5 GiB at most");
    }
    return rounded;
}

Upload::Upload(Bucket& bucket, std::string key, const ObjectHeaders& headers, const Run& run)
    : Upload(bucket, key, bucket.create_upload(key, headers, run), {}, run) {}

Upload::Upload(Bucket& bucket, std::string key, std::string upload_id, std::vector<UploadedPart> found, const Run& run)
    : bucket_(bucket),
      key_(std::move(key)),
      upload_id_(std::move(upload_id)),
      found_(std::move(found)),
      run_(run.with_stop({})) {}

std::unique_ptr<Upload> Upload::resume(Bucket& bucket, std::string key, std::string upload_id, const Run& run) {
    auto found = bucket.list_parts(key, upload_id, run);
    if (!found) {
        return nullptr;
    }
    return std::unique_ptr<Upload>(new Upload(bucket, std::move(key), std::move(upload_id), std::move(*found), run));
}

Upload::~Upload() {
    if (stays_) {
        return;
    }
    try {
        abort();
    } catch (const std::exception& error) {
        run_.progress->notice(NoticeLevel::Warning,
                              std::string("an unfinished upload is left behind: ") + error.what());
    }
}

void Upload::part(std::uint32_t number, Bytes bytes, const Run& run) {
    take(bucket_.upload_part(key_, upload_id_, number, bytes, run));
}

UploadedPart Upload::copy_part(std::uint32_t number, const std::string& source_key, const std::string& source_etag,
                               std::uint64_t first, std::uint64_t length, const Run& run) {
    return bucket_.copy_part(key_, upload_id_, number, source_key, source_etag, first, length, run);
}

void Upload::take(UploadedPart part) {
    const std::scoped_lock lock(mutex_);
    parts_.insert_or_assign(part.number, std::move(part));
}

std::vector<UploadedPart> Upload::parts() const {
    const std::scoped_lock lock(mutex_);
    std::vector<UploadedPart> parts;
    parts.reserve(parts_.size());
    for (const auto& [number, part] : parts_) {
        parts.push_back(part);
    }
    return parts;
}

WriteResult Upload::complete(const WriteCondition& condition, const std::map<std::string, std::string>& expect_metadata,
                             const Run& run) {
    const std::scoped_lock lock(mutex_);
    std::vector<UploadedPart> parts;
    for (const auto& [number, part] : parts_) {
        if (number != parts.size() + 1) {
            throw Error(ErrorCode::InvalidInput, "completing the upload of s3://" + bucket_.name() + "/" + key_ +
                                                     ": part " + std::to_string(parts.size() + 1) + " is missing");
        }
        parts.push_back(part);
    }
    WriteResult result = bucket_.complete_upload(key_, upload_id_, parts, condition, expect_metadata, run);
    open_ = result.outcome == WriteOutcome::ConditionFailed;
    return result;
}

void Upload::leave_open() {
    const std::scoped_lock lock(mutex_);
    stays_ = true;
}

void Upload::abort() {
    const std::scoped_lock lock(mutex_);
    if (open_) {
        open_ = false;
        bucket_.abort_upload(key_, upload_id_, run_);
    }
}

WriteResult upload(Bucket& bucket, const std::string& key, const Ranged& content, const ObjectHeaders& headers,
                   const WriteCondition& condition, const Run& run, std::uint64_t part_size, unsigned parallel) {
    const std::string task = "s3://" + bucket.name() + "/" + key;
    const Announced announced(task, content.size(), *run.progress);
    if (content.size() <= kOnePutUpTo) {
        WriteResult result = bucket.put(key, std::make_shared<Lent>(content), headers, condition, run);
        run.progress->advance(task, content.size());
        return result;
    }
    Upload parts(bucket, key, headers, run);
    PartSender(parts, content, part_size_for(content.size(), part_size), task, run).send(std::max(1U, parallel));
    return parts.complete(condition, headers.metadata, run);
}

}  // namespace cooper::s3
