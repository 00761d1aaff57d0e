#include "build/image/step_log.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kTailLines = 20;       // shown with a failure
constexpr std::size_t kLongestLine = 16384;  // longer ones are shown in pieces
constexpr std::size_t kShortestSecret = 4;   // "1" hidden everywhere would hide nothing and break every line

/// What a terminal would show: the text after the last carriage return, without control characters but tabs.
std::string shown(std::string_view line) {
    while (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    if (const auto back = line.rfind('\r'); back != std::string_view::npos) {
        line.remove_prefix(back + 1);
    }
    std::string text;
    text.reserve(line.size());
    for (std::size_t i = 0; i < line.size(); ++i) {
        const auto byte = static_cast<unsigned char>(line[i]);
        if (byte == 0x1b && i + 1 < line.size() && line[i + 1] == '[') {  // a colour or cursor movement
            i += 2;
            while (i < line.size() && (line[i] < '@' || line[i] > '~')) {
                ++i;
            }
        } else if (byte == '\t' || (byte >= 0x20 && byte != 0x7f)) {
            text += line[i];
        }
    }
    return text;
}

}  // namespace

void StepLog::hide(const std::string& value) {
    const std::lock_guard lock(mutex_);
    for (std::size_t begin = 0; begin < value.size();) {  // a secret file may have several lines
        const auto end = std::min(value.find('\n', begin), value.size());
        const std::string line = value.substr(begin, end - begin);
        if (line.size() >= kShortestSecret && std::find(hidden_.begin(), hidden_.end(), line) == hidden_.end()) {
            hidden_.push_back(line);
        }
        begin = end + 1;
    }
}

void StepLog::warn(const DockerfileWarning& warning, std::string_view file) {
    const std::lock_guard lock(mutex_);
    observer_.warning(warning, file);
}

StepReport::StepReport(StepLog& log, std::string title) : log_(log), begun_(log.clock_.now()) {
    const std::lock_guard lock(log_.mutex_);
    step_.number = ++log_.count_;
    step_.title = std::move(title);
    log_.observer_.begin(step_);
}

StepReport::~StepReport() {
    if (!ended_) {
        end(BuildObserver::End::Failed);
    }
}

std::chrono::milliseconds StepReport::elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(log_.clock_.now() - begun_);
}

void StepReport::show(std::string text) {
    const std::lock_guard lock(log_.mutex_);
    for (const std::string& secret : log_.hidden_) {
        for (auto at = text.find(secret); at != std::string::npos; at = text.find(secret, at + 3)) {
            text.replace(at, secret.size(), "***");
        }
    }
    log_.observer_.output(step_, text, elapsed());
    tail_.push_back(std::move(text));
    if (tail_.size() > kTailLines) {
        tail_.pop_front();
    }
}

void StepReport::line(std::string_view text) {
    show(shown(text));
}

void StepReport::output(Bytes chunk) {
    partial_.append(as_text(chunk));
    std::size_t begin = 0;
    for (auto end = partial_.find('\n'); end != std::string::npos; end = partial_.find('\n', begin)) {
        line(std::string_view(partial_).substr(begin, end - begin));
        begin = end + 1;
    }
    partial_.erase(0, begin);
    while (partial_.size() > kLongestLine) {
        line(std::string_view(partial_).substr(0, kLongestLine));
        partial_.erase(0, kLongestLine);
    }
}

void StepReport::flush() {
    if (!partial_.empty()) {
        line(partial_);
        partial_.clear();
    }
}

void StepReport::end(BuildObserver::End how) {
    flush();
    ended_ = true;
    const std::lock_guard lock(log_.mutex_);
    if (how == BuildObserver::End::Cached) {
        ++log_.cached_;
    }
    log_.observer_.end(step_, how, elapsed());
}

}  // namespace cooper::build
