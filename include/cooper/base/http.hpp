// One HTTP client for all rooms: a seam (HttpClient) and its libcurl implementation.
//
// A client sends exactly one request per send(): no redirects are followed, no status is an error, nothing is retried.
// What a status means, where credentials may go next and what is tried again is decided by the room above (registry,
// s3). Specification: RFC 9110, RFC 9112.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper {

/// An absolute http or https URL. `path` and `query` are kept exactly as written (percent-encoding included) and are
/// sent as they are: dot segments are not squashed. User information and fragments are refused.
struct Url {
    std::string scheme;                 ///< "http" or "https"
    std::string host;                   ///< lower case; IPv6 without brackets
    std::optional<std::uint16_t> port;  ///< nullopt: the scheme's default
    std::string path = "/";             ///< begins with "/"
    std::string query;                  ///< without the "?"; empty: none

    /// Throws Error{InvalidInput}; the message shows the redacted text.
    static Url parse(std::string_view text);
    /// A Location or Link target against this URL (RFC 3986 section 5.2, without dot-segment removal).
    [[nodiscard]] Url resolve(std::string_view reference) const;
    [[nodiscard]] std::string text() const;
    /// For messages: without the query when there is one ("https://h/p?…").
    [[nodiscard]] std::string redacted() const;
    /// Host header form: host[:port], port left out when it is the scheme's default, IPv6 in brackets.
    [[nodiscard]] std::string authority() const;
    [[nodiscard]] std::uint16_t effective_port() const noexcept;
    /// Same scheme, host and effective port: credentials may go there as well.
    [[nodiscard]] bool same_origin(const Url& other) const noexcept;
    /// "localhost", "*.localhost", 127.0.0.0/8 or ::1.
    [[nodiscard]] bool is_loopback() const noexcept;
    bool operator==(const Url&) const = default;
};

/// Header fields in order; names compare without case.
class Headers {
public:
    Headers() = default;
    Headers(std::initializer_list<std::pair<std::string, std::string>> fields) : fields_(fields) {}
    void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
    void set(std::string_view name, std::string value);
    void remove(std::string_view name);
    /// The first value; nullopt when absent.
    [[nodiscard]] std::optional<std::string> find(std::string_view name) const;
    [[nodiscard]] std::vector<std::string> all(std::string_view name) const;
    [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& fields() const noexcept { return fields_; }

private:
    std::vector<std::pair<std::string, std::string>> fields_;
};

/// How a server's certificate is judged and who we are towards it.
struct TlsSettings {
    bool verify = true;        ///< false: --insecure
    std::string ca_file;       ///< PEM bundle that replaces the default; empty: SSL_CERT_FILE, else the system's
    std::string ca_directory;  ///< like SSL_CERT_DIR
    std::vector<std::string> extra_ca_files;  ///< PEM files trusted besides the default (certs.d/*.crt)
    std::string client_certificate;           ///< PEM file; empty: none
    std::string client_key;                   ///< PEM file
};

struct HttpRequest {
    std::string method = "GET";
    Url url;
    Headers headers;  ///< sent as given, less Content-Length, Transfer-Encoding, Connection and Expect, which follow
                      ///< from the rest; nothing is added but those, Host and User-Agent when they are missing
    std::shared_ptr<const Ranged> body;  ///< null: none. Opened afresh for each send
    bool expect_continue = false;        ///< "Expect: 100-continue", given up after 1 s without an answer
    bool public_address_only = false;  ///< refuse to connect to private, loopback and link-local addresses (checked on
                                       ///< the resolved address, so a name cannot hide one)
    std::string unix_socket;           ///< absolute path: connect there instead of to the URL's host (no proxy, no TLS)
    bool use_proxy = true;             ///< false for metadata services; loopback never goes through a proxy
    std::shared_ptr<const TlsSettings> tls;  ///< null: the client's default
    std::chrono::milliseconds connect_timeout{15'000};
    /// No byte in either direction for this long is Error{Unavailable}. Never a limit on the whole transfer.
    std::chrono::milliseconds stall_timeout{60'000};
    /// A limit on the whole exchange until the headers are there; zero: none. For metadata services.
    std::chrono::milliseconds response_timeout{0};
};

struct HttpResponse {
    int status = 0;
    Headers headers;
    /// The body, never null (empty for HEAD). Throws Error{Unavailable} on a reset, stall, or a body shorter than
    /// Content-Length; never decompresses. Destroying it early closes the connection; it must not outlive the client.
    std::unique_ptr<Source> body;

    /// Content-Length, when there is a valid one.
    [[nodiscard]] std::optional<std::uint64_t> content_length() const;
    /// Retry-After in seconds or as a date against `now`; nullopt when absent or nonsense; capped at 5 minutes.
    [[nodiscard]] std::optional<std::chrono::milliseconds> retry_after(std::chrono::system_clock::time_point now) const;
};

/// Sends requests. Safe from several threads at once. send() returns when the final status and headers are there (1xx
/// are swallowed). Throws Error{Unavailable} when the server cannot be reached, does not speak TLS, or the connection
/// breaks before the headers; Error{AccessDenied} when its certificate is not trusted, it wants one of us, or its
/// address is not public and should be (trying again would not help); Error{InvalidInput} for settings that cannot be
/// used; Cancelled on a stop request. If the server answers early and closes while the body is being sent, its answer
/// is returned, not the broken pipe. A kept connection that turns out to be closed is replaced by a new one without
/// further notice, and a 417 is answered by sending once more without Expect.
class HttpClient {
public:
    virtual ~HttpClient() = default;
    virtual HttpResponse send(const HttpRequest& request, const Run& run) = 0;
};

struct HttpClientOptions {
    std::string user_agent = "cooper/0.1";
    std::shared_ptr<const TlsSettings> tls;  ///< null: verify with the system's authorities
    std::size_t max_idle_connections = 16;
    /// Set to print each request and status line (redacted) as notices: -v.
    bool verbose = false;
};

/// The libcurl client. Keeps connections open and shares DNS and TLS sessions between threads. Proxies by `environment`
/// (HTTPS_PROXY, HTTP_PROXY lower case only, ALL_PROXY, NO_PROXY). libcurl is loaded on the first call.
std::unique_ptr<HttpClient> make_http_client(HttpClientOptions options, const Environment& environment);

/// The body as text, at most `limit` bytes, the rest dropped: for error documents.
std::string read_error_body(HttpResponse& response, std::size_t limit = 64 * 1024);

}  // namespace cooper
