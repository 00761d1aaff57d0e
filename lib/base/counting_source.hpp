// Where a reader is in what it reads (private).
#pragma once

#include "cooper/base/stream.hpp"

#include <cstdint>
#include <memory>

namespace cooper {

/// Passes `inner` through and counts its bytes: the place of a member's content in a tar is known by it.
class CountingSource final : public Source {
public:
    explicit CountingSource(std::unique_ptr<Source> inner) : inner_(std::move(inner)) {}
    std::size_t read(MutableBytes into) override {
        const std::size_t count = inner_->read(into);
        count_ += count;
        return count;
    }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

private:
    std::unique_ptr<Source> inner_;
    std::uint64_t count_ = 0;
};

}  // namespace cooper
