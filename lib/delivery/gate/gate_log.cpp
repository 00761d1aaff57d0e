#include "delivery/gate/gate_log.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "delivery/changelog/markdown.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cooper::delivery {

namespace {

constexpr std::uint64_t kMaxLog = 64ULL << 20;
constexpr std::size_t kTail = 8 * 1024;
constexpr std::size_t kMaxShownLine = 200;  // characters

}  // namespace

GateLog::GateLog(std::filesystem::path path)
    : path_(std::move(path)),
      file_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600)) {
    if (!file_.valid()) {
        throw SystemError("cannot write the log of a gate " + path_.string(), errno);
    }
}

void GateLog::write(Bytes bytes) {
    tail_ += as_text(bytes.last(std::min(bytes.size(), kTail)));
    if (tail_.size() > 2 * kTail) {
        tail_.erase(0, tail_.size() - kTail);
    }
    const auto kept = static_cast<std::size_t>(std::min<std::uint64_t>(bytes.size(), kMaxLog - size_));
    left_out_ += bytes.size() - kept;
    append(bytes.first(kept));
    size_ += kept;
}

void GateLog::finish(const std::string& end) {
    std::string text = !tail_.empty() && tail_.back() != '\n' ? "\n" : "";
    if (left_out_ > 0) {
        text += "\n[cooper: " + std::to_string(left_out_) + " more bytes were not kept: a log takes " +
                format_bytes(kMaxLog) + "]\n";
    }
    text += "[cooper: " + end + "]\n";
    append(as_bytes(text));
    size_ += text.size();
}

void GateLog::append(Bytes bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(file_.get(), bytes.data(), bytes.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count <= 0) {
            failed_ = true;
            throw SystemError("cannot write the log of a gate " + path_.string(), count < 0 ? errno : ENOSPC);
        }
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

std::vector<std::string> GateLog::last_lines(std::size_t count) const {
    std::vector<std::string> lines;
    for (const std::string_view line : split(trim(tail_), '\n')) {
        std::string shown = plain_line(trim(line), kMaxShownLine);
        if (!shown.empty()) {
            lines.push_back(std::move(shown));
        }
    }
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(std::min(count, lines.size())));
    return lines;
}

}  // namespace cooper::delivery
