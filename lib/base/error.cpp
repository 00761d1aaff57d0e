#include "cooper/base/error.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

namespace cooper {

std::string_view to_string(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::InvalidInput:
            return "invalid-input";
        case ErrorCode::NotFound:
            return "not-found";
        case ErrorCode::AccessDenied:
            return "access-denied";
        case ErrorCode::Conflict:
            return "conflict";
        case ErrorCode::Integrity:
            return "integrity";
        case ErrorCode::Unavailable:
            return "unavailable";
        case ErrorCode::CommandFailed:
            return "command-failed";
        case ErrorCode::Unsupported:
            return "unsupported";
        case ErrorCode::System:
            return "system";
    }
    return "unknown";
}

Error::Error(ErrorCode code, const std::string& message) : std::runtime_error(message), code_(code), text_(message) {}
Error::~Error() = default;

Error& Error::advise(std::string advice) {
    advice_ = std::move(advice);
    return *this;
}

void Error::add_context(std::string_view frame) {
    text_ = std::string(frame) + ": " + text_;
}

IntegrityError::IntegrityError(const std::string& what_was_checked, std::string expected, std::string actual)
    : Error(ErrorCode::Integrity, what_was_checked + ": expected " + expected + ", got " + actual),
      expected_(std::move(expected)),
      actual_(std::move(actual)) {}
IntegrityError::~IntegrityError() = default;

namespace {

ErrorCode code_of(int error_number) {
    switch (error_number) {
        case ENOENT:
            return ErrorCode::NotFound;
        case EACCES:
        case EPERM:
            return ErrorCode::AccessDenied;
        default:
            return ErrorCode::System;
    }
}

}  // namespace

SystemError::SystemError(const std::string& action, int error_number)
    : Error(code_of(error_number), action + ": " + std::generic_category().message(error_number)),
      error_number_(error_number) {}
SystemError::~SystemError() = default;

HttpError::HttpError(ErrorCode code, const std::string& message, int status, std::string server_code)
    : Error(code, message), status_(status), server_code_(std::move(server_code)) {}
HttpError::~HttpError() = default;

Cancelled::~Cancelled() = default;

}  // namespace cooper
