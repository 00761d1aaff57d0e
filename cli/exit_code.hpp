// Exit codes: a workflow tells failures apart by them, so they never change their meaning (`cooper help exit-codes`).
#pragma once

#include "cooper/base/error.hpp"

#include <stdexcept>
#include <string>

namespace cooper::cli {

enum ExitCode : int {
    kExitDone = 0,
    kExitFailure = 1,
    kExitUsage = 2,
    kExitIntegrity = 4,
    kExitAccessDenied = 7,
    kExitUnavailable = 8,
    kExitLostRace = 9,
    kExitDifferentBytes = 10,
    kExitNoSpace = 11,
    kExitSignalBase = 128,  // + the signal's number: 130 SIGINT, 143 SIGTERM
};

/// The command line itself is wrong. Not an Error of the library: exit code 2.
class UsageError : public std::runtime_error {
public:
    explicit UsageError(const std::string& message, std::string advice = "")
        : std::runtime_error(message), advice_(std::move(advice)) {}
    [[nodiscard]] const std::string& advice() const noexcept { return advice_; }

private:
    std::string advice_;
};

ExitCode exit_code_of(const Error& error) noexcept;

/// Runs `body` on something that the user typed as `subject`: the library's InvalidInput is then a mistake in the
/// command line.
template <class F>
decltype(auto) as_usage(std::string_view subject, F&& body) {
    try {
        return std::forward<F>(body)();
    } catch (const Error& error) {
        if (error.code() != ErrorCode::InvalidInput) {
            throw;
        }
        throw UsageError(std::string(subject) + (subject.empty() ? "" : ": ") + error.what(), error.advice());
    }
}

}  // namespace cooper::cli
