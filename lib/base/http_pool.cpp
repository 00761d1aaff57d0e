#include "base/http_pool.hpp"

#include "base/http_sigpipe.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <new>

namespace cooper {

HttpHandles::HttpHandles(const CurlLibrary& curl, std::string route)
    : curl_(curl), route_(std::move(route)), multi_(curl.multi_init()), easy_(curl.easy_init()) {
    sockets_.fill(CURL_SOCKET_BAD);
    if (multi_ == nullptr || easy_ == nullptr) {
        curl_.easy_cleanup(easy_);
        curl_.multi_cleanup(multi_);
        throw std::bad_alloc();
    }
}

HttpHandles::~HttpHandles() {
    const SigpipeGuard guard(true);  // TLS connections say good-bye
    curl_.easy_cleanup(easy_);
    curl_.multi_cleanup(multi_);
}

std::byte* HttpHandles::spill() {
    if (!spill_) {
        spill_ = std::make_unique_for_overwrite<std::byte[]>(kHttpBufferSize);
    }
    return spill_.get();
}

curl_socket_t HttpHandles::open_socket(const curl_sockaddr& address) noexcept {
    const curl_socket_t opened = ::socket(address.family, address.socktype | SOCK_CLOEXEC, address.protocol);
    const auto unused = std::find(sockets_.begin(), sockets_.end(), CURL_SOCKET_BAD);
    if (unused != sockets_.end()) {
        *unused = opened;
    }
    return opened;
}

int HttpHandles::close_socket(void* self, curl_socket_t socket) noexcept {
    auto& sockets = static_cast<HttpHandles*>(self)->sockets_;
    std::replace(sockets.begin(), sockets.end(), socket, CURL_SOCKET_BAD);
    return ::close(socket);
}

bool HttpHandles::is_readable() const noexcept {
    std::array<pollfd, kMaxSockets> waiting{};
    std::transform(sockets_.begin(), sockets_.end(), waiting.begin(), [](curl_socket_t socket) {
        return pollfd{socket, POLLIN, 0};  // poll() passes over those that are -1
    });
    return ::poll(waiting.data(), waiting.size(), 0) > 0;
}

HttpPool::HttpPool(const CurlLibrary& curl, std::size_t max_idle)
    : curl_(curl), max_idle_(max_idle), share_(curl.share_init()) {
    if (share_ == nullptr) {
        throw std::bad_alloc();
    }
    curl_.share_setopt(share_, CURLSHOPT_LOCKFUNC, &HttpPool::lock);
    curl_.share_setopt(share_, CURLSHOPT_UNLOCKFUNC, &HttpPool::unlock);
    curl_.share_setopt(share_, CURLSHOPT_USERDATA, static_cast<void*>(this));
    curl_.share_setopt(share_, CURLSHOPT_SHARE, static_cast<int>(CURL_LOCK_DATA_DNS));
    curl_.share_setopt(share_, CURLSHOPT_SHARE, static_cast<int>(CURL_LOCK_DATA_SSL_SESSION));
}

HttpPool::~HttpPool() {
    idle_.clear();  // handles let go of the share first
    curl_.share_cleanup(share_);
}

std::unique_ptr<HttpHandles> HttpPool::take(const std::string& route) {
    {
        const std::scoped_lock lock(mutex_);
        const auto found =
            std::find_if(idle_.rbegin(), idle_.rend(), [&](const auto& handles) { return handles->route() == route; });
        if (found != idle_.rend()) {
            std::unique_ptr<HttpHandles> handles = std::move(*found);
            idle_.erase(std::next(found).base());
            return handles;
        }
    }
    return std::make_unique<HttpHandles>(curl_, route);
}

void HttpPool::give_back(std::unique_ptr<HttpHandles> handles) noexcept {
    curl_.easy_reset(handles->easy());
    std::unique_ptr<HttpHandles> oldest;  // closed outside the lock
    try {
        const std::scoped_lock lock(mutex_);
        idle_.push_back(std::move(handles));
        if (idle_.size() > max_idle_) {
            oldest = std::move(idle_.front());
            idle_.erase(idle_.begin());
        }
    } catch (const std::bad_alloc&) {
        return;  // the connection is closed instead of kept
    }
}

void HttpPool::lock(CURL*, curl_lock_data data, curl_lock_access, void* pool) noexcept {
    static_cast<HttpPool*>(pool)->share_mutexes_[data].lock();
}

void HttpPool::unlock(CURL*, curl_lock_data data, void* pool) noexcept {
    static_cast<HttpPool*>(pool)->share_mutexes_[data].unlock();
}

}  // namespace cooper
