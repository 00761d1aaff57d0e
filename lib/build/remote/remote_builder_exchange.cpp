#include "build/remote/remote_builder_exchange.hpp"

#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr int kTooManyRequests = 429;
constexpr std::size_t kMaxAnswer = 1024 * 1024;  // real ones are under 1 kB; an error text may hold a build's log
constexpr std::size_t kMaxErrorBody = 64 * 1024;
constexpr std::size_t kMaxSaid = 2000;
constexpr std::size_t kMaxName = 1024;
constexpr seconds kShortestRetry(4);
constexpr seconds kLongestRetry(60);

ErrorCode code_of(int status) {
    if (status < 400) {
        return ErrorCode::Unsupported;
    }
    switch (status) {
        case 401:
        case 403:
            return ErrorCode::AccessDenied;
        case 404:
        case 410:
            return ErrorCode::NotFound;
        case 408:
        case kTooManyRequests:
            return ErrorCode::Unavailable;
        default:
            return status >= 500 ? ErrorCode::Unavailable : ErrorCode::InvalidInput;
    }
}

std::string advice_for(int status) {
    switch (status) {
        case 401:
        case 403:
            return "check the API key, and that it is meant for this Runtime API";
        case 404:
            return "check the base URL: it is what comes before /build";
        case 413:
            return "the server takes no context of this size: leave out what the build does not need";
        case kTooManyRequests:
            return "wait for other builds to end and try again";
        default:
            return status < 400 ? "give the address that the server redirects to as the base URL; redirects are not "
                                  "followed, they would take the API key along"
                                : "";
    }
}

/// The wait behind the given try: 1, 2, 4, … s, within its bounds.
milliseconds wait_after(int tries) {
    seconds wait(1);
    for (int i = 1; i < tries && wait < kLongestRetry; ++i) {
        wait *= 2;
    }
    return std::clamp(wait, kShortestRetry, kLongestRetry);
}

bool is_control(char c) {
    return (c >= '\0' && c < ' ') || c == '\x7f';
}

bool is_header_word(std::string_view text) {
    return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c <= '~'; });
}

std::string on_one_line(std::string_view text) {
    std::string line;
    line.reserve(text.size());
    for (const char c : text) {
        const bool blank = c == ' ' || (c >= '\t' && c <= '\r');
        if (!blank) {
            line += c;
        } else if (!line.empty() && line.back() != ' ') {
            line += ' ';
        }
    }
    return std::string(trim(line));
}

std::string without(std::string_view text, const std::string& secret) {
    std::string result;
    std::size_t at = 0;
    for (std::size_t found = 0; (found = text.find(secret, at)) != std::string_view::npos; at = found + secret.size()) {
        result.append(text.substr(at, found - at)).append("***");
    }
    return result.append(text.substr(at));
}

Url checked_base(const RemoteBuilderOptions& options) {
    Url base = Url::parse(options.base_url);
    if (!base.query.empty()) {
        throw Error(ErrorCode::InvalidInput, "the Runtime API's base URL " + base.redacted() + " has a query")
            .advise("give what comes before /build, as in https://runtime.example.com/api");
    }
    if (base.scheme != "https" && !base.is_loopback() && !options.plain_http && !options.api_key.empty()) {
        throw Error(ErrorCode::InvalidInput, "the API key would go to " + base.redacted() + " in the clear")
            .advise("use https, or allow plain http where the network is trusted");
    }
    // What is appended begins with a slash. A URL without a path gets one when it is parsed.
    const bool bare = base.path == "/" && !options.base_url.ends_with('/');
    while (base.path.ends_with('/') && (bare || options.dialect != RuntimeApiDialect::V0)) {
        base.path.pop_back();
    }
    return base;
}

}  // namespace

RuntimeApi::RuntimeApi(HttpClient& http, const RemoteBuilderOptions& options, const RemoteBuilderTimings& timings)
    : http_(http), base_(checked_base(options)), key_(options.api_key), timings_(timings) {
    if (!is_header_word(key_.reveal())) {
        throw Error(ErrorCode::InvalidInput,
                    "the Runtime API's key holds a blank, a line end or another character that "
                    "no HTTP header may hold")
            .advise("take the key without what surrounds it in its file");
    }
}

HttpRequest RuntimeApi::request(const std::string& method, const std::string& path) const {
    HttpRequest request;
    request.method = method;
    request.url = base_;
    request.url.path += path;
    if (!key_.empty()) {
        request.headers.add("X-API-Key", key_.reveal());
    }
    request.headers.add("Accept", "application/json");
    return request;
}

HttpRequest RuntimeApi::get(const std::string& path, const std::string& query) const {
    HttpRequest request = this->request("GET", path);
    request.url.query = query;
    request.stall_timeout = timings_.request_stall;
    return request;
}

HttpRequest RuntimeApi::post(const std::string& path, std::string content_type,
                             std::shared_ptr<const Ranged> body) const {
    HttpRequest request = this->request("POST", path);
    request.headers.add("Content-Type", std::move(content_type));
    request.body = std::move(body);
    request.stall_timeout = timings_.upload_stall;
    return request;
}

RuntimeApiAnswer RuntimeApi::send_once(const HttpRequest& request, const Run& run) const {
    HttpResponse response = http_.send(request, run);
    RuntimeApiAnswer answer;
    answer.status = response.status;
    answer.retry_after = response.retry_after(run.clock->now());
    answer.body = read_error_body(response, answer.success() ? kMaxAnswer + 1 : kMaxErrorBody);
    if (!answer.success() && answer.body.size() == kMaxErrorBody) {  // a key that was cut would not be found in it
        answer.body.resize(kMaxErrorBody - std::min(kMaxErrorBody, key_.reveal().size()));
    }
    return answer;
}

RuntimeApiAnswer RuntimeApi::send(const HttpRequest& request, const Patience& patience, const Run& run) const {
    for (int tries = 1;; ++tries) {
        RuntimeApiAnswer answer = send_once(request, run);
        if (answer.status != kTooManyRequests) {
            return answer;
        }
        const bool pause = tries == timings_.rate_limit_tries;
        const milliseconds own_wait = pause ? timings_.rate_limit_pause : wait_after(tries);
        const milliseconds wait = std::max(own_wait, answer.retry_after.value_or(milliseconds(0)));
        const bool allowed = !pause || (patience.pauses && own_wait > milliseconds(0));
        if (!allowed || run.clock->now() + wait > patience.deadline) {
            return answer;
        }
        if (pause) {
            run.progress->notice(NoticeLevel::Warning, "the Runtime API has too many requests; trying again in " +
                                                           format_duration(std::chrono::ceil<seconds>(wait)));
            tries = 0;
        }
        run.clock->sleep_for(wait, run.stop);
    }
}

RuntimeApiAnswer RuntimeApi::ask(const HttpRequest& request, const std::string& what, const Patience& patience,
                                 const Run& run) const {
    RuntimeApiAnswer answer = send(request, patience, run);
    if (!answer.success()) {
        refuse(answer, what);
    }
    return answer;
}

RuntimeApiAnswer RuntimeApi::ask(const HttpRequest& request, const std::string& what, const Run& run) const {
    return ask(request, what, {run.clock->now() + timings_.limit, false}, run);
}

void RuntimeApi::refuse(const RuntimeApiAnswer& answer, const std::string& what) const {
    const std::string detail = detail_of(answer.body);
    HttpError error(
        code_of(answer.status),
        what + " was answered with " + std::to_string(answer.status) + (detail.empty() ? "" : ": " + detail),
        answer.status, "");
    error.advise(advice_for(answer.status));
    throw error;
}

json::Value RuntimeApi::document(const RuntimeApiAnswer& answer, const std::string& what) {
    if (answer.body.size() > kMaxAnswer) {
        throw strange_answer(what, "it is larger than the limit of " + std::to_string(kMaxAnswer) + " bytes");
    }
    try {
        json::Value document = json::parse(answer.body, "it");
        if (document.is_object()) {
            return document;
        }
    } catch (const Error& error) {
        throw strange_answer(what, error.what());
    }
    throw strange_answer(what, "it is no JSON object");
}

/// `detail` of a JSON body; else the body itself, unless it is a page for people.
std::string RuntimeApi::detail_of(std::string_view body) const {
    body = trim(body);
    if (!body.starts_with('{')) {
        return body.starts_with('<') ? "" : said(body);
    }
    try {
        const json::Value document = json::parse(body, "it");
        const json::Value* detail = json::find_member(document, "detail");
        return detail == nullptr || detail->is_null() ? "" : said_value(*detail);
    } catch (const Error&) {
        return "";  // cut at the limit, or never JSON: the status has to do
    }
}

std::string RuntimeApi::said(std::string_view text) const {
    const std::string line = on_one_line(key_.empty() ? std::string(text) : without(text, key_.reveal()));
    return redact(oci::printable(line, kMaxSaid));
}

std::string RuntimeApi::said_value(const json::Value& value) const {
    return said(value.is_string() ? value.get<std::string>() : json::write(value));
}

bool RuntimeApi::is_name(std::string_view text) const {
    return is_plain_name(text) && (key_.empty() || text.find(key_.reveal()) == std::string_view::npos);
}

Error strange_answer(const std::string& what, const std::string& problem) {
    Error error(ErrorCode::Unavailable, "the answer to " + what + " is none of the Runtime API: " + problem);
    error.advise("check that the base URL is a Runtime API's, and which dialect it speaks");
    return error;
}

bool is_plain_name(std::string_view text) {
    return !text.empty() && text.size() <= kMaxName && std::none_of(text.begin(), text.end(), is_control);
}

}  // namespace cooper::build
