// Progress for people: bars on a terminal, a line at the beginning and end of each task elsewhere.
#pragma once

#include "cooper/base/progress.hpp"

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

namespace cooper::cli {

enum class ProgressStyle {
    Silent,  ///< warnings only; the log has all
    Lines,   ///< for logs: begin and end, and a sign of life every half minute
    Bars,    ///< redrawn ten times a second
};

/// Writes to standard error, and lines to the log (log_file.hpp), whatever the style. Safe from several threads: an
/// event costs a lock and a few stores, drawing happens in a thread of its own.
class ProgressDisplay final : public Progress {
public:
    explicit ProgressDisplay(ProgressStyle style) : style_(style) {}
    ProgressDisplay(const ProgressDisplay&) = delete;
    ProgressDisplay& operator=(const ProgressDisplay&) = delete;
    ~ProgressDisplay() override { close(); }

    void begin(std::string_view task, std::uint64_t total) noexcept override;
    void advance(std::string_view task, std::uint64_t done) noexcept override;
    void end(std::string_view task) noexcept override;
    void notice(NoticeLevel level, std::string_view text) noexcept override;

    /// Removes the bars and draws no more, so that results may follow.
    void close() noexcept;

private:
    using SteadyTime = std::chrono::steady_clock::time_point;
    struct Task {
        std::string name;
        std::uint64_t total = 0;
        std::uint64_t done = 0;
        SteadyTime begun;
        SteadyTime last_line;
    };

    /// Nobody looks: neither standard error nor a log.
    [[nodiscard]] bool is_idle() const noexcept;
    Task* find(std::string_view task);
    void draw_until_stopped();
    // All of these with mutex_ held.
    [[nodiscard]] std::string erased() const;
    void draw();
    /// To the log always, to standard error when `shown`.
    void say(const std::string& line, bool shown);

    const ProgressStyle style_;
    std::mutex mutex_;
    std::condition_variable wake_;
    bool closed_ = false;
    std::vector<Task> tasks_;
    std::size_t bars_drawn_ = 0;
    std::thread painter_;
};

/// Bars when standard error is a terminal that can draw them and nobody asked for plain output (TERM, NO_COLOR, CI).
ProgressStyle choose_progress_style(bool quiet, bool no_progress);

}  // namespace cooper::cli
