#include "log_file.hpp"

#include "cooper/base/clock.hpp"
#include "cooper/base/environment.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "output.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <memory>
#include <utility>

namespace cooper::cli {

namespace {

struct OpenLog {
    std::string path;
    FileDescriptor file;
    std::atomic<std::size_t> size{0};
    std::atomic<bool> is_full{false};
    std::atomic<bool> has_failed{false};
};

std::unique_ptr<OpenLog> current_log;  // set before there are threads, then only read

constexpr std::size_t kMaxLogLine = 16 * 1024;  // of bytes: whoever says more means a file

[[noreturn]] void fail_to_log(const std::string& action, int error_number) {
    SystemError error(action, error_number);
    error.advise("--log-dir DIR or COOPER_LOG_DIR=DIR with a directory that this user may write to");
    throw error;
}

void make_log_directory(const std::filesystem::path& directory) {
    std::error_code failure;
    const std::filesystem::path parent = directory.parent_path();
    if (!parent.empty()) {
        std::filesystem::create_directories(parent, failure);
    }
    if (::mkdir(directory.c_str(), 0700) != 0 && errno != EEXIST) {
        fail_to_log("cannot make the directory for logs " + directory.string(), errno);
    }
}

std::string random_suffix() {
    std::array<std::byte, 3> random{};
    if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
        throw SystemError("cannot get random bytes", errno);
    }
    return to_hex(random);
}

/// "acme/app, run 123 attempt 1, job build", as far as CI tells.
std::string job_text() {
    const Environment environment = Environment::process();
    std::string text;
    const auto add = [&](std::string_view before, std::string_view variable) {
        if (const auto value = environment.get(variable)) {
            text += std::string(before) + shortened(*value);
        }
    };
    add(", ", "GITHUB_REPOSITORY");
    add(", run ", "GITHUB_RUN_ID");
    add(" attempt ", "GITHUB_RUN_ATTEMPT");
    add(", job ", "GITHUB_JOB");
    add(", ", "CI_JOB_URL");  // GitLab
    add(", ", "BUILD_URL");   // Jenkins
    return text;
}

void write_to_log(OpenLog& log, std::string_view text) noexcept try {
    const std::string line =
        format_rfc3339(system_clock().now_seconds()) + " " + redact(trim(text).substr(0, kMaxLogLine)) + "\n";
    const ssize_t count = ::write(log.file.get(), line.data(), line.size());
    if (count != static_cast<ssize_t>(line.size()) && !log.has_failed.exchange(true)) {
        complain("cooper: warning: the log " + printable(log.path) + " is not complete: writing to it failed\n");
    }
    log.size += line.size();
} catch (...) {  // out of memory: a log is not worth failing for
}

}  // namespace

void open_log(const std::string& directory, std::string_view verb) {
    std::filesystem::path place(directory);
    if (!place.has_filename()) {
        place = place.parent_path();  // "logs/"
    }
    make_log_directory(place);
    std::string word(verb);
    for (char& character : word) {
        character = character == ' ' ? '-' : character;
    }
    const std::string stem = "cooper-" + format_amz(system_clock().now_seconds()) + "-" + word + "-";
    auto log = std::make_unique<OpenLog>();
    for (int tries_left = 8; !log->file.valid(); --tries_left) {
        log->path = (place / (stem + random_suffix() + ".log")).string();
        log->file = FileDescriptor(
            ::open(log->path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
        if (!log->file.valid() && (errno != EEXIST || tries_left == 0)) {
            fail_to_log("cannot write a log in " + place.string(), errno);
        }
    }
    current_log = std::move(log);
    log_line("cooper " COOPER_VERSION " " + std::string(verb) + ", process " + std::to_string(::getpid()) + job_text());
}

std::string_view log_path() noexcept {
    return current_log ? std::string_view(current_log->path) : std::string_view();
}

void log_line(std::string_view text) noexcept {
    if (!current_log) {
        return;
    }
    if (current_log->size < kMaxLogSize) {
        write_to_log(*current_log, text);
    } else if (!current_log->is_full.exchange(true)) {
        write_to_log(*current_log, "the log has reached its limit of 64 MiB; what is said from here on is left out");
    }
}

void end_log(std::string_view text) noexcept {
    if (current_log) {
        write_to_log(*current_log, text);
    }
}

}  // namespace cooper::cli
