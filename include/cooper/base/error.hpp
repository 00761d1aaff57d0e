// The errors of cooper: one small hierarchy, keyed by what the caller can do next.
//
// Everything that fails throws `Error` or a subclass that carries data; expected absence is a value (`find_…`,
// `try_…`). `Cancelled` is deliberately not an `Error`, so that `catch (const Error&)` never swallows a stop request.
// Messages never hold secrets: URLs are redacted, `Secret` does not print. Thread-safe: exceptions are values.
#pragma once

#include <cstdint>
#include <exception>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

namespace cooper {

/// What kind of failure it is, named after what the caller does next.
enum class ErrorCode {
    InvalidInput,   ///< the caller's own input is wrong: fix it
    NotFound,       ///< what was asked for does not exist (or may not be seen)
    AccessDenied,   ///< credentials are missing, wrong or not sufficient
    Conflict,       ///< somebody else's state is in the way (a lost race, other bytes under the same name)
    Integrity,      ///< bytes are not what their digest, size or signature says
    Unavailable,    ///< the network or a service failed after all retries
    CommandFailed,  ///< a program that we ran failed
    Unsupported,    ///< understood, but cooper does not do it
    System,         ///< the operating system refused (disk full, permission, …)
};

/// The word for `code` in messages and JSON ("invalid-input", "not-found", …).
std::string_view to_string(ErrorCode code) noexcept;

/// The base of all errors. what() reads "outermost context: …: innermost message".
class Error : public std::runtime_error {
public:
    Error(ErrorCode code, const std::string& message);
    Error(const Error&) = default;
    Error& operator=(const Error&) = default;
    ~Error() override;

    [[nodiscard]] ErrorCode code() const noexcept { return code_; }

    /// The whole message with every context frame, outermost first.
    [[nodiscard]] const char* what() const noexcept override { return text_.c_str(); }

    /// What to try next, shown by the command on a line of its own; may be empty.
    [[nodiscard]] const std::string& advice() const noexcept { return advice_; }
    Error& advise(std::string advice);

    /// Puts `frame` ("pulling app:1.2") in front of the message.
    void add_context(std::string_view frame);

private:
    ErrorCode code_;
    std::string text_;
    std::string advice_;
};

/// Bytes that are not what was promised. `expected` and `actual` are digests or sizes in text form.
class IntegrityError : public Error {
public:
    IntegrityError(const std::string& what_was_checked, std::string expected, std::string actual);
    ~IntegrityError() override;
    [[nodiscard]] const std::string& expected() const noexcept { return expected_; }
    [[nodiscard]] const std::string& actual() const noexcept { return actual_; }

private:
    std::string expected_;
    std::string actual_;
};

/// A failed system call, with errno and its text. ENOENT is NotFound, EACCES and EPERM are AccessDenied, else System.
class SystemError : public Error {
public:
    SystemError(const std::string& action, int error_number);
    ~SystemError() override;
    [[nodiscard]] int error_number() const noexcept { return error_number_; }

private:
    int error_number_;
};

/// An answer of a server that is an error. Status is data here: the room above gives it its meaning by choosing `code`.
class HttpError : public Error {
public:
    /// `server_code` is the service's own word ("MANIFEST_UNKNOWN", "NoSuchKey"), empty when it gave none.
    HttpError(ErrorCode code, const std::string& message, int status, std::string server_code);
    ~HttpError() override;
    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] const std::string& server_code() const noexcept { return server_code_; }

private:
    int status_;
    std::string server_code_;
};

/// A stop was requested. Not an Error.
class Cancelled : public std::exception {
public:
    Cancelled() = default;
    Cancelled(const Cancelled&) = default;
    Cancelled& operator=(const Cancelled&) = default;
    ~Cancelled() override;
    [[nodiscard]] const char* what() const noexcept override { return "stopped on request"; }
};

/// Runs `body`; an Error that leaves it gets `frame` put in front of its message.
template <class F>
decltype(auto) in_context(std::string_view frame, F&& body) {
    try {
        return std::forward<F>(body)();
    } catch (Error& error) {
        error.add_context(frame);
        throw;
    }
}

}  // namespace cooper
