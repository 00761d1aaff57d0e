// What the HTTP tests share.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"

#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <string>

namespace cooper::testing {

inline std::unique_ptr<HttpClient> client_with(std::map<std::string, std::string, std::less<>> variables = {},
                                               HttpClientOptions options = {}) {
    return make_http_client(std::move(options), Environment(std::move(variables)));
}

inline HttpRequest get(const std::string& url) {
    HttpRequest request;
    request.url = Url::parse(url);
    return request;
}

inline HttpRequest put(const std::string& url, std::string body) {
    HttpRequest request = get(url);
    request.method = "PUT";
    request.body = std::make_shared<MemoryRanged>(std::move(body));
    return request;
}

inline std::string body_of(HttpResponse& response) {
    return read_all(*response.body, 64 * 1024 * 1024, "body");
}

/// The error that `action` throws; nullopt when it throws none.
template <class Action>
std::optional<Error> error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    return std::nullopt;
}

inline bool contains(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

}  // namespace cooper::testing
