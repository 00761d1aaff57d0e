// One request to the Runtime API and what its answer means (`tags.md` 11).
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"
#include "cooper/build/remote_builder.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

struct RuntimeApiAnswer {
    int status = 0;
    std::string body;  ///< bounded; of an answer that is no success perhaps only its beginning
    std::optional<std::chrono::milliseconds> retry_after;

    [[nodiscard]] bool success() const noexcept { return status >= 200 && status <= 299; }
};

/// Threads: const. Borrows the client.
class RuntimeApi {
public:
    /// Checks what RemoteBuilder's constructor promises to check, but for the timings.
    RuntimeApi(HttpClient& http, const RemoteBuilderOptions& options, const RemoteBuilderTimings& timings);

    [[nodiscard]] HttpRequest get(const std::string& path, const std::string& query = "") const;
    [[nodiscard]] HttpRequest post(const std::string& path, std::string content_type,
                                   std::shared_ptr<const Ranged> body) const;

    /// Until when a request may be sent again while the answer is 429, and whether the pauses of
    /// RemoteBuilderTimings are made on the way.
    struct Patience {
        std::chrono::system_clock::time_point deadline;
        bool pauses = false;
    };
    /// Sends, and again while the answer is 429 as the timings allow; no wait goes beyond the deadline.
    [[nodiscard]] RuntimeApiAnswer send(const HttpRequest& request, const Patience& patience, const Run& run) const;

    /// The same; an answer that is no success is refused.
    [[nodiscard]] RuntimeApiAnswer ask(const HttpRequest& request, const std::string& what, const Patience& patience,
                                       const Run& run) const;
    /// The same for a question by itself: within the limit from now on, without pauses.
    [[nodiscard]] RuntimeApiAnswer ask(const HttpRequest& request, const std::string& what, const Run& run) const;

    /// Throws HttpError for an answer to `what` ("POST /build") that is no success.
    [[noreturn]] void refuse(const RuntimeApiAnswer& answer, const std::string& what) const;
    /// The answer's JSON object; Error{Unavailable} for anything else.
    [[nodiscard]] static json::Value document(const RuntimeApiAnswer& answer, const std::string& what);

    /// What the server says, fit for a message: one line of bounded length without the key and what looks like a
    /// secret.
    [[nodiscard]] std::string said(std::string_view text) const;
    /// The same for JSON: a string's text, anything else as it is written.
    [[nodiscard]] std::string said_value(const json::Value& value) const;
    /// Text of the server that goes on as a name: is_plain_name(), and the key is not in it.
    [[nodiscard]] bool is_name(std::string_view text) const;
    [[nodiscard]] std::string address() const { return base_.redacted(); }

private:
    [[nodiscard]] HttpRequest request(const std::string& method, const std::string& path) const;
    [[nodiscard]] RuntimeApiAnswer send_once(const HttpRequest& request, const Run& run) const;
    [[nodiscard]] std::string detail_of(std::string_view body) const;

    HttpClient& http_;
    Url base_;
    Secret key_;
    RemoteBuilderTimings timings_;
};

/// The server did not say what the API says it does.
Error strange_answer(const std::string& what, const std::string& problem);

/// Not empty, at most 1024 bytes, no control characters.
bool is_plain_name(std::string_view text);

}  // namespace cooper::build
