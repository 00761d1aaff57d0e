#include "oci/registry/upload_sessions.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <system_error>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxSessionFile = 64 * 1024;
constexpr std::chrono::hours kOld{7 * 24};
constexpr std::string_view kEnding = ".upload";

std::string read_whole(int descriptor) {
    std::string text(kMaxSessionFile, '\0');
    std::size_t length = 0;
    while (length < text.size()) {
        const ssize_t count =
            ::pread(descriptor, text.data() + length, text.size() - length, static_cast<off_t>(length));
        if (count <= 0) {
            break;
        }
        length += static_cast<std::size_t>(count);
    }
    text.resize(length);
    return text;
}

/// The file, locked. Invalid when it cannot be had, or when another process has it.
FileDescriptor open_locked(const fs::path& path) {
    constexpr int kTries = 3;  // whoever held it before may have removed it between our open and our lock
    for (int tries = 0; tries < kTries; ++tries) {
        FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600));
        struct stat status {};
        if (!file.valid() || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0 || ::fstat(file.get(), &status) != 0) {
            return {};
        }
        if (status.st_nlink > 0 && status.st_uid == ::geteuid() && S_ISREG(status.st_mode)) {
            return file;
        }
    }
    return {};
}

}  // namespace

UploadSession::UploadSession(FileDescriptor file, fs::path path, std::string head)
    : file_(std::move(file)), path_(std::move(path)), head_(std::move(head)) {}

UploadSession::~UploadSession() {
    struct stat status {};
    const bool empty = ::fstat(file_.get(), &status) == 0 && status.st_size == 0;
    if (over_ || empty) {
        ::unlink(path_.c_str());  // while it is locked
    }
}

std::optional<Url> UploadSession::find() const {
    const std::string text = read_whole(file_.get());
    if (!text.starts_with(head_) || !text.ends_with('\n')) {
        return std::nullopt;
    }
    try {
        return Url::parse(std::string_view(text).substr(head_.size(), text.size() - head_.size() - 1));
    } catch (const Error&) {
        return std::nullopt;
    }
}

void UploadSession::remember(const Url& location) {
    const std::string text = head_ + location.text() + "\n";
    if (text.size() > kMaxSessionFile) {
        return forget();
    }
    over_ = false;
    // One short write over the old text: a process that is killed leaves the old or the new one, or one that ends
    // without a line break or within the old one's end, which no server knows.
    const ssize_t written = ::pwrite(file_.get(), text.data(), text.size(), 0);
    if (written != static_cast<ssize_t>(text.size()) || ::ftruncate(file_.get(), written) != 0) {
        forget();
    }
}

UploadSessions::UploadSessions(fs::path directory, const Run& run) : directory_(std::move(directory)) {
    if (directory_.empty()) {
        return;
    }
    std::error_code failure;
    fs::create_directories(directory_, failure);
    if (failure) {
        run.progress->notice(NoticeLevel::Warning,
                             "uploads that are cut will begin anew: " + directory_.string() + ": " + failure.message());
        directory_.clear();
        return;
    }
    remove_old(run);
}

void UploadSessions::remove_old(const Run& run) const {
    std::error_code failure;
    for (fs::directory_iterator at(directory_, failure), end; !failure && at != end; at.increment(failure)) {
        struct stat status {};
        if (at->path().extension() == kEnding && ::lstat(at->path().c_str(), &status) == 0 &&
            std::chrono::system_clock::from_time_t(status.st_mtime) + kOld < run.clock->now()) {
            ::unlink(at->path().c_str());
        }
    }
}

std::unique_ptr<UploadSession> UploadSessions::claim(const Reference& repository, const Digest& blob) const {
    if (directory_.empty()) {
        return nullptr;
    }
    std::string head = "cooper upload 1\n" + repository.repository() + "\n" + blob.text() + "\n";
    fs::path path = directory_ / (std::string(sha256(head).hex()) + std::string(kEnding));
    FileDescriptor file = open_locked(path);
    if (!file.valid()) {
        return nullptr;
    }
    return std::make_unique<UploadSession>(std::move(file), std::move(path), std::move(head));
}

}  // namespace cooper::oci
