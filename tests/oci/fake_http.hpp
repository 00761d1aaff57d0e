// An HttpClient without sockets: a handler answers, every request is noted. For hosts and schemes that a server on
// loopback cannot be.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace cooper::testing {

/// A request as it was sent.
struct SentRequest {
    std::string method;
    std::string url;
    Headers headers;
    std::string body;
    bool public_address_only = false;
    std::shared_ptr<const TlsSettings> tls{};
    std::chrono::milliseconds response_timeout{0};

    [[nodiscard]] std::string header(std::string_view name) const { return headers.find(name).value_or(""); }
};

struct FakeReply {
    int status = 200;
    Headers headers;
    std::string body;
    bool sends_length = true;                   ///< Content-Length is the body's size unless `headers` has one
    std::optional<std::size_t> breaks_after{};  ///< the connection breaks after so many bytes of the body
    bool endless = false;                       ///< the body begins again and again
};

/// The connection fails before an answer.
inline FakeReply no_answer(const std::string& why = "connection refused") {
    throw Error(ErrorCode::Unavailable, why);
}

class FakeHttp final : public HttpClient {
public:
    using Handler = std::function<FakeReply(const SentRequest&)>;
    explicit FakeHttp(Handler handler) : handler_(std::move(handler)) {}

    HttpResponse send(const HttpRequest& request, const Run& run) override {
        run.check();
        SentRequest sent{request.method, request.url.text(),      request.headers, "", request.public_address_only,
                         request.tls,    request.response_timeout};
        if (request.body) {
            sent.body = read_all(*request.body->open(), 1'000'000, "request body");
        }
        {
            const std::scoped_lock lock(mutex_);
            log_.push_back(sent);
        }
        FakeReply reply = handler_(sent);
        HttpResponse response;
        response.status = reply.status;
        response.headers = reply.headers;
        if (reply.sends_length && !reply.headers.find("Content-Length")) {
            response.headers.add("Content-Length", std::to_string(reply.body.size()));
        }
        if (request.method == "HEAD") {
            reply.body.clear();
        }
        response.body = std::make_unique<Body>(std::move(reply));
        return response;
    }

    [[nodiscard]] std::vector<SentRequest> log() const {
        const std::scoped_lock lock(mutex_);
        return log_;
    }
    /// "GET https://…" of every request.
    [[nodiscard]] std::vector<std::string> lines() const {
        std::vector<std::string> lines;
        for (const SentRequest& sent : log()) {
            lines.push_back(sent.method + " " + sent.url);
        }
        return lines;
    }
    /// Requests whose URL holds `text`.
    [[nodiscard]] std::vector<SentRequest> sent_to(std::string_view text) const {
        std::vector<SentRequest> found;
        for (const SentRequest& sent : log()) {
            if (sent.url.find(text) != std::string::npos) {
                found.push_back(sent);
            }
        }
        return found;
    }

private:
    class Body final : public Source {
    public:
        explicit Body(FakeReply reply) : reply_(std::move(reply)) {}
        std::size_t read(MutableBytes into) override {
            if (reply_.breaks_after && position_ >= *reply_.breaks_after) {
                throw Error(ErrorCode::Unavailable, "connection reset");
            }
            if (position_ >= reply_.body.size() && reply_.endless) {
                position_ = 0;
            }
            std::size_t count = std::min(into.size(), reply_.body.size() - std::min(position_, reply_.body.size()));
            if (reply_.breaks_after) {
                count = std::min(count, *reply_.breaks_after - position_);
            }
            const Bytes bytes = as_bytes(reply_.body).subspan(std::min(position_, reply_.body.size()), count);
            std::copy(bytes.begin(), bytes.end(), into.begin());
            position_ += count;
            return count;
        }

    private:
        FakeReply reply_;
        std::size_t position_ = 0;
    };

    Handler handler_;
    mutable std::mutex mutex_;
    std::vector<SentRequest> log_;
};

}  // namespace cooper::testing
