// Whether a store honours conditions on writes: some refuse them, some silently ignore them, so it is tried out.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/bucket.hpp"

#include "s3/operations.hpp"

#include <random>

namespace cooper::s3 {

namespace {

constexpr int kRounds = 3;

std::string probe_key() {
    std::random_device device;
    std::string name;
    for (int i = 0; i < 4; ++i) {
        const std::uint32_t word = device();
        name += to_hex(std::as_bytes(std::span(&word, 1)));
    }
    return ".cooper/probe-" + name;
}

/// Writes the probe under `condition`; nullopt: the store does not know conditions.
std::optional<WriteOutcome> try_write(Bucket& bucket, const std::string& key, const WriteCondition& condition,
                                      const Run& run) {
    ObjectHeaders headers;
    headers.content_type = "text/plain";
    const auto body = std::make_shared<MemoryRanged>("tries out conditional writes; may be deleted\n");
    try {
        return bucket.put(key, body, headers, condition, run).outcome;
    } catch (const HttpError& error) {
        const bool unknown = error.status() == 400 || error.status() == 405 || error.status() == 501;
        if (!unknown) {
            throw;
        }
        return std::nullopt;
    }
}

/// nullopt: an answer was lost or the store was too busy to compare, so nothing is proved.
std::optional<ConditionalWrites> probe(Bucket& bucket, const std::string& key, const Run& run) {
    const auto first = try_write(bucket, key, WriteCondition::if_absent(), run);
    if (!first) {
        return ConditionalWrites::Unsupported;
    }
    const auto second = try_write(bucket, key, WriteCondition::if_absent(), run);
    // Nobody else knows the key: a condition that fails at once is the 409 of a store under load, not a verdict.
    if (first != WriteOutcome::Done || second == WriteOutcome::Ambiguous) {
        return std::nullopt;
    }
    if (second != WriteOutcome::ConditionFailed) {
        return ConditionalWrites::Unsupported;
    }
    const auto other = try_write(bucket, key, WriteCondition::if_match("\"00000000000000000000000000000000\""), run);
    if (other == WriteOutcome::Ambiguous) {
        return std::nullopt;
    }
    return other == WriteOutcome::ConditionFailed ? ConditionalWrites::Supported : ConditionalWrites::CreateOnly;
}

/// Removes the probe whatever happens; that it cannot be removed is no reason to fail.
class ProbeObject {
public:
    ProbeObject(Bucket& bucket, const Run& run) : bucket_(bucket), run_(run), key_(probe_key()) {}
    ProbeObject(const ProbeObject&) = delete;
    ProbeObject& operator=(const ProbeObject&) = delete;
    ~ProbeObject() {
        try {
            bucket_.remove(key_, run_.with_stop({}));
        } catch (const std::exception&) {
            run_.progress->notice(NoticeLevel::Warning, "could not delete " + bucket_.name() + "/" + key_);
        }
    }
    [[nodiscard]] const std::string& key() const noexcept { return key_; }

private:
    Bucket& bucket_;
    Run run_;
    std::string key_;
};

}  // namespace

ConditionalWrites Bucket::conditional_writes(const Run& run) {
    const std::scoped_lock lock(state_->mutex);  // held while probing: other threads wait for the verdict
    if (!state_->conditional_writes && state_->store.aws()) {
        state_->conditional_writes = ConditionalWrites::Supported;  // in every region since November 2024
    }
    for (int round = 0; round < kRounds && !state_->conditional_writes; ++round) {
        const ProbeObject object(*this, run);
        state_->conditional_writes = probe(*this, object.key(), run);
    }
    if (!state_->conditional_writes) {
        throw Error(ErrorCode::Unavailable, "finding out whether " + state_->store.name_of("") +
                                                " has conditional writes: no clear answer in " +
                                                std::to_string(kRounds) + " rounds");
    }
    return *state_->conditional_writes;
}

}  // namespace cooper::s3
