// Time, as a seam: what asks for the time or waits takes a Clock, so tests need no sleep.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

namespace cooper {

using TimePoint = std::chrono::sys_seconds;  // UTC, whole seconds

class Clock {
public:
    virtual ~Clock() = default;
    [[nodiscard]] virtual std::chrono::system_clock::time_point now() const = 0;
    /// Waits, or throws Cancelled as soon as a stop is requested. From any thread.
    virtual void sleep_for(std::chrono::milliseconds duration, std::stop_token stop) = 0;

    [[nodiscard]] TimePoint now_seconds() const { return std::chrono::floor<std::chrono::seconds>(now()); }
};

/// The real one; lives as long as the program.
Clock& system_clock();

std::string format_rfc3339(TimePoint time);    ///< "2024-01-16T09:15:42Z"
std::string format_changelog(TimePoint time);  ///< "2024-01-16 09:15:42Z"
std::string format_amz(TimePoint time);        ///< "20240116T091542Z"
/// RFC 3339 with Z or an offset, fraction cut off; nullopt when it is no time.
std::optional<TimePoint> parse_rfc3339(std::string_view text);
/// RFC 9110 section 5.6.7 (all three forms); nullopt when it is no time.
std::optional<TimePoint> parse_http_date(std::string_view text);
/// "90s", "15m", "12h", "7d", or plain seconds; throws Error{InvalidInput}.
std::chrono::seconds parse_duration(std::string_view text);
/// "11 h 58 min", "2 d 3 h", "45 s".
std::string format_duration(std::chrono::seconds duration);

}  // namespace cooper
