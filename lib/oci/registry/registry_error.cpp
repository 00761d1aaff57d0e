#include "oci/registry/registry_error.hpp"

#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

namespace cooper::oci {

namespace {

std::string text_of(const json::Value& object, std::string_view key) {
    const json::Value* value = json::find_member(object, key);
    return value != nullptr && value->is_string() ? value->get<std::string>() : "";
}

ServerWord read_document(const json::Value& document) {
    const json::Value* errors = json::find_member(document, "errors");
    if (errors != nullptr && errors->is_array() && !errors->empty()) {
        const json::Value& first = errors->front();
        return {text_of(first, "code"), text_of(first, "message")};
    }
    for (const std::string_view key : {"message", "details", "error_description"}) {
        if (const std::string text = text_of(document, key); !text.empty()) {
            return {text_of(document, "error"), text};
        }
    }
    return {text_of(document, "error"), ""};
}

ErrorCode code_of(int status, ErrorCode other_4xx) {
    switch (status) {
        case 401:
        case 403:
            return ErrorCode::AccessDenied;
        case 404:
        case 410:
            return ErrorCode::NotFound;
        default:
            return status >= 500 ? ErrorCode::Unavailable : other_4xx;
    }
}

bool may_pass(int status) {
    return status == 408 || status == 429 || status == 500 || (status >= 502 && status <= 504);
}

std::string meaning(int status, const std::string& identity) {
    switch (status) {
        case 401:
        case 403:
            return "; asked " + identity + ": it is private, or it does not exist";
        case 404:
        case 410:
            return "; asked " + identity + ": it does not exist, or it is private";
        case 429:
            return "; asked " + identity + ": too many requests";
        default:
            return "";
    }
}

struct Answer {
    std::string text;  ///< "ghcr.io answered 403 (DENIED: …)"
    std::string code;
};

Answer read_answer(HttpResponse& response, const std::string& server) {
    const ServerWord word = read_server_word(read_error_body(response));
    std::string text = server + " answered " + std::to_string(response.status);
    if (!word.code.empty() || !word.text.empty()) {
        text += " (" + word.code + (word.code.empty() || word.text.empty() ? "" : ": ") + word.text + ")";
    }
    return {text, word.code};
}

[[noreturn]] void throw_answer(const HttpResponse& response, const Answer& answer, const std::string& message,
                               ErrorCode other_4xx, const Run& run) {
    if (may_pass(response.status)) {
        throw BusyError(message, response.status, answer.code, response.retry_after(run.clock->now()));
    }
    throw HttpError(code_of(response.status, other_4xx), message, response.status, answer.code);
}

}  // namespace

BusyError::BusyError(const std::string& message, int status, std::string server_code,
                     std::optional<std::chrono::milliseconds> retry_after)
    : HttpError(ErrorCode::Unavailable, message, status, std::move(server_code)), retry_after_(retry_after) {}
BusyError::~BusyError() = default;

ServerWord read_server_word(std::string_view body) {
    body = trim(body);
    if (body.starts_with('{')) {
        try {
            const ServerWord word = read_document(json::parse(body, "the answer"));
            return {printable(word.code, 64), redact(printable(word.text))};
        } catch (const Error&) {
            return {};  // cut at the limit, or never JSON: the status has to do
        }
    }
    return {"", body.starts_with('<') ? "" : redact(printable(body))};
}

void throw_refusal(HttpResponse& response, const std::string& what, const std::string& server,
                   const std::string& identity, const Run& run) {
    const Answer answer = read_answer(response, server);
    throw_answer(response, answer, what + ": " + answer.text + meaning(response.status, identity),
                 ErrorCode::Unsupported, run);
}

void throw_token_refusal(HttpResponse& response, const std::string& service, const std::string& repository,
                         const std::string& origin, const Run& run) {
    const Answer answer = read_answer(response, service);
    const std::string refused = origin.empty() ? "no token for " + repository + " without credentials"
                                               : "the credentials from " + origin + " give no token for " + repository;
    // OAuth2 says 400 invalid_grant for wrong credentials (RFC 6749 section 5.2).
    throw_answer(response, answer, refused + ": " + answer.text, ErrorCode::AccessDenied, run);
}

}  // namespace cooper::oci
