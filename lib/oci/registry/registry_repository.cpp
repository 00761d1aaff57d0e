#include "oci/registry/registry_repository.hpp"

#include "cooper/base/error.hpp"

#include "oci/registry/registry_error.hpp"

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

/// Reads a short body to its end, so that the connection can be used again.
void drain(HttpResponse& response) {
    try {
        read_error_body(response);
    } catch (const Error&) {
        response.body.reset();  // broken: closed with the response, nothing depended on it
    }
}

}  // namespace

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
                                       const Reference& repository)
    : context_(context), host_(std::move(host)), reference_(repository), authenticator_(context, repository) {}

HttpResponse RegistryRepository::send(const RepositoryRequest& request, Retrier& retrier, const Run& run) {
    while (true) {
        try {
            HttpResponse response = try_once(request, run);
            retrier.succeeded();
            return response;
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

HttpResponse RegistryRepository::try_once(const RepositoryRequest& request, const Run& run) {
    int refusals = 0;
    int storage_refusals = 0;
    while (true) {
        run.check();
        const RegistryAuthenticator::Ticket ticket = authenticator_.ticket(run);
        Hop hop = follow(request, ticket.authorization, run);
        const int status = hop.response.status;
        if (!hop.at_registry && (status == 400 || status == 401 || status == 403)) {
            if (++storage_refusals < kMaxStorageRefusals) {
                drain(hop.response);
                continue;
            }
            throw_refusal(hop.response, request.what, "storage server " + hop.url.authority(), "anonymously", run);
        }
        if (status == 401) {
            const bool again = ++refusals < kMaxRefusals &&
                               authenticator_.refused(ticket, refusals > 1,
                                                      hop.response.headers.all("WWW-Authenticate"), hop.url, run);
            if (again) {
                drain(hop.response);
                continue;
            }
        }
        if (status == 401 || status == 403 || status == 408 || status == 429 || status >= 500) {
            throw_refusal(hop.response, request.what, hop.at_registry ? host_->name() : hop.url.authority(),
                          authenticator_.identity(), run);
        }
        return std::move(hop.response);
    }
}

RegistryRepository::Hop RegistryRepository::follow(const RepositoryRequest& request, const Secret& authorization,
                                                   const Run& run) {
    HttpRequest message;
    message.method = request.method;
    message.headers = request.headers;
    HttpRequest first = message;
    if (!authorization.empty()) {
        first.headers.set("Authorization", authorization.reveal());
    }
    const std::string path = "/v2/" + reference_.path() + request.path;
    Hop hop{host_->send(std::move(first), path, run), host_->url(path), true};
    const Url registry = hop.url;
    for (int redirects = 1; is_redirect(hop.response.status); ++redirects) {
        const auto location = hop.response.headers.find("Location");
        if (!location) {
            throw Error(ErrorCode::Unsupported,
                        request.what + ": " + hop.url.authority() + " redirects without saying where");
        }
        if (redirects > kMaxRedirects) {
            throw Error(ErrorCode::Unsupported, request.what + ": " + host_->name() + " redirects more than " +
                                                    std::to_string(kMaxRedirects) + " times");
        }
        const Url next = hop.url.resolve(*location);
        if (hop.url.scheme == "https" && next.scheme != "https") {
            throw Error(ErrorCode::Unsupported, request.what + ": " + hop.url.authority() +
                                                    " redirects from https to " + next.redacted() +
                                                    ", which is refused");
        }
        drain(hop.response);
        // Credentials belong to the registry's origin alone: a storage host never sees them.
        const bool at_registry = next.same_origin(registry);
        hop = send_to(next, message, at_registry ? authorization : Secret(), run);
        hop.at_registry = at_registry;
    }
    return hop;
}

RegistryRepository::Hop RegistryRepository::send_to(const Url& url, HttpRequest message, const Secret& authorization,
                                                    const Run& run) {
    message.url = url;
    if (!authorization.empty()) {
        message.headers.set("Authorization", authorization.reveal());
    }
    return {context_.send(std::move(message), run), url, true};
}

void RegistryRepository::refuse(HttpResponse& response, const RepositoryRequest& request, const Run& run) {
    throw_refusal(response, request.what, host_->name(), authenticator_.identity(), run);
}

}  // namespace cooper::oci
