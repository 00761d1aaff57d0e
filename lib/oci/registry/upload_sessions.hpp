// Open uploads, remembered across processes.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/http.hpp"
#include "cooper/oci/reference.hpp"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

namespace cooper::oci {

/// One blob's upload, held by this process alone until it goes. Its file (mode 0600) holds the session's URL, which may
/// carry a signature. That it cannot be written costs nothing but the memory: failures are swallowed.
class UploadSession {
public:
    UploadSession(FileDescriptor file, std::filesystem::path path, std::string head);
    UploadSession(const UploadSession&) = delete;
    UploadSession& operator=(const UploadSession&) = delete;
    ~UploadSession();

    /// What an earlier process left; nullopt when there is nothing, or nothing readable.
    [[nodiscard]] std::optional<Url> find() const;
    void remember(const Url& location);
    /// The upload is over: the file goes with this.
    void forget() noexcept { over_ = true; }

private:
    FileDescriptor file_;
    std::filesystem::path path_;
    std::string head_;  ///< what the URL belongs to: first lines of the file
    bool over_ = false;
};

class UploadSessions {
public:
    /// An empty `directory`: remembers nothing. Files that nobody touched for a week are removed: no registry keeps a
    /// session for longer.
    UploadSessions(std::filesystem::path directory, const Run& run);

    /// nullptr: not remembered, since there is no directory or another process is sending the same blob there.
    [[nodiscard]] std::unique_ptr<UploadSession> claim(const Reference& repository, const Digest& blob) const;

private:
    void remove_old(const Run& run) const;
    std::filesystem::path directory_;
};

}  // namespace cooper::oci
