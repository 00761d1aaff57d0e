#include "oci/registry/registry_repository.hpp"

#include "cooper/base/error.hpp"

#include "oci/registry/registry_error.hpp"

#include <atomic>

namespace cooper::oci {

namespace {

/// No authorization, an expired or too narrow token, and the last word.
constexpr int kMaxRefusals = 3;
/// Signed storage URLs expire between redirect and use; a fresh one helps once or not at all.
constexpr int kMaxStorageRefusals = 2;
/// A host that never answered is more likely misspelt than busy: told after a second, not after ten.
constexpr int kFirstContactTries = 3;

bool is_redirect(int status) {
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

/// A body that goes out once for each send. libcurl begins anew by itself when a kept connection closes before an
/// answer; but a server that keeps what arrives must be asked what that was.
class OnceRanged final : public Ranged {
public:
    explicit OnceRanged(std::shared_ptr<const Ranged> body) : body_(std::move(body)) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return body_->size(); }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override {
        if (went_out_->load()) {
            throw Error(ErrorCode::Unavailable, "the connection broke in the middle of a request");
        }
        return std::make_unique<Watched>(body_->open(offset, length), went_out_);
    }

private:
    using Flag = std::shared_ptr<std::atomic<bool>>;
    class Watched final : public Source {
    public:
        Watched(std::unique_ptr<Source> inner, Flag went_out)
            : inner_(std::move(inner)), went_out_(std::move(went_out)) {}
        std::size_t read(MutableBytes into) override {
            went_out_->store(true);
            return inner_->read(into);
        }

    private:
        std::unique_ptr<Source> inner_;
        Flag went_out_;
    };

    std::shared_ptr<const Ranged> body_;
    Flag went_out_ = std::make_shared<std::atomic<bool>>(false);
};

/// The body for one send: uploads, which are those that go where the registry said, go out once.
std::shared_ptr<const Ranged> body_of(const RepositoryRequest& request) {
    return request.body && request.url ? std::make_shared<OnceRanged>(request.body) : request.body;
}

/// Bodies from here on ask first (RFC 9110 section 10.1.1): a refusal is then not worth a layer.
constexpr std::uint64_t kWorthAsking = 1024 * 1024;

}  // namespace

void drain(HttpResponse& response) {
    try {
        read_error_body(response);
    } catch (const Error&) {
        response.body.reset();  // broken: closed with the response, nothing depended on it
    }
}

bool may_try_again(const Error& error, Retrier& retrier) {
    if (error.code() != ErrorCode::Unavailable) {
        return false;
    }
    if (const auto* busy = dynamic_cast<const BusyError*>(&error)) {
        return retrier.again(busy->retry_after());
    }
    return dynamic_cast<const HttpError*>(&error) == nullptr && retrier.again();
}

RegistryRepository::RegistryRepository(RegistryContext& context, std::shared_ptr<RegistryHost> host,
                                       const Reference& repository, std::vector<std::string> scopes)
    : context_(context),
      host_(std::move(host)),
      reference_(repository),
      authenticator_(context, repository, std::move(scopes)) {}

RepositoryAnswer RegistryRepository::send(const RepositoryRequest& request, Retrier& retrier, const Run& run) {
    while (true) {
        try {
            RepositoryAnswer answer = send_once(request, run);
            retrier.succeeded();
            return answer;
        } catch (Error& error) {
            const bool never_there = !host_->has_answered() && retrier.tries() >= kFirstContactTries;
            if (never_there || !may_try_again(error, retrier)) {
                if (retrier.tries() > 1) {
                    error.add_context("gave up after " + std::to_string(retrier.tries()) + " tries");
                }
                throw;
            }
        }
    }
}

RepositoryAnswer RegistryRepository::send_once(const RepositoryRequest& request, const Run& run) {
    int refusals = 0;
    int storage_refusals = 0;
    while (true) {
        run.check();
        const RegistryAuthenticator::Ticket ticket = authenticator_.ticket(run);
        RepositoryAnswer answer = follow(request, ticket.authorization, run);
        const int status = answer.response.status;
        if (!answer.at_registry && (status == 400 || status == 401 || status == 403)) {
            if (request.url) {
                return answer;
            }
            if (++storage_refusals < kMaxStorageRefusals) {
                drain(answer.response);
                continue;
            }
            throw_refusal(answer.response, request.what, "storage server " + answer.url.authority(), "anonymously",
                          run);
        }
        if (status == 401) {
            const bool again = ++refusals < kMaxRefusals &&
                               authenticator_.refused(ticket, refusals > 1,
                                                      answer.response.headers.all("WWW-Authenticate"), answer.url, run);
            if (again) {
                drain(answer.response);
                continue;
            }
        }
        if (status == 401 || status == 403 || status == 408 || status == 429 || status >= 500) {
            throw_refusal(answer.response, request.what, answer.at_registry ? host_->name() : answer.url.authority(),
                          authenticator_.identity(), run);
        }
        return answer;
    }
}

RepositoryAnswer RegistryRepository::follow(const RepositoryRequest& request, const Secret& authorization,
                                            const Run& run) {
    HttpRequest message;
    message.method = request.method;
    message.headers = request.headers;
    message.body = body_of(request);
    message.expect_continue = request.body != nullptr && request.body->size() >= kWorthAsking;
    RepositoryAnswer answer = send_first(request, message, authorization, run);
    for (int redirects = 1; is_redirect(answer.response.status); ++redirects) {
        const auto location = answer.response.headers.find("Location");
        if (!location) {
            throw Error(ErrorCode::Unsupported,
                        request.what + ": " + answer.url.authority() + " redirects without saying where");
        }
        if (redirects > kMaxRedirects) {
            throw Error(ErrorCode::Unsupported, request.what + ": " + host_->name() + " redirects more than " +
                                                    std::to_string(kMaxRedirects) + " times");
        }
        const Url next = answer.url.resolve(*location);
        if (answer.url.scheme == "https" && next.scheme != "https") {
            throw Error(ErrorCode::Unsupported, request.what + ": " + answer.url.authority() +
                                                    " redirects from https to " + next.redacted() +
                                                    ", which is refused");
        }
        drain(answer.response);
        // Credentials belong to the registry's origin alone: a storage host never sees them.
        const bool at_registry = is_at_registry(next);
        message.body = body_of(request);
        answer = {send_to(next, message, at_registry ? authorization : Secret(), run), next, at_registry};
    }
    return answer;
}

RepositoryAnswer RegistryRepository::send_first(const RepositoryRequest& request, const HttpRequest& message,
                                                const Secret& authorization, const Run& run) {
    if (!request.url) {
        HttpRequest first = message;
        if (!authorization.empty()) {
            first.headers.set("Authorization", authorization.reveal());
        }
        const std::string path = "/v2/" + reference_.path() + request.path;
        HttpResponse response = host_->send(std::move(first), path, run);
        return {std::move(response), host_->url(path), true};
    }
    if (is_at_registry(*request.url)) {
        return {send_to(*request.url, message, authorization, run), *request.url, true};
    }
    HttpRequest elsewhere = message;
    elsewhere.url = *request.url;
    return {context_.send_where_chosen(std::move(elsewhere), host_->url("/"), run), *request.url, false};
}

HttpResponse RegistryRepository::send_to(const Url& url, HttpRequest message, const Secret& authorization,
                                         const Run& run) {
    message.url = url;
    if (!authorization.empty()) {
        message.headers.set("Authorization", authorization.reveal());
    }
    return context_.send(std::move(message), run);
}

Url RegistryRepository::locate(const RepositoryAnswer& answer, std::string_view reference) const {
    Url url = answer.url.resolve(reference);
    const Url registry = host_->url("/");
    if (url.host == registry.host && (!url.port || url.path.starts_with("/v2/"))) {
        url.scheme = registry.scheme;
        url.port = registry.port;
    }
    if (answer.url.scheme == "https" && url.scheme != "https") {
        throw Error(ErrorCode::Unsupported,
                    answer.url.authority() + " sends us from https to " + url.redacted() + ", which is refused");
    }
    return url;
}

void RegistryRepository::refuse(HttpResponse& response, const RepositoryRequest& request, const Run& run) {
    throw_refusal(response, request.what, host_->name(), authenticator_.identity(), run);
}

}  // namespace cooper::oci
