// Streams that misbehave on purpose.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/stream.hpp"

#include <algorithm>
#include <string>

namespace cooper::testing {

/// Gives at most `piece` bytes a read; fails at byte `fail_at` if there is such a byte.
class PiecewiseSource final : public Source {
public:
    PiecewiseSource(std::string text, std::size_t piece, std::size_t fail_at = std::string::npos)
        : text_(std::move(text)), piece_(piece), fail_at_(fail_at) {}

    std::size_t read(MutableBytes into) override {
        if (at_ >= fail_at_) {
            throw Error(ErrorCode::Unavailable, "scripted failure");
        }
        const std::size_t count = std::min({into.size(), piece_, text_.size() - at_, fail_at_ - at_});
        std::copy_n(as_bytes(text_).subspan(at_).begin(), count, into.begin());
        at_ += count;
        return count;
    }

private:
    std::string text_;
    std::size_t piece_;
    std::size_t fail_at_;
    std::size_t at_ = 0;
};

/// Fails at its n-th write.
class FailingSink final : public Sink {
public:
    explicit FailingSink(int writes) : rest_(writes) {}
    void write(Bytes /*chunk*/) override {
        if (--rest_ < 0) {
            throw Error(ErrorCode::System, "scripted failure");
        }
    }
    void finish() override { finished_ = true; }
    [[nodiscard]] bool finished() const noexcept { return finished_; }

private:
    int rest_;
    bool finished_ = false;
};

}  // namespace cooper::testing
