#include "oci/engine/verified_archive.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/archive_writer.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <stop_token>
#include <thread>

namespace cooper::oci {

namespace {

constexpr std::uint64_t kPart = 1ULL << 20;
constexpr unsigned kParts = 8;
constexpr std::uint64_t kHeldBack = 64ULL << 10;

/// The writing side is a thread that runs the archive's own stream; the reading side copies out of its parts.
class ArchivePipe final : public Source, private PartConsumer {
public:
    ArchivePipe(ArchivePlan plan, bool deep, const std::string& task, const Run& run)
        : plan_(std::move(plan)),
          free_to_go_(plan_.size() - std::min(kHeldBack, plan_.size())),
          forward_(run.stop, [this] { stop_.request_stop(); }),
          writer_([this, deep, task, run] { write_all(deep, task, run.with_stop(stop_.get_token())); }) {}
    ArchivePipe(const ArchivePipe&) = delete;
    ArchivePipe& operator=(const ArchivePipe&) = delete;
    ~ArchivePipe() override {
        stop_.request_stop();
        writer_.join();
    }

    std::size_t read(MutableBytes into) override {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [this] { return !offered_.empty() || over_; });
        if (offered_.empty() && failure_) {
            std::rethrow_exception(failure_);
        }
        Bytes& from = offered_.empty() ? held_rest_ : offered_;
        const std::size_t count = std::min(into.size(), from.size());
        std::copy_n(from.begin(), count, into.begin());
        from = from.subspan(count);
        if (offered_.empty()) {
            changed_.notify_all();
        }
        return count;
    }

private:
    void write_all(bool deep, const std::string& task, const Run& run) noexcept {
        std::exception_ptr failure;
        try {
            ArchiveStreamOptions options;
            options.part_size = kPart;
            options.buffers = kParts;
            options.uploads = 1;  // so that parts come in order
            options.deep = deep;
            options.task = task;
            stream_archive(plan_, *this, options, run);
        } catch (...) {
            failure = std::current_exception();
        }
        const std::scoped_lock lock(mutex_);
        failure_ = failure;
        held_rest_ = as_bytes(held_);
        over_ = true;
        changed_.notify_all();
    }

    void part(std::uint32_t /*number*/, std::uint64_t offset, Bytes bytes) override {
        const std::uint64_t may_go = free_to_go_ - std::min(free_to_go_, offset);
        const Bytes now = bytes.first(std::min<std::uint64_t>(bytes.size(), may_go));
        held_ += as_text(bytes.subspan(now.size()));
        std::unique_lock lock(mutex_);
        offered_ = now;
        changed_.notify_all();
        const bool taken = changed_.wait(lock, stop_.get_token(), [this] { return offered_.empty(); });
        offered_ = {};
        if (!taken) {
            throw Cancelled();
        }
    }

    ArchivePlan plan_;
    const std::uint64_t free_to_go_;  // bytes that are given out before every blob is known to be right
    std::stop_source stop_;
    std::stop_callback<std::function<void()>> forward_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
    Bytes offered_;     // of the current part, not read yet
    std::string held_;  // from free_to_go_ on
    Bytes held_rest_;
    bool over_ = false;
    std::exception_ptr failure_;
    std::thread writer_;
};

}  // namespace

std::unique_ptr<Source> VerifiedArchive::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    if (offset != 0 || length != size()) {
        throw Error(ErrorCode::Unsupported, "an archive on its way to an engine is read from its beginning only");
    }
    return std::make_unique<ArchivePipe>(plan_, deep_, task_, run_);
}

}  // namespace cooper::oci
