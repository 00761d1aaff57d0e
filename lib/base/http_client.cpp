#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"

#include "base/http_exchange.hpp"
#include "base/http_pool.hpp"
#include "base/http_proxy.hpp"
#include "base/http_trust.hpp"

#include <sys/un.h>

#include <mutex>

namespace cooper {

namespace {

constexpr std::size_t kUnixPathSize = sizeof(sockaddr_un::sun_path);

/// What is made on the first request, because it needs libcurl.
struct Engine {
    Engine(const HttpClientOptions& options, const Environment& environment)
        : pool(std::make_shared<HttpPool>(CurlLibrary::get(), options.max_idle_connections)),
          trust(CurlLibrary::get(), environment) {}

    std::shared_ptr<HttpPool> pool;  // shared with bodies that are being read
    HttpTrust trust;
};

class CurlHttpClient final : public HttpClient {
public:
    CurlHttpClient(HttpClientOptions options, const Environment& environment)
        : options_(std::move(options)), environment_(environment), proxies_(environment) {
        if (!options_.tls) {
            options_.tls = std::make_shared<const TlsSettings>();
        }
    }

    HttpResponse send(const HttpRequest& request, const Run& run) override {
        run.check();
        check_url(request.url);
        check_unix_socket(request);
        std::unique_ptr<HttpExchange> exchange = exchange_for(request, run);
        note(run, "< " + std::to_string(exchange->status()) + " " + request.url.redacted());
        HttpResponse response;
        response.status = exchange->status();
        response.headers = exchange->take_headers();
        response.body = std::move(exchange);
        return response;
    }

private:
    /// A Url made by hand, with "#" in its path or a blank, would be another one when libcurl reads it.
    static void check_url(const Url& url) {
        const Url sent = Url::parse(url.text());
        if (!sent.same_origin(url) || sent.path != url.path || sent.query != url.query) {
            throw Error(ErrorCode::InvalidInput, "URL '" + url.redacted() + "' is not in the form that is sent");
        }
    }

    /// The address of a unix socket ends at 108 bytes with its NUL (unix(7)); libcurl would only say "too long".
    static void check_unix_socket(const HttpRequest& request) {
        const std::string& path = request.unix_socket;
        if (path.empty()) {
            return;
        }
        if (!path.starts_with('/') || path.find('\0') != std::string::npos || path.size() >= kUnixPathSize) {
            throw Error(ErrorCode::InvalidInput, "'" + path + "' cannot be the address of a unix socket")
                .advise("It must be an absolute path of at most " + std::to_string(kUnixPathSize - 1) +
                        " bytes; a symlink at a shorter path will do.");
        }
        if (request.url.scheme != "http") {
            throw Error(ErrorCode::InvalidInput, "TLS is not spoken over the unix socket " + path);
        }
    }

    Engine& engine() {
        const std::scoped_lock lock(mutex_);
        if (!engine_) {
            engine_ = std::make_unique<Engine>(options_, environment_);
        }
        return *engine_;
    }

    /// Sends, and once more where that costs the server nothing: neither case has sent a body.
    std::unique_ptr<HttpExchange> exchange_for(HttpRequest request, const Run& run) {
        TrustStore store = TrustStore::ByHash;
        while (true) {
            auto exchange = start(request, store, run);
            switch (exchange->receive_head()) {
                case HttpOutcome::Answered:
                    return exchange;
                case HttpOutcome::ExpectationFailed:
                    request.expect_continue = false;
                    break;
                case HttpOutcome::UnknownAuthority:
                    if (!exchange->route().authorities->has_fallback) {
                        throw exchange->failure();
                    }
                    store = TrustStore::Bundle;
                    break;
            }
        }
    }

    std::unique_ptr<HttpExchange> start(const HttpRequest& request, TrustStore store, const Run& run) {
        Engine& engine = this->engine();
        HttpRoute route;
        route.proxy = request.use_proxy && request.unix_socket.empty() ? proxies_.of(request.url) : "";
        route.tls = request.tls ? request.tls : options_.tls;
        route.authorities = engine.trust.of(*route.tls, store);
        route.user_agent = options_.user_agent;
        // A connection that was opened without the check of addresses must not serve a request that asks for it.
        route.key = request.url.scheme + "://" + request.url.authority() + " " + route.proxy +
                    (request.public_address_only ? " public" : "") +
                    (request.unix_socket.empty() ? "" : " unix:" + request.unix_socket);
        note(run, "> " + request.method + " " + request.url.redacted());
        return std::make_unique<HttpExchange>(engine.pool, request, std::move(route), run);
    }

    void note(const Run& run, const std::string& text) const {
        if (options_.verbose) {
            run.progress->notice(NoticeLevel::Info, text);
        }
    }

    HttpClientOptions options_;
    Environment environment_;
    HttpProxies proxies_;
    std::mutex mutex_;
    std::unique_ptr<Engine> engine_;
};

}  // namespace

std::unique_ptr<HttpClient> make_http_client(HttpClientOptions options, const Environment& environment) {
    return std::make_unique<CurlHttpClient>(std::move(options), environment);
}

}  // namespace cooper
