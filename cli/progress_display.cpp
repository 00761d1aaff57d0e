#include "progress_display.hpp"

#include "cooper/base/text.hpp"

#include "log_file.hpp"
#include "output.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>

namespace cooper::cli {

namespace {

using namespace std::chrono_literals;

constexpr auto kFrame = 100ms;
constexpr auto kSignOfLife = 30s;  // CI systems stop jobs that say nothing for minutes
constexpr std::size_t kMaxBars = 12;

std::size_t terminal_width() {
    winsize size{};
    return ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40 ? size.ws_col : 80;
}

double seconds_between(std::chrono::steady_clock::time_point begin, std::chrono::steady_clock::time_point end) {
    return std::chrono::duration<double>(end - begin).count();
}

std::string rate_text(std::uint64_t bytes, double seconds) {
    return seconds < 0.001 ? "" : format_bytes(static_cast<std::uint64_t>(static_cast<double>(bytes) / seconds)) + "/s";
}

std::string seconds_text(double seconds) {
    const auto tenths = static_cast<std::uint64_t>(seconds * 10);
    return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

unsigned percent(std::uint64_t done, std::uint64_t total) {
    return total == 0 ? 0
                      : static_cast<unsigned>(
                            std::min<double>(100.0, 100.0 * static_cast<double>(done) / static_cast<double>(total)));
}

// "name            [=======>      ]  45%  340.1 MB of 755.3 MB  310.2 MB/s", never wider than the terminal.
std::string bar_line(const std::string& name, std::uint64_t done, std::uint64_t total, double seconds,
                     std::size_t width) {
    constexpr std::size_t kBar = 20;
    std::string tail;
    if (total > 0) {
        const std::size_t filled = std::min<std::size_t>(kBar, percent(done, total) * kBar / 100);
        std::string number = std::to_string(percent(done, total));
        number.insert(0, 3 - number.size(), ' ');
        tail = " [" + std::string(filled, '=') + std::string(kBar - filled, ' ') + "] " + number + "%  " +
               format_bytes(done) + " of " + format_bytes(total) + "  " + rate_text(done, seconds);
    } else {
        tail = "  " + format_bytes(done) + "  " + rate_text(done, seconds);
    }
    const std::size_t room = width > tail.size() + 2 ? width - tail.size() - 2 : 0;
    std::string head = name.size() <= room ? name : name.substr(0, room);
    return (head + std::string(room - head.size(), ' ') + tail).substr(0, width - 1);
}

bool is_set(const char* variable) {
    const char* value = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
    return value != nullptr && *value != '\0';
}

}  // namespace

ProgressStyle choose_progress_style(bool quiet, bool no_progress) {
    if (quiet) {
        return ProgressStyle::Silent;
    }
    const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe): nothing here sets variables
    const bool can_draw = ::isatty(STDERR_FILENO) == 1 && term != nullptr && std::string_view(term) != "dumb";
    return can_draw && !no_progress && !is_set("NO_COLOR") && !is_set("CI") ? ProgressStyle::Bars
                                                                            : ProgressStyle::Lines;
}

bool ProgressDisplay::is_idle() const noexcept {
    return style_ == ProgressStyle::Silent && log_path().empty();
}

ProgressDisplay::Task* ProgressDisplay::find(std::string_view task) {
    const auto found =
        std::find_if(tasks_.begin(), tasks_.end(), [task](const Task& each) { return each.name == task; });
    return found == tasks_.end() ? nullptr : &*found;
}

void ProgressDisplay::begin(std::string_view task, std::uint64_t total) noexcept try {
    if (is_idle()) {
        return;
    }
    const std::scoped_lock lock(mutex_);
    if (closed_) {
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (Task* known = find(task)) {
        *known = {known->name, total, 0, now, now};
        return;
    }
    tasks_.push_back({std::string(task), total, 0, now, now});
    say(printable(task) + (total > 0 ? ": " + format_bytes(total) : ""), style_ == ProgressStyle::Lines);
    if (style_ == ProgressStyle::Bars && !painter_.joinable()) {
        painter_ = std::thread([this] { draw_until_stopped(); });
    }
} catch (...) {  // out of memory or threads: progress is not worth failing for
}

void ProgressDisplay::advance(std::string_view task, std::uint64_t done) noexcept try {
    if (is_idle()) {
        return;
    }
    const std::scoped_lock lock(mutex_);
    Task* known = find(task);
    if (known == nullptr) {
        return;
    }
    known->done = std::max(known->done, done);  // events of several threads may overtake each other
    if (closed_) {
        return;
    }
    const auto now = std::chrono::steady_clock::now();
    if (now - known->last_line >= kSignOfLife) {
        known->last_line = now;
        say(printable(task) + ": " + format_bytes(known->done) +
                (known->total > 0 ? " (" + std::to_string(percent(known->done, known->total)) + "%)" : ""),
            style_ == ProgressStyle::Lines);
    }
} catch (...) {
}

void ProgressDisplay::end(std::string_view task) noexcept try {
    if (is_idle()) {
        return;
    }
    const std::scoped_lock lock(mutex_);
    const Task* known = find(task);
    if (known == nullptr) {
        return;
    }
    const double seconds = seconds_between(known->begun, std::chrono::steady_clock::now());
    const std::uint64_t bytes = std::max(known->done, known->total);
    std::string line = printable(task) + ": done";
    if (bytes > 0) {
        line += ", " + format_bytes(bytes) + " in " + seconds_text(seconds);
        if (seconds >= 0.1) {
            line += " (" + rate_text(bytes, seconds) + ")";
        }
    }
    tasks_.erase(tasks_.begin() + (known - tasks_.data()));
    if (!closed_ && (style_ == ProgressStyle::Bars || seconds >= 1)) {  // a quick task's beginning says it all in a log
        say(line, style_ != ProgressStyle::Silent);
    }
} catch (...) {
}

void ProgressDisplay::notice(NoticeLevel level, std::string_view text) noexcept try {
    const bool warning = level == NoticeLevel::Warning;
    const std::scoped_lock lock(mutex_);
    say((warning ? "warning: " : "") + printable(text), warning || style_ != ProgressStyle::Silent);
} catch (...) {
}

void ProgressDisplay::close() noexcept {
    {
        const std::scoped_lock lock(mutex_);
        closed_ = true;
        complain(erased());
        bars_drawn_ = 0;
    }
    wake_.notify_all();
    if (painter_.joinable()) {
        painter_.join();
    }
}

void ProgressDisplay::draw_until_stopped() {
    std::unique_lock lock(mutex_);
    while (!closed_) {
        draw();
        wake_.wait_for(lock, kFrame, [this] { return closed_; });
    }
}

std::string ProgressDisplay::erased() const {
    std::string out;
    for (std::size_t i = 0; i < bars_drawn_; ++i) {
        out += "\x1b[1A\x1b[2K";
    }
    return out;
}

void ProgressDisplay::draw() {
    std::string frame = erased();
    const std::size_t width = terminal_width();
    const auto now = std::chrono::steady_clock::now();
    bars_drawn_ = std::min(tasks_.size(), kMaxBars);
    for (std::size_t i = 0; i < bars_drawn_; ++i) {
        const Task& task = tasks_[i];
        frame += bar_line(printable(task.name), task.done, task.total, seconds_between(task.begun, now), width) + "\n";
    }
    complain(frame);
}

void ProgressDisplay::say(const std::string& line, bool shown) {
    log_line(line);
    if (!shown) {
        return;
    }
    complain(erased() + "cooper: " + line + "\n");
    bars_drawn_ = 0;
    if (style_ == ProgressStyle::Bars && !closed_) {
        draw();
    }
}

}  // namespace cooper::cli
