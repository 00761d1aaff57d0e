// One request and its answer over libcurl.
#pragma once

#include "cooper/base/http.hpp"

#include "base/http_failure.hpp"
#include "base/http_pool.hpp"
#include "base/http_trust.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace cooper {

/// What the client decided about a request.
struct HttpRoute {
    std::string key;    ///< connections are shared by requests of the same key
    std::string proxy;  ///< empty: none
    std::shared_ptr<const TlsSettings> tls;
    std::shared_ptr<const TrustedAuthorities> authorities;
    std::string user_agent;
};

/// What became of the request before there was an answer for the caller.
enum class HttpOutcome {
    Answered,
    UnknownAuthority,   ///< nothing was sent: the server's certificate leads to nobody we know
    ExpectationFailed,  ///< 417: the body was not sent, and may be without an Expect
};

/// The header block of the answer, as it comes in line by line. Interim answers (1xx) are dropped.
class HttpHead {
public:
    /// Throws Error{Unavailable} when it is too large or no header.
    void add_line(std::string_view line);
    [[nodiscard]] bool complete() const noexcept { return complete_; }
    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] const Headers& headers() const noexcept { return headers_; }
    [[nodiscard]] Headers take_headers() { return std::move(headers_); }

private:
    void begin(std::string_view status_line);
    void end();
    void add_field(std::string_view line);

    bool complete_ = false;
    int status_ = 0;
    std::size_t bytes_ = 0;
    Headers headers_;
};

/// What came in and was not asked for yet: the end of a chunk, at most one libcurl buffer. Borrows its memory until
/// keep_own() is called.
class HttpSpill {
public:
    explicit HttpSpill(std::byte* memory) : memory_(memory) {}
    [[nodiscard]] bool empty() const noexcept { return begin_ == end_; }
    [[nodiscard]] std::size_t size() const noexcept { return end_ - begin_; }
    [[nodiscard]] std::size_t room() const noexcept { return kHttpBufferSize - end_; }
    void put(Bytes bytes);  ///< at most room()
    std::size_t take(MutableBytes into);
    void keep_own();

private:
    std::byte* memory_;
    std::vector<std::byte> own_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// Sends the request and is the answer's body. The thread that reads drives the transfer: what is not read stays in the
/// network. One thread at a time.
class HttpExchange final : public Source {
public:
    HttpExchange(std::shared_ptr<HttpPool> pool, const HttpRequest& request, HttpRoute route, const Run& run);
    HttpExchange(const HttpExchange&) = delete;
    HttpExchange& operator=(const HttpExchange&) = delete;
    ~HttpExchange() override;

    /// Returns when the final status and headers are there, or another try with other settings is due; failures throw.
    HttpOutcome receive_head();
    [[nodiscard]] int status() const noexcept { return head_.status(); }
    [[nodiscard]] Headers take_headers() { return head_.take_headers(); }
    [[nodiscard]] const HttpRoute& route() const noexcept { return route_; }
    [[nodiscard]] Error failure() const;

    std::size_t read(MutableBytes into) override;

private:
    using Instant = std::chrono::steady_clock::time_point;
    struct Waker {
        const HttpHandles* handles;
        void operator()() const noexcept { handles->wake(); }
    };
    struct SlistFree {
        void (*free_all)(curl_slist*);
        void operator()(curl_slist* list) const noexcept { free_all(list); }
    };

    static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self) noexcept;
    static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self) noexcept;
    static std::size_t on_send(char* into, std::size_t size, std::size_t count, void* self) noexcept;
    static int on_seek(void* self, curl_off_t offset, int origin) noexcept;
    static curl_socket_t on_open_socket(void* self, curlsocktype purpose, curl_sockaddr* address) noexcept;

    void set_up(const HttpRequest& request);
    void set_up_method();
    void set_up_connection(const HttpRequest& request);
    void set_up_headers(const HttpRequest& request);
    void add_header(const std::string& line);

    enum class Until { Head, Body };
    void drive(Until until);
    [[nodiscard]] bool reached(Until until) const;
    [[nodiscard]] bool is_sent() const;
    void perform();
    void wait(Instant since, Until until) const;
    [[nodiscard]] std::uint64_t bytes_moved() const;
    std::size_t take_body(Bytes chunk);
    std::size_t next_to_send(MutableBytes into);
    void check_end() const;
    void let_go(bool reusable) noexcept;
    void drain_what_is_there();

    std::shared_ptr<HttpPool> pool_;
    const CurlLibrary& curl_;
    std::unique_ptr<HttpHandles> handles_;  // null: let go
    HttpRoute route_;
    std::string method_;
    Url url_;
    bool uses_tls_;
    bool public_address_only_;
    bool expects_;  // 100 Continue
    Run run_;
    std::chrono::milliseconds stall_timeout_;
    std::optional<Instant> head_deadline_;
    std::unique_ptr<curl_slist, SlistFree> header_list_;
    std::array<char, CURL_ERROR_SIZE> error_text_{};

    std::shared_ptr<const Ranged> request_body_;
    std::unique_ptr<Source> sending_;
    std::uint64_t sent_ = 0;       // taken from sending_
    std::vector<std::byte> held_;  // taken from sending_, held back to read an answer first
    bool sending_paused_ = false;

    HttpHead head_;
    std::optional<std::uint64_t> declared_length_;
    MutableBytes target_;  // of the read() that is under way
    std::size_t target_filled_ = 0;
    HttpSpill spill_;
    bool receiving_paused_ = false;
    bool discarding_ = false;
    std::uint64_t received_ = 0;  // header and body bytes
    std::uint64_t body_bytes_ = 0;

    HttpFailure failure_;
    bool done_ = false;
    std::exception_ptr thrown_;  // by a callback
    std::optional<std::stop_callback<Waker>> waker_;
};

}  // namespace cooper
