// What a client's requests share: idle connections, DNS answers and TLS sessions.
#pragma once

#include "base/curl_library.hpp"

#include <array>
#include <cstddef>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace cooper {

/// One libcurl recv(): large enough that system calls do not count, small enough to stay in the L2 cache with the
/// spill.
inline constexpr std::size_t kHttpBufferSize = 256 * 1024;

/// An easy handle in a multi handle of its own, so that one thread drives one transfer and a stop request can wake it.
/// Its connections live in the multi handle. Not thread-safe, except wake().
class HttpHandles {
public:
    HttpHandles(const CurlLibrary& curl, std::string route);
    HttpHandles(const HttpHandles&) = delete;
    HttpHandles& operator=(const HttpHandles&) = delete;
    ~HttpHandles();

    [[nodiscard]] CURL* easy() const noexcept { return easy_; }
    [[nodiscard]] CURLM* multi() const noexcept { return multi_; }
    [[nodiscard]] const std::string& route() const noexcept { return route_; }
    /// kHttpBufferSize bytes that stay with the handles.
    [[nodiscard]] std::byte* spill();
    void wake() const noexcept { curl_.multi_wakeup(multi_); }

    /// For CURLOPT_OPENSOCKETFUNCTION and CURLOPT_CLOSESOCKETFUNCTION: libcurl does not tell the socket of a transfer
    /// that is under way.
    curl_socket_t open_socket(const curl_sockaddr& address) noexcept;
    static int close_socket(void* self, curl_socket_t socket) noexcept;
    /// A socket has something to read, or was closed by the other side.
    [[nodiscard]] bool is_readable() const noexcept;

private:
    static constexpr std::size_t kMaxSockets = 8;  // one, or two while IPv4 and IPv6 race
    const CurlLibrary& curl_;
    std::string route_;
    CURLM* multi_;
    CURL* easy_;
    std::unique_ptr<std::byte[]> spill_;
    std::array<curl_socket_t, kMaxSockets> sockets_;
};

/// Idle handles by route (origin, proxy and what else a connection must not be shared across), and the shared caches.
/// Thread-safe.
class HttpPool {
public:
    HttpPool(const CurlLibrary& curl, std::size_t max_idle);
    HttpPool(const HttpPool&) = delete;
    HttpPool& operator=(const HttpPool&) = delete;
    ~HttpPool();

    /// Idle handles of that route, those used last first, else new ones. Options are at libcurl's defaults.
    std::unique_ptr<HttpHandles> take(const std::string& route);
    /// Of a transfer that is over and taken out of its multi handle.
    void give_back(std::unique_ptr<HttpHandles> handles) noexcept;
    [[nodiscard]] CURLSH* share() const noexcept { return share_; }
    [[nodiscard]] const CurlLibrary& curl() const noexcept { return curl_; }

private:
    static void lock(CURL* easy, curl_lock_data data, curl_lock_access access, void* pool) noexcept;
    static void unlock(CURL* easy, curl_lock_data data, void* pool) noexcept;

    const CurlLibrary& curl_;
    const std::size_t max_idle_;
    std::array<std::mutex, CURL_LOCK_DATA_LAST> share_mutexes_;
    CURLSH* share_;
    std::mutex mutex_;
    std::vector<std::unique_ptr<HttpHandles>> idle_;  // the longest idle first
};

}  // namespace cooper
