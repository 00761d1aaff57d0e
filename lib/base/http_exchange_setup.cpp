// The request as options of libcurl.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/http_address.hpp"
#include "base/http_exchange.hpp"

#include <algorithm>
#include <new>

namespace cooper {

namespace {

constexpr long kExpectTimeoutMs = 1000;              // servers that ignore Expect cost this much
constexpr std::uint64_t kMinSendBuffer = 16 * 1024;  // libcurl's own bounds are 16 KiB and 2 MiB
constexpr std::uint64_t kMaxSendBuffer = 512 * 1024;

/// RFC 9110 section 5.6.2.
bool is_token(std::string_view text) {
    constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
    return !text.empty() && std::all_of(text.begin(), text.end(), [&](char c) {
        return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
               kMarks.find(c) != std::string_view::npos;
    });
}

/// Fields that describe the connection and the body: they follow from the request, so a caller's own would contradict.
bool is_ours(std::string_view name) {
    constexpr std::array<std::string_view, 4> kOurs = {"Content-Length", "Transfer-Encoding", "Expect", "Connection"};
    return std::any_of(kOurs.begin(), kOurs.end(),
                       [&](std::string_view ours) { return equals_ignoring_case(name, ours); });
}

/// RFC 9110 section 8.6: a method that gives content a meaning says "Content-Length: 0" when there is none.
bool expects_body(const std::string& method) {
    return method == "POST" || method == "PUT" || method == "PATCH";
}

}  // namespace

void HttpExchange::set_up(const HttpRequest& request) {
    CURL* const easy = handles_->easy();
    curl_.set<CURLOPT_ERRORBUFFER>(easy, error_text_.data());
    curl_.set<CURLOPT_SHARE>(easy, pool_->share());
    curl_.set<CURLOPT_NOSIGNAL>(easy, 1L);
    curl_.set<CURLOPT_URL>(easy, url_.text().c_str());
    curl_.set<CURLOPT_PATH_AS_IS>(easy, 1L);
    // A second fence: Url takes no other scheme. libcurl before 7.85 does not know the option.
    curl_.easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_.set<CURLOPT_HTTP_VERSION>(easy, static_cast<long>(CURL_HTTP_VERSION_1_1));
    curl_.set<CURLOPT_BUFFERSIZE>(easy, static_cast<long>(kHttpBufferSize));
    curl_.set<CURLOPT_HEADERFUNCTION>(easy, &HttpExchange::on_header);
    curl_.set<CURLOPT_HEADERDATA>(easy, static_cast<void*>(this));
    curl_.set<CURLOPT_WRITEFUNCTION>(easy, &HttpExchange::on_body);
    curl_.set<CURLOPT_WRITEDATA>(easy, static_cast<void*>(this));
    set_up_method();
    set_up_connection(request);
    set_up_headers(request);
    if (url_.scheme == "https") {
        apply_tls(curl_, easy, *route_.tls, *route_.authorities);
    }
}

void HttpExchange::set_up_method() {
    CURL* const easy = handles_->easy();
    if (!is_token(method_)) {
        throw Error(ErrorCode::InvalidInput, "'" + method_ + "' is not an HTTP method");
    }
    if (method_ == "HEAD") {
        curl_.set<CURLOPT_NOBODY>(easy, 1L);
        return;
    }
    if (request_body_ || expects_body(method_)) {
        const std::uint64_t size = request_body_ ? request_body_->size() : 0;
        curl_.set<CURLOPT_UPLOAD>(easy, 1L);
        curl_.set<CURLOPT_INFILESIZE_LARGE>(easy, static_cast<curl_off_t>(size));
        curl_.set<CURLOPT_UPLOAD_BUFFERSIZE>(easy, static_cast<long>(std::clamp(size, kMinSendBuffer, kMaxSendBuffer)));
        curl_.set<CURLOPT_READFUNCTION>(easy, &HttpExchange::on_send);
        curl_.set<CURLOPT_READDATA>(easy, static_cast<void*>(this));
        curl_.set<CURLOPT_SEEKFUNCTION>(easy, &HttpExchange::on_seek);
        curl_.set<CURLOPT_SEEKDATA>(easy, static_cast<void*>(this));
    }
    curl_.set<CURLOPT_CUSTOMREQUEST>(easy, method_.c_str());
}

void HttpExchange::set_up_connection(const HttpRequest& request) {
    CURL* const easy = handles_->easy();
    curl_.set<CURLOPT_TCP_NODELAY>(easy, 1L);
    curl_.set<CURLOPT_TCP_KEEPALIVE>(easy, 1L);  // NAT gateways forget connections that wait for a slow answer
    curl_.set<CURLOPT_CONNECTTIMEOUT_MS>(easy, static_cast<long>(request.connect_timeout.count()));
    // Set even when empty, so that libcurl does not read the process's environment.
    curl_.set<CURLOPT_PROXY>(easy, route_.proxy.c_str());
    curl_.set<CURLOPT_NOPROXY>(easy, "");
    if (!request.unix_socket.empty()) {
        curl_.set<CURLOPT_UNIX_SOCKET_PATH>(easy, request.unix_socket.c_str());
    }
    curl_.set<CURLOPT_SUPPRESS_CONNECT_HEADERS>(easy, 1L);
    curl_.set<CURLOPT_OPENSOCKETFUNCTION>(easy, &HttpExchange::on_open_socket);
    curl_.set<CURLOPT_OPENSOCKETDATA>(easy, static_cast<void*>(this));
    // Not `this`: connections outlive the exchange.
    curl_.set<CURLOPT_CLOSESOCKETFUNCTION>(easy, &HttpHandles::close_socket);
    curl_.set<CURLOPT_CLOSESOCKETDATA>(easy, static_cast<void*>(handles_.get()));
}

void HttpExchange::set_up_headers(const HttpRequest& request) {
    for (const auto& [name, value] : request.headers.fields()) {
        if (!is_token(name) || value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
            throw Error(ErrorCode::InvalidInput,
                        "header field '" + name + "' cannot be sent: it has a line break or an invalid name");
        }
        if (!is_ours(name)) {
            // "Name;" is libcurl's way to write a field without a value.
            add_header(trim(value).empty() ? name + ";" : name + ": " + value);
        }
    }
    if (!request.headers.find("User-Agent")) {
        add_header("User-Agent: " + route_.user_agent);
    }
    if (!request.headers.find("Accept")) {
        add_header("Accept:");  // libcurl would send */*
    }
    if (request.expect_continue && request_body_) {
        add_header("Expect: 100-continue");
        curl_.set<CURLOPT_EXPECT_100_TIMEOUT_MS>(handles_->easy(), kExpectTimeoutMs);
    } else {
        add_header("Expect:");
    }
    curl_.set<CURLOPT_HTTPHEADER>(handles_->easy(), header_list_.get());
}

void HttpExchange::add_header(const std::string& line) {
    curl_slist* const longer = curl_.slist_append(header_list_.get(), line.c_str());
    if (longer == nullptr) {
        throw std::bad_alloc();
    }
    static_cast<void>(header_list_.release());  // is a part of `longer`
    header_list_.reset(longer);
}

curl_socket_t HttpExchange::on_open_socket(void* self, curlsocktype, curl_sockaddr* address) noexcept {
    auto& exchange = *static_cast<HttpExchange*>(self);
    try {
        const auto ip = exchange.public_address_only_ ? IpAddress::of(address->addr) : std::nullopt;
        if (exchange.public_address_only_ && (!ip || !ip->is_public())) {
            exchange.failure_.refused_address = ip ? ip->text() : "an address that is not IP";
            return CURL_SOCKET_BAD;
        }
    } catch (...) {
        exchange.thrown_ = std::current_exception();
        return CURL_SOCKET_BAD;
    }
    return exchange.handles_->open_socket(*address);
}

}  // namespace cooper
