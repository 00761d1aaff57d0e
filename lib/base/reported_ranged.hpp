// Bytes that tell how far their reader is: a request's body, a file on its way.
#pragma once

#include "cooper/base/progress.hpp"
#include "cooper/base/ranged.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

namespace cooper {

/// Tells `progress`, which must outlive it, how many bytes of `task` were read, counted from `done`.
class ReportedSource final : public Source {
public:
    ReportedSource(std::unique_ptr<Source> inner, std::uint64_t done, std::string task, Progress& progress)
        : inner_(std::move(inner)), done_(done), task_(std::move(task)), progress_(progress) {}
    std::size_t read(MutableBytes into) override {
        const std::size_t count = inner_->read(into);
        done_ += count;
        progress_.advance(task_, done_);
        return count;
    }

private:
    std::unique_ptr<Source> inner_;
    std::uint64_t done_;
    std::string task_;
    Progress& progress_;
};

/// Tells `progress`, which must outlive it and what it opens, how many bytes of `task` were read. begin() and end() are
/// the caller's.
class ReportedRanged final : public Ranged {
public:
    ReportedRanged(std::shared_ptr<const Ranged> inner, std::string task, Progress& progress)
        : inner_(std::move(inner)), task_(std::move(task)), progress_(progress) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return inner_->size(); }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override {
        return std::make_unique<ReportedSource>(inner_->open(offset, length), offset, task_, progress_);
    }

private:
    std::shared_ptr<const Ranged> inner_;
    std::string task_;
    Progress& progress_;
};

}  // namespace cooper
