// Steps as the user sees them: numbered, with their output line by line (private).
#pragma once

#include "cooper/base/clock.hpp"
#include "cooper/base/stream.hpp"
#include "cooper/build/image_build.hpp"

#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::build {

/// Safe from several threads; the observer is called by one at a time.
class StepLog {
public:
    StepLog(BuildObserver& observer, const Clock& clock) : observer_(observer), clock_(clock) {}

    /// Values that must not be shown: in output each becomes "***".
    void hide(const std::string& value);
    void warn(const DockerfileWarning& warning, std::string_view file);

    [[nodiscard]] std::uint64_t steps() const noexcept { return count_; }
    [[nodiscard]] std::uint64_t cached() const noexcept { return cached_; }

private:
    friend class StepReport;

    BuildObserver& observer_;
    const Clock& clock_;
    std::mutex mutex_;
    std::vector<std::string> hidden_;
    std::uint64_t count_ = 0;
    std::uint64_t cached_ = 0;
};

/// One step, from its beginning to its end. Not ended when it goes: it failed.
class StepReport {
public:
    StepReport(StepLog& log, std::string title);
    ~StepReport();
    StepReport(const StepReport&) = delete;
    StepReport& operator=(const StepReport&) = delete;

    /// Bytes of a program's output, in pieces as they come.
    void output(Bytes chunk);
    void line(std::string_view text);
    void end(BuildObserver::End how);
    /// Stopped on request: not a failure of its own.
    void stopped() { end(BuildObserver::End::Stopped); }
    [[nodiscard]] const std::string& title() const noexcept { return step_.title; }
    /// The last lines of its output.
    [[nodiscard]] const std::deque<std::string>& tail() const noexcept { return tail_; }
    /// What is left of the output without a line break.
    void flush();

private:
    [[nodiscard]] std::chrono::milliseconds elapsed() const;
    void show(std::string text);

    StepLog& log_;
    BuildObserver::Step step_;
    std::chrono::system_clock::time_point begun_;
    std::string partial_;
    std::deque<std::string> tail_;
    bool ended_ = false;
};

}  // namespace cooper::build
