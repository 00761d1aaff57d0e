#include "delivery/place/part_copier.hpp"

#include "cooper/base/error.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr std::size_t kThreads = 16;  // a copy waits for the store, not for us

}  // namespace

PartCopier::PartCopier(s3::Bucket& bucket, std::string key, std::string upload_id, std::string source_key,
                       std::string source_etag, const std::vector<Copy>& copies, const Run& run)
    : bucket_(bucket),
      key_(std::move(key)),
      upload_id_(std::move(upload_id)),
      source_key_(std::move(source_key)),
      source_etag_(std::move(source_etag)),
      forward_(run.stop, [this] { stop_.request_stop(); }),
      run_(run.with_stop(stop_.get_token())),
      waiting_(copies.rbegin(), copies.rend()) {
    for (const Copy& copy : copies) {
        outcome_.emplace(copy.number, std::nullopt);
    }
    for (std::size_t i = 0; i < std::min(kThreads, copies.size()); ++i) {
        threads_.emplace_back([this] { copy_parts(); });
    }
}

PartCopier::~PartCopier() {
    stop_.request_stop();
}

std::optional<s3::UploadedPart> PartCopier::await(std::uint32_t number) {
    std::unique_lock lock(mutex_);
    const auto found = outcome_.find(number);
    if (found == outcome_.end()) {
        return std::nullopt;
    }
    if (!changed_.wait(lock, run_.stop, [&] { return found->second || given_up_; })) {
        throw Cancelled();
    }
    return found->second;
}

void PartCopier::give_up(const std::string& why) {
    {
        const std::scoped_lock lock(mutex_);
        if (given_up_) {
            return;
        }
        given_up_ = true;
        waiting_.clear();
    }
    changed_.notify_all();
    run_.progress->notice(NoticeLevel::Info, "s3://" + bucket_.name() + "/" + source_key_ +
                                                 " is not copied from any more, all else is sent: " + why);
}

void PartCopier::copy_parts() {
    for (;;) {
        Copy next;
        {
            const std::scoped_lock lock(mutex_);
            if (waiting_.empty() || run_.stop.stop_requested()) {
                return;
            }
            next = waiting_.back();
            waiting_.pop_back();
        }
        try {
            copy(next);
        } catch (const Cancelled&) {
            return;
        } catch (const std::exception& error) {
            give_up(error.what());
            return;
        }
    }
}

void PartCopier::copy(const Copy& copy) {
    s3::UploadedPart part = bucket_.copy_part(key_, upload_id_, copy.number, source_key_, source_etag_,
                                              copy.source_offset, copy.length, run_);
    {
        const std::scoped_lock lock(mutex_);
        outcome_[copy.number] = std::move(part);
    }
    changed_.notify_all();
}

}  // namespace cooper::delivery
