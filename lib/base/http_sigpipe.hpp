// OpenSSL writes to sockets without MSG_NOSIGNAL, so a peer that resets a TLS connection would end the program.
#pragma once

#include <csignal>

namespace cooper {

/// Holds SIGPIPE back from this thread and drops the one that came meanwhile. libcurl's own way, to ignore it for the
/// whole process and back, is a race between threads; CURLOPT_NOSIGNAL switches that off.
class SigpipeGuard {
public:
    explicit SigpipeGuard(bool needed) noexcept;
    SigpipeGuard(const SigpipeGuard&) = delete;
    SigpipeGuard& operator=(const SigpipeGuard&) = delete;
    ~SigpipeGuard();

private:
    bool active_ = false;
    sigset_t before_{};
};

}  // namespace cooper
