// Exit codes: a workflow tells failures apart by them, so they never change their meaning (`cooper help exit-codes`).
#pragma once

#include "cooper/base/error.hpp"

#include <stdexcept>
#include <string>

namespace cooper::cli {

inline constexpr int kExitDone = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitDiffers = 1;  // cooper diff, as diff(1) has it
inline constexpr int kExitUsage = 2;
inline constexpr int kExitBuildFailed = 3;
inline constexpr int kExitIntegrity = 4;
inline constexpr int kExitNotReproducible = 5;
inline constexpr int kExitGateSaidNo = 6;
inline constexpr int kExitAccessDenied = 7;
inline constexpr int kExitUnavailable = 8;
inline constexpr int kExitLostRace = 9;
inline constexpr int kExitDifferentBytes = 10;
inline constexpr int kExitNoSpace = 11;
inline constexpr int kExitStoreDamaged = 11;  // in both cases the machine's disk wants looking after
inline constexpr int kExitGateBroke = 12;
inline constexpr int kExitUnknownLock = 13;
inline constexpr int kExitSignalBase = 128;  // + the signal's number: 130 SIGINT, 143 SIGTERM

/// The command line itself is wrong. Not an Error of the library: exit code 2.
class UsageError : public std::runtime_error {
public:
    explicit UsageError(const std::string& message, std::string advice = "")
        : std::runtime_error(message), advice_(std::move(advice)) {}
    [[nodiscard]] const std::string& advice() const noexcept { return advice_; }

private:
    std::string advice_;
};

int exit_code_of(const Error& error) noexcept;

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
