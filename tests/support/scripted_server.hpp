// An HTTP/1.1 server on a loopback socket that does what real servers cannot be made to do.
//
//     ScriptedServer server([](const ScriptedRequest& request) -> ScriptedReply {
//         if (request.target == "/blob") {
//             return {.body = "hello", .declared_length = 10};  // closes five bytes short
//         }
//         return {.status = 404};
//     });
//     get(server.url("/blob"));
//     REQUIRE(server.requests().at(0).headers.find("Range") == "bytes=5-");
//
// Each connection has a thread; the handler runs on it, so it must be thread-safe where a test has several connections.
// No wait is longer than 20 s. The destructor closes all connections and joins.
#pragma once

#include "cooper/base/http.hpp"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace cooper::testing {

struct ScriptedRequest {
    std::string method;
    std::string target;  ///< path and query as they came (a proxy request: the whole URL)
    Headers headers;
    std::string body;                ///< the first 64 MiB
    std::uint64_t body_size = 0;     ///< received
    std::size_t connection = 0;      ///< 0 for the first one accepted, and so on
    std::string client_certificate;  ///< common name; empty: none was shown
};

/// How a connection ends before its reply does.
enum class Cut { Close, Reset };

struct ScriptedReply {
    int status = 200;
    Headers headers{};
    std::string body{};
    std::optional<std::uint64_t> size{};             ///< the body is `body` again and again, this many bytes in all
    std::optional<std::uint64_t> declared_length{};  ///< Content-Length other than what is sent
    bool chunked = false;                            ///< instead of Content-Length
    bool until_close = false;                        ///< neither length nor chunks: the body ends with the connection
    std::optional<std::uint64_t> cut_after{};        ///< body bytes, then the connection is cut
    Cut cut = Cut::Close;
    std::optional<std::uint64_t> stall_after{};  ///< body bytes, then silence until the client or the test gives up
    std::chrono::milliseconds delay{0};          ///< before the first byte
    std::chrono::milliseconds drip{0};           ///< between bytes of the body
    bool no_answer = false;                      ///< cut without a byte
    bool silent = false;                         ///< no byte, connection open
    bool close = false;                          ///< closes after the reply; says so in a header
    std::string interim{};                       ///< sent first, as it is: "HTTP/1.1 103 Early Hints\r\n\r\n"
    std::string raw{};                           ///< sent as it is instead of all the above, then close
};

using ScriptedHandler = std::function<ScriptedReply(const ScriptedRequest&)>;

struct ScriptedOptions {
    /// Asked when the head is there and the body was not read yet: a reply is sent at once, and the connection closed
    /// with the body unread.
    std::function<std::optional<ScriptedReply>(const ScriptedRequest&)> on_head{};
    bool answers_expect = true;     ///< 100 Continue where it is asked for; false: waits for the body in silence
    std::string tls_certificate{};  ///< PEM text; empty: plain HTTP
    std::string tls_key{};
    std::string unix_socket{};           ///< path of a socket to make and listen on instead of loopback
    std::string tls_client_authority{};  ///< PEM text: clients must show a certificate of this authority
};

class ScriptedServer {
public:
    explicit ScriptedServer(ScriptedHandler handler, ScriptedOptions options = {});
    ScriptedServer(const ScriptedServer&) = delete;
    ScriptedServer& operator=(const ScriptedServer&) = delete;
    ~ScriptedServer();

    [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
    /// "http://127.0.0.1:PORT" + target (https with a certificate).
    [[nodiscard]] std::string url(const std::string& target = "/") const;
    /// All requests so far whose head was complete, bodies as far as they were read when they were answered.
    [[nodiscard]] std::vector<ScriptedRequest> requests() const;
    [[nodiscard]] std::size_t connections() const noexcept { return connections_; }
    [[nodiscard]] std::uint64_t body_bytes_sent() const noexcept { return body_bytes_sent_; }

private:
    class Connection;
    struct Tls;

    void listen_on_loopback();
    void listen_on_unix_socket();
    void accept_all();
    void serve(int descriptor, std::size_t number) noexcept;
    bool serve_one(Connection& connection, std::size_t number);
    void read_body(Connection& connection, ScriptedRequest& request) const;
    bool answer(Connection& connection, const ScriptedRequest& request, const ScriptedReply& reply);
    bool send_body(Connection& connection, const ScriptedReply& reply);

    ScriptedHandler handler_;
    ScriptedOptions options_;
    std::unique_ptr<Tls> tls_;
    int listener_ = -1;
    int stop_read_ = -1;  // becomes readable when the server stops
    int stop_write_ = -1;
    std::uint16_t port_ = 0;
    std::atomic<std::size_t> connections_ = 0;
    std::atomic<std::uint64_t> body_bytes_sent_ = 0;
    mutable std::mutex mutex_;
    std::vector<ScriptedRequest> requests_;
    std::list<std::thread> threads_;  // of connections; touched by the accepting thread and the destructor only
    std::thread accepting_;
};

}  // namespace cooper::testing
