#include "cooper/base/clock.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <array>
#include <condition_variable>
#include <cstdio>
#include <mutex>

namespace cooper {

namespace {

using std::chrono::days;
using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

class RealClock final : public Clock {
public:
    [[nodiscard]] std::chrono::system_clock::time_point now() const override {
        return std::chrono::system_clock::now();
    }

    void sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override {
        std::mutex mutex;
        std::condition_variable_any woken;
        std::unique_lock lock(mutex);
        woken.wait_for(lock, stop, duration, [] { return false; });
        if (stop.stop_requested()) {
            throw Cancelled();
        }
    }
};

struct CivilTime {
    int year = 0;
    unsigned month = 0;
    unsigned day = 0;
    unsigned hour = 0;
    unsigned minute = 0;
    unsigned second = 0;
};

CivilTime civil(TimePoint time) {
    const auto day = std::chrono::floor<days>(time);
    const std::chrono::year_month_day date(day);
    const std::chrono::hh_mm_ss clock(time - day);
    return {static_cast<int>(date.year()),
            static_cast<unsigned>(date.month()),
            static_cast<unsigned>(date.day()),
            static_cast<unsigned>(clock.hours().count()),
            static_cast<unsigned>(clock.minutes().count()),
            static_cast<unsigned>(clock.seconds().count())};
}

std::optional<TimePoint> time_of(const CivilTime& c) {
    const std::chrono::year_month_day date(std::chrono::year(c.year), std::chrono::month(c.month),
                                           std::chrono::day(c.day));
    if (!date.ok() || c.hour > 23 || c.minute > 59 || c.second > 60) {  // 60: a leap second
        return std::nullopt;
    }
    return std::chrono::sys_days(date) + hours(c.hour) + minutes(c.minute) + seconds(c.second);
}

std::string format(TimePoint time, const char* pattern) {
    const CivilTime c = civil(time);
    std::array<char, 64> text{};
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    const int length =
        std::snprintf(text.data(), text.size(), pattern, c.year, c.month, c.day, c.hour, c.minute, c.second);
#pragma GCC diagnostic pop
    return {text.data(), static_cast<std::size_t>(length)};
}

/// Reads fixed-width fields from the front of a text; the first that does not match makes all that follow fail.
class FieldReader {
public:
    explicit FieldReader(std::string_view text) : rest_(text) {}

    unsigned digits(std::size_t count) {
        const auto value = rest_.size() < count ? std::nullopt : parse_uint(rest_.substr(0, count));
        if (!value) {
            fail();
            return 0;
        }
        rest_.remove_prefix(count);
        return static_cast<unsigned>(*value);
    }

    void literal(std::string_view expected) {
        if (!rest_.starts_with(expected)) {
            return fail();
        }
        rest_.remove_prefix(expected.size());
    }

    /// The index of the name that comes next.
    template <std::size_t N>
    unsigned one_of(const std::array<std::string_view, N>& names) {
        for (std::size_t i = 0; i < N; ++i) {
            if (rest_.starts_with(names[i])) {
                rest_.remove_prefix(names[i].size());
                return static_cast<unsigned>(i);
            }
        }
        fail();
        return 0;
    }

    bool accept(char c) {
        if (rest_.empty() || rest_.front() != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    void time_of_day(CivilTime& time) {
        time.hour = digits(2);
        literal(":");
        time.minute = digits(2);
        literal(":");
        time.second = digits(2);
    }

    void skip_digits() {
        const std::size_t end = rest_.find_first_not_of("0123456789");
        if (end == 0 || rest_.empty()) {
            return fail();
        }
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
    }

    [[nodiscard]] bool complete() const { return good_ && rest_.empty(); }

private:
    void fail() {
        good_ = false;
        rest_ = {};
    }

    std::string_view rest_;
    bool good_ = true;
};

constexpr std::array<std::string_view, 12> kMonths = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
constexpr std::array<std::string_view, 7> kShortDays = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
constexpr std::array<std::string_view, 7> kLongDays = {"Monday", "Tuesday",  "Wednesday", "Thursday",
                                                       "Friday", "Saturday", "Sunday"};

std::optional<TimePoint> parse_imf_fixdate(std::string_view text) {
    FieldReader reader(text);
    CivilTime time;
    reader.one_of(kShortDays);
    reader.literal(", ");
    time.day = reader.digits(2);
    reader.literal(" ");
    time.month = reader.one_of(kMonths) + 1;
    reader.literal(" ");
    time.year = static_cast<int>(reader.digits(4));
    reader.literal(" ");
    reader.time_of_day(time);
    reader.literal(" GMT");
    return reader.complete() ? time_of(time) : std::nullopt;
}

std::optional<TimePoint> parse_rfc850_date(std::string_view text) {
    FieldReader reader(text);
    CivilTime time;
    reader.one_of(kLongDays);
    reader.literal(", ");
    time.day = reader.digits(2);
    reader.literal("-");
    time.month = reader.one_of(kMonths) + 1;
    reader.literal("-");
    const int year = static_cast<int>(reader.digits(2));
    time.year = year < 70 ? 2000 + year : 1900 + year;  // fixed, as in POSIX strptime, so that it needs no clock
    reader.literal(" ");
    reader.time_of_day(time);
    reader.literal(" GMT");
    return reader.complete() ? time_of(time) : std::nullopt;
}

std::optional<TimePoint> parse_asctime_date(std::string_view text) {
    FieldReader reader(text);
    CivilTime time;
    reader.one_of(kShortDays);
    reader.literal(" ");
    time.month = reader.one_of(kMonths) + 1;
    reader.literal(" ");
    time.day = reader.accept(' ') ? reader.digits(1) : reader.digits(2);
    reader.literal(" ");
    reader.time_of_day(time);
    reader.literal(" ");
    time.year = static_cast<int>(reader.digits(4));
    return reader.complete() ? time_of(time) : std::nullopt;
}

struct DurationUnit {
    std::string_view suffix;
    std::string_view word;
    std::uint64_t length;
};
constexpr std::array<DurationUnit, 4> kUnits = {
    {{"d", " d", 86'400}, {"h", " h", 3'600}, {"m", " min", 60}, {"s", " s", 1}}};

}  // namespace

Clock& system_clock() {
    static RealClock clock;
    return clock;
}

std::string format_rfc3339(TimePoint time) {
    return format(time, "%04d-%02u-%02uT%02u:%02u:%02uZ");
}
std::string format_changelog(TimePoint time) {
    return format(time, "%04d-%02u-%02u %02u:%02u:%02uZ");
}
std::string format_amz(TimePoint time) {
    return format(time, "%04d%02u%02uT%02u%02u%02uZ");
}

std::optional<TimePoint> parse_rfc3339(std::string_view text) {
    FieldReader reader(text);
    CivilTime time;
    time.year = static_cast<int>(reader.digits(4));
    reader.literal("-");
    time.month = reader.digits(2);
    reader.literal("-");
    time.day = reader.digits(2);
    if (!reader.accept('t') && !reader.accept(' ')) {  // RFC 3339 section 5.6 allows both
        reader.literal("T");
    }
    reader.time_of_day(time);
    if (reader.accept('.')) {
        reader.skip_digits();
    }
    minutes offset{0};
    if (!reader.accept('Z') && !reader.accept('z')) {
        const bool behind = reader.accept('-');
        if (!behind) {
            reader.literal("+");
        }
        const unsigned offset_hours = reader.digits(2);
        reader.literal(":");
        const unsigned offset_minutes = reader.digits(2);
        if (offset_hours > 23 || offset_minutes > 59) {
            return std::nullopt;
        }
        offset = (hours(offset_hours) + minutes(offset_minutes)) * (behind ? -1 : 1);
    }
    const auto local = reader.complete() ? time_of(time) : std::nullopt;
    return local ? std::optional<TimePoint>(*local - offset) : std::nullopt;
}

std::optional<TimePoint> parse_http_date(std::string_view text) {
    if (const auto time = parse_imf_fixdate(text)) {
        return time;
    }
    if (const auto time = parse_rfc850_date(text)) {
        return time;
    }
    return parse_asctime_date(text);
}

seconds parse_duration(std::string_view text) {
    constexpr std::uint64_t kMaxSeconds = 36'500ULL * 86'400;  // a hundred years: keeps sums with a TimePoint in range
    std::uint64_t unit = 1;
    std::string_view number = text;
    for (const DurationUnit& candidate : kUnits) {
        if (text.ends_with(candidate.suffix)) {
            unit = candidate.length;
            number.remove_suffix(1);
            break;
        }
    }
    const auto count = parse_uint(number);
    if (!count) {
        throw Error(ErrorCode::InvalidInput,
                    "'" + std::string(text.substr(0, 100)) + "' is not a duration: write 90s, 15m, 12h or 7d");
    }
    if (*count > kMaxSeconds / unit) {
        throw Error(ErrorCode::InvalidInput, "duration '" + std::string(text) + "' is longer than 36500d");
    }
    return seconds(*count * unit);
}

std::string format_duration(seconds duration) {
    if (duration < seconds(0)) {
        return "-" + format_duration(-duration);
    }
    auto rest = static_cast<std::uint64_t>(duration.count());
    for (std::size_t i = 0; i + 1 < kUnits.size(); ++i) {
        if (rest < kUnits[i].length) {
            continue;
        }
        std::string text = std::to_string(rest / kUnits[i].length) + std::string(kUnits[i].word);
        const std::uint64_t smaller = rest % kUnits[i].length / kUnits[i + 1].length;
        if (smaller != 0) {
            text += " " + std::to_string(smaller) + std::string(kUnits[i + 1].word);
        }
        return text;
    }
    return std::to_string(rest) + " s";
}

}  // namespace cooper
