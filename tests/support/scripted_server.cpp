#include "support/scripted_server.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <stdexcept>

namespace cooper::testing {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds kPatience{20'000};
constexpr std::size_t kMaxHead = 1024 * 1024;
constexpr std::uint64_t kKeptBody = 64 * 1024 * 1024;
constexpr std::size_t kStep = 64 * 1024;

/// The connection is over, by whichever side: nobody's failure.
struct Gone {};

void require(bool good, const char* what) {
    if (!good) {
        throw std::runtime_error(std::string("scripted server: ") + what);
    }
}

struct BioFree {
    void operator()(BIO* bio) const noexcept { BIO_free(bio); }
};
std::unique_ptr<BIO, BioFree> memory_of(const std::string& pem) {
    return std::unique_ptr<BIO, BioFree>(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
}

}  // namespace

struct ScriptedServer::Tls {
    explicit Tls(const ScriptedOptions& options) : context(SSL_CTX_new(TLS_server_method())) {
        X509* const certificate =
            PEM_read_bio_X509(memory_of(options.tls_certificate).get(), nullptr, nullptr, nullptr);
        EVP_PKEY* const key = PEM_read_bio_PrivateKey(memory_of(options.tls_key).get(), nullptr, nullptr, nullptr);
        const bool good =
            SSL_CTX_use_certificate(context, certificate) == 1 && SSL_CTX_use_PrivateKey(context, key) == 1;
        X509_free(certificate);
        EVP_PKEY_free(key);
        require(good, "certificate or key is no good");
        if (!options.tls_client_authority.empty()) {
            X509* const authority =
                PEM_read_bio_X509(memory_of(options.tls_client_authority).get(), nullptr, nullptr, nullptr);
            X509_STORE_add_cert(SSL_CTX_get_cert_store(context), authority);
            X509_free(authority);
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
            static constexpr std::array<unsigned char, 6> kSessions = {'c', 'o', 'o', 'p', 'e', 'r'};
            SSL_CTX_set_session_id_context(context, kSessions.data(), kSessions.size());
        }
    }
    Tls(const Tls&) = delete;
    Tls& operator=(const Tls&) = delete;
    ~Tls() { SSL_CTX_free(context); }

    SSL_CTX* context;
};

/// A socket, non-blocking, perhaps with TLS on it; every wait ends when the server stops.
class ScriptedServer::Connection {
public:
    Connection(int descriptor, int stop, SSL_CTX* tls) : descriptor_(descriptor), stop_(stop) {
        if (tls != nullptr) {
            ssl_ = SSL_new(tls);
            SSL_set_fd(ssl_, descriptor_);
        }
    }
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;
    ~Connection() {
        SSL_free(ssl_);
        ::close(descriptor_);
    }

    void shake_hands() {
        if (ssl_ == nullptr) {
            return;
        }
        try {
            step(POLLIN, [this] { return SSL_accept(ssl_); });
        } catch (const Gone&) {
            // Closing with something unread would be a reset, which can overtake the alert.
            ::shutdown(descriptor_, SHUT_WR);
            std::array<char, 1024> dropped{};
            do {
                wait(POLLIN);
            } while (::recv(descriptor_, dropped.data(), dropped.size(), 0) > 0);
            throw;
        }
    }

    [[nodiscard]] std::string client_name() const {
        X509* const certificate = ssl_ == nullptr ? nullptr : SSL_get1_peer_certificate(ssl_);
        if (certificate == nullptr) {
            return "";
        }
        std::array<char, 256> name{};
        X509_NAME_get_text_by_NID(X509_get_subject_name(certificate), NID_commonName, name.data(), name.size());
        X509_free(certificate);
        return name.data();
    }

    /// Up to and with `end`, or throws Gone.
    std::string read_until(std::string_view end) {
        while (true) {
            const std::size_t at = buffer_.find(end);
            if (at != std::string::npos) {
                std::string head = buffer_.substr(0, at + end.size());
                buffer_.erase(0, head.size());
                return head;
            }
            if (buffer_.size() > kMaxHead) {
                throw Gone();
            }
            buffer_ += receive();
            if (constexpr char kTlsHandshake = 0x16; buffer_.front() == kTlsHandshake) {
                write("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");  // as real servers do
                throw Gone();
            }
        }
    }

    std::string read_some(std::uint64_t limit) {
        std::string bytes = buffer_.empty() ? receive() : std::exchange(buffer_, {});
        if (bytes.size() > limit) {
            buffer_ = bytes.substr(limit);
            bytes.resize(limit);
        }
        return bytes;
    }

    void write(std::string_view bytes) {
        while (!bytes.empty()) {
            const int wanted = static_cast<int>(std::min(bytes.size(), kStep));
            const int sent = step(POLLOUT, [&] {
                return ssl_ != nullptr ? SSL_write(ssl_, bytes.data(), wanted)
                                       : static_cast<int>(::send(descriptor_, bytes.data(),
                                                                 static_cast<std::size_t>(wanted), MSG_NOSIGNAL));
            });
            bytes.remove_prefix(static_cast<std::size_t>(sent));
        }
    }

    /// Until the client closes or the server stops.
    void wait_for_end() {
        while (true) {
            receive();
        }
    }
    /// Throws Gone when the server stops meanwhile.
    void pause(milliseconds duration) const {
        pollfd stop{stop_, POLLIN, 0};
        if (::poll(&stop, 1, static_cast<int>(duration.count())) != 0) {
            throw Gone();
        }
    }
    /// Closes in good order, so that what was sent arrives although something is unread.
    void finish() {
        if (ssl_ != nullptr) {
            SSL_shutdown(ssl_);
        }
        ::shutdown(descriptor_, SHUT_WR);
    }
    void reset() const {
        const linger now{1, 0};
        ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    }

private:
    std::string receive() {
        std::string bytes(kStep, '\0');
        const int count = step(POLLIN, [&] {
            return ssl_ != nullptr ? SSL_read(ssl_, bytes.data(), static_cast<int>(bytes.size()))
                                   : static_cast<int>(::recv(descriptor_, bytes.data(), bytes.size(), 0));
        });
        bytes.resize(static_cast<std::size_t>(count));
        return bytes;
    }

    /// Tries, waits, tries again; returns a count above 0 or throws Gone.
    template <class Operation>
    int step(short plain_events, Operation operation) {
        while (true) {
            ERR_clear_error();
            const int result = operation();
            if (result > 0) {
                return result;
            }
            short events = plain_events;
            if (ssl_ != nullptr) {
                const int why = SSL_get_error(ssl_, result);
                if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
                    throw Gone();
                }
                events = why == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
            } else if (result == 0 || (errno != EAGAIN && errno != EINTR)) {
                throw Gone();
            }
            wait(events);
        }
    }

    void wait(short events) const {
        std::array<pollfd, 2> waiting = {{{descriptor_, events, 0}, {stop_, POLLIN, 0}}};
        if (::poll(waiting.data(), waiting.size(), static_cast<int>(kPatience.count())) <= 0 ||
            waiting[1].revents != 0) {
            throw Gone();
        }
    }

    int descriptor_;
    int stop_;
    SSL* ssl_ = nullptr;
    std::string buffer_;
};

ScriptedServer::ScriptedServer(ScriptedHandler handler, ScriptedOptions options)
    : handler_(std::move(handler)), options_(std::move(options)) {
    if (!options_.tls_certificate.empty()) {
        tls_ = std::make_unique<Tls>(options_);
    }
    std::array<int, 2> ends{};
    require(::pipe2(ends.data(), O_CLOEXEC) == 0, "no pipe");
    stop_read_ = ends[0];
    stop_write_ = ends[1];
    options_.unix_socket.empty() ? listen_on_loopback() : listen_on_unix_socket();
    accepting_ = std::thread([this] { accept_all(); });
}

void ScriptedServer::listen_on_loopback() {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    require(::bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 && ::listen(listener_, 64) == 0 &&
                ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0,
            "cannot listen on loopback");
    port_ = ntohs(address.sin_port);
}

void ScriptedServer::listen_on_unix_socket() {
    listener_ = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    require(options_.unix_socket.size() < sizeof address.sun_path, "the socket's path is too long");
    options_.unix_socket.copy(address.sun_path, sizeof address.sun_path - 1);
    require(
        ::bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 && ::listen(listener_, 64) == 0,
        "cannot listen on a unix socket");
}

ScriptedServer::~ScriptedServer() {
    ::close(stop_write_);
    accepting_.join();
    for (std::thread& thread : threads_) {
        thread.join();
    }
    ::close(stop_read_);
    ::close(listener_);
}

std::string ScriptedServer::url(const std::string& target) const {
    return std::string(tls_ ? "https" : "http") + "://127.0.0.1:" + std::to_string(port_) + target;
}

std::vector<ScriptedRequest> ScriptedServer::requests() const {
    const std::scoped_lock lock(mutex_);
    return requests_;
}

void ScriptedServer::accept_all() {
    while (true) {
        std::array<pollfd, 2> waiting = {{{listener_, POLLIN, 0}, {stop_read_, POLLIN, 0}}};
        ::poll(waiting.data(), waiting.size(), -1);
        if (waiting[1].revents != 0) {
            return;
        }
        const int descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (descriptor >= 0) {
            const int on = 1;
            ::setsockopt(descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
            threads_.emplace_back([this, descriptor, number = connections_++] { serve(descriptor, number); });
        }
    }
}

void ScriptedServer::serve(int descriptor, std::size_t number) noexcept {
    sigset_t broken_pipe;  // OpenSSL writes without MSG_NOSIGNAL
    sigemptyset(&broken_pipe);
    sigaddset(&broken_pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &broken_pipe, nullptr);
    try {
        Connection connection(descriptor, stop_read_, tls_ ? tls_->context : nullptr);
        connection.shake_hands();
        while (serve_one(connection, number)) {
        }
        connection.finish();
    } catch (const Gone&) {
        return;
    }
}

/// False: the connection ends.
bool ScriptedServer::serve_one(Connection& connection, std::size_t number) {
    const std::string head = connection.read_until("\r\n\r\n");
    ScriptedRequest request;
    request.connection = number;
    request.client_certificate = connection.client_name();
    const auto lines = split(head, '\n');
    const auto words = split(trim(lines.front()), ' ');
    request.method = std::string(words.front());
    request.target = words.size() > 1 ? std::string(words[1]) : "";
    for (std::size_t i = 1; i < lines.size(); ++i) {
        const std::size_t colon = lines[i].find(':');
        if (colon != std::string_view::npos) {
            request.headers.add(std::string(lines[i].substr(0, colon)), std::string(trim(lines[i].substr(colon + 1))));
        }
    }
    const auto record = [&] {
        const std::scoped_lock lock(mutex_);
        requests_.push_back(request);
    };
    if (options_.on_head) {
        if (const auto early = options_.on_head(request)) {
            record();
            answer(connection, request, *early);
            return false;
        }
    }
    read_body(connection, request);
    record();
    return answer(connection, request, handler_(request));
}

void ScriptedServer::read_body(Connection& connection, ScriptedRequest& request) const {
    const std::uint64_t length = parse_uint(request.headers.find("Content-Length").value_or("")).value_or(0);
    if (options_.answers_expect && request.headers.find("Expect")) {
        connection.write("HTTP/1.1 100 Continue\r\n\r\n");
    }
    while (request.body_size < length) {
        const std::string bytes = connection.read_some(length - request.body_size);
        request.body_size += bytes.size();
        if (request.body.size() < kKeptBody) {
            request.body += bytes;
        }
    }
}

bool ScriptedServer::answer(Connection& connection, const ScriptedRequest& request, const ScriptedReply& reply) {
    if (reply.delay.count() > 0) {
        connection.pause(reply.delay);
    }
    if (reply.silent) {
        connection.wait_for_end();
    }
    if (reply.no_answer) {
        if (reply.cut == Cut::Reset) {
            connection.reset();
        }
        throw Gone();
    }
    connection.write(reply.interim);
    if (!reply.raw.empty()) {
        connection.write(reply.raw);
        return false;
    }
    std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Scripted\r\n";
    for (const auto& [name, value] : reply.headers.fields()) {
        head += name + ": " + value + "\r\n";
    }
    const bool bodiless = request.method == "HEAD" || reply.status == 204 || reply.status == 304;
    if (reply.chunked) {
        head += "Transfer-Encoding: chunked\r\n";
    } else if (!reply.until_close && reply.status != 204) {
        head += "Content-Length: " +
                std::to_string(reply.declared_length.value_or(reply.size.value_or(reply.body.size()))) + "\r\n";
    }
    const bool closes = reply.close || reply.until_close;
    head += closes ? "Connection: close\r\n\r\n" : "\r\n";
    if (!bodiless && !reply.size && reply.body.size() <= kStep && !reply.chunked && !reply.cut_after &&
        !reply.stall_after && reply.drip.count() == 0) {
        connection.write(head + reply.body);  // in one packet, as servers do
        body_bytes_sent_ += reply.body.size();
        return !closes && !reply.declared_length;
    }
    connection.write(head);
    const bool whole = bodiless || send_body(connection, reply);
    return whole && !closes && !reply.declared_length;
}

/// False: cut.
bool ScriptedServer::send_body(Connection& connection, const ScriptedReply& reply) {
    const std::uint64_t size = reply.size.value_or(reply.body.size());
    const std::uint64_t end = std::min({size, reply.cut_after.value_or(size), reply.stall_after.value_or(size)});
    std::string pattern = reply.body.empty() ? std::string(1, 'x') : reply.body;
    while (reply.size && pattern.size() < kStep) {
        pattern += pattern;  // whole repetitions, so offsets stay in step
    }
    std::uint64_t sent = 0;
    while (sent < end) {
        const std::uint64_t offset = sent % pattern.size();
        const std::uint64_t room = std::min<std::uint64_t>(pattern.size() - offset, end - sent);
        const std::string_view piece =
            std::string_view(pattern).substr(offset, reply.drip.count() > 0 ? 1 : std::min<std::uint64_t>(room, kStep));
        if (reply.chunked) {
            std::array<char, 24> length{};
            std::snprintf(length.data(), length.size(), "%zx\r\n", piece.size());
            connection.write(length.data());
        }
        connection.write(piece);
        if (reply.chunked) {
            connection.write("\r\n");
        }
        sent += piece.size();
        body_bytes_sent_ += piece.size();
        if (reply.drip.count() > 0) {
            connection.pause(reply.drip);
        }
    }
    if (reply.stall_after) {
        connection.wait_for_end();
    }
    if (reply.cut_after) {
        if (reply.cut == Cut::Reset) {
            connection.reset();
        }
        return false;
    }
    if (reply.chunked) {
        connection.write("0\r\n\r\n");
    }
    return true;
}

}  // namespace cooper::testing
