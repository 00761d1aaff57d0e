// What a registry's refusals mean.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::oci {

/// 408, 429 and 5xx: the same request may succeed later.
class BusyError final : public HttpError {
public:
    BusyError(const std::string& message, int status, std::string server_code,
              std::optional<std::chrono::milliseconds> retry_after);
    ~BusyError() override;
    [[nodiscard]] std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }

private:
    std::optional<std::chrono::milliseconds> retry_after_;
};

/// What the body of an error answer says, in the forms that services use: {"errors":[{"code","message"}]}, {"message"},
/// {"details"}, {"error","error_description"}, or plain text. HTML says nothing.
struct ServerWord {
    std::string code;
    std::string text;
};
ServerWord read_server_word(std::string_view body);

/// Throws the error that `response` (which is no success) means. `what` is what was asked for ("manifest ghcr.io/a:1"),
/// `server` who answered, `identity` as whom we asked ("anonymously", "with the credentials from …").
[[noreturn]] void throw_refusal(HttpResponse& response, const std::string& what, const std::string& server,
                                const std::string& identity, const Run& run);

/// The same for a token service. `origin` is where the credentials that were sent come from; empty: none were.
[[noreturn]] void throw_token_refusal(HttpResponse& response, const std::string& service, const std::string& repository,
                                      const std::string& origin, const Run& run);

}  // namespace cooper::oci
