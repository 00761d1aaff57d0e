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
        outcomes_.emplace(copy.number, Outcome{});
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
    const auto found = outcomes_.find(number);
    if (found == outcomes_.end()) {
        return std::nullopt;
    }
    const Outcome& outcome = found->second;
    const auto settled = [&] {
        return outcome.state == Outcome::State::Ended || (given_up_ && outcome.state == Outcome::State::Waiting);
    };
    if (!changed_.wait(lock, run_.stop, settled)) {
        throw Cancelled();
    }
    return outcome.part;
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
    while (const std::optional<Copy> copy = next()) {
        std::optional<s3::UploadedPart> part;
        try {
            part = bucket_.copy_part(key_, upload_id_, copy->number, source_key_, source_etag_, copy->source_offset,
                                     copy->length, run_);
        } catch (const Cancelled&) {
            return;
        } catch (const std::exception& error) {
            give_up(error.what());
        }
        end(copy->number, std::move(part));
    }
}

std::optional<PartCopier::Copy> PartCopier::next() {
    const std::scoped_lock lock(mutex_);
    if (waiting_.empty() || run_.stop.stop_requested()) {
        return std::nullopt;
    }
    const Copy copy = waiting_.back();
    waiting_.pop_back();
    outcomes_.at(copy.number).state = Outcome::State::UnderWay;
    return copy;
}

void PartCopier::end(std::uint32_t number, std::optional<s3::UploadedPart> part) {
    {
        const std::scoped_lock lock(mutex_);
        outcomes_.at(number) = {Outcome::State::Ended, std::move(part)};
    }
    changed_.notify_all();
}

}  // namespace cooper::delivery
