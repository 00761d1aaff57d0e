#include "cooper/base/clock.hpp"

#include "cooper/base/environment.hpp"
#include "cooper/base/error.hpp"

#include <catch2/catch.hpp>

#include <thread>

using namespace cooper;
using namespace std::chrono_literals;

namespace {

TimePoint at(std::int64_t seconds) {
    return TimePoint(std::chrono::seconds(seconds));
}

}  // namespace

TEST_CASE("clock: times in the three written forms", "[unit][base]") {
    REQUIRE(format_rfc3339(at(1705396542)) == "2024-01-16T09:15:42Z");
    REQUIRE(format_changelog(at(1705396542)) == "2024-01-16 09:15:42Z");
    REQUIRE(format_amz(at(1705396542)) == "20240116T091542Z");
    REQUIRE(format_rfc3339(at(0)) == "1970-01-01T00:00:00Z");
    REQUIRE(format_rfc3339(at(-1)) == "1969-12-31T23:59:59Z");
}

TEST_CASE("clock: RFC 3339 with Z, offsets and fractions", "[unit][base]") {
    for (const char* text :
         {"2024-01-16T09:15:42Z", "2024-01-16t09:15:42z", "2024-01-16 09:15:42Z", "2024-01-16T09:15:42.999999999Z",
          "2024-01-16T10:15:42+01:00", "2024-01-16T03:45:42-05:30", "2024-01-16T09:15:42.5-00:00"}) {
        INFO(text);
        REQUIRE(parse_rfc3339(text) == at(1705396542));
    }
    REQUIRE(parse_rfc3339("2016-12-31T23:59:60Z") == at(1483228800));
    REQUIRE(parse_rfc3339("2024-02-29T00:00:00Z") == at(1709164800));
    for (const char* text :
         {"", "2024-01-16", "2024-01-16T09:15:42", "2024-1-16T09:15:42Z", "2023-02-29T00:00:00Z",
          "2024-13-01T00:00:00Z", "2024-00-10T00:00:00Z", "2024-01-16T24:00:00Z", "2024-01-16T09:60:00Z",
          "2024-01-16T09:15:61Z", "2024-01-16T09:15:42.Z", "2024-01-16T09:15:42+1:00", "2024-01-16T09:15:42+24:00",
          "2024-01-16T09:15:42Zx", " 2024-01-16T09:15:42Z", "2024-01-16T09:15:42+0100", "-024-01-16T09:15:42Z",
          "2024-01-16T09:15:42"}) {
        INFO(text);
        REQUIRE_FALSE(parse_rfc3339(text));
    }
}

TEST_CASE("clock: HTTP dates in all three forms of RFC 9110", "[unit][base]") {
    REQUIRE(parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT") == at(784111777));
    REQUIRE(parse_http_date("Sunday, 06-Nov-94 08:49:37 GMT") == at(784111777));
    REQUIRE(parse_http_date("Sun Nov  6 08:49:37 1994") == at(784111777));
    REQUIRE(parse_http_date("Wed Nov 16 08:49:37 1994") == at(784975777));
    REQUIRE(parse_http_date("Tuesday, 16-Jan-24 09:15:42 GMT") == at(1705396542));
    for (const char* text :
         {"", "Sun, 06 Nov 1994 08:49:37", "Sun, 06 Nov 1994 08:49:37 CET", "06 Nov 1994 08:49:37 GMT",
          "Sun, 31 Feb 1994 08:49:37 GMT", "Xyz, 06 Nov 1994 08:49:37 GMT", "120", "Sun, 06 Nov 1994 08:49:37 GMT "}) {
        INFO(text);
        REQUIRE_FALSE(parse_http_date(text));
    }
}

TEST_CASE("clock: durations are read with one unit", "[unit][base]") {
    REQUIRE(parse_duration("90s") == 90s);
    REQUIRE(parse_duration("15m") == 15min);
    REQUIRE(parse_duration("12h") == 12h);
    REQUIRE(parse_duration("7d") == 168h);
    REQUIRE(parse_duration("3600") == 1h);
    REQUIRE(parse_duration("0") == 0s);
    REQUIRE(parse_duration("36500d") == 876'000h);
    for (const char* text : {"", "s", "-1s", "1.5h", "1h30m", "1 h", "1w", "36501d", "18446744073709551615d", "12H"}) {
        INFO(text);
        REQUIRE_THROWS_AS(parse_duration(text), Error);
    }
}

TEST_CASE("clock: durations are written in their two largest units", "[unit][base]") {
    REQUIRE(format_duration(0s) == "0 s");
    REQUIRE(format_duration(45s) == "45 s");
    REQUIRE(format_duration(60s) == "1 min");
    REQUIRE(format_duration(303s) == "5 min 3 s");
    REQUIRE(format_duration(11h + 58min + 30s) == "11 h 58 min");
    REQUIRE(format_duration(12h) == "12 h");
    REQUIRE(format_duration(51h + 59min) == "2 d 3 h");
    REQUIRE(format_duration(24h + 59min) == "1 d");
    REQUIRE(format_duration(-5s) == "-5 s");
}

TEST_CASE("clock: waiting ends at once when a stop is requested", "[unit][base]") {
    std::stop_source stop;
    const std::jthread stopper([&] { stop.request_stop(); });
    REQUIRE_THROWS_AS(system_clock().sleep_for(1h, stop.get_token()), Cancelled);
    REQUIRE_THROWS_AS(system_clock().sleep_for(1h, stop.get_token()), Cancelled);
    system_clock().sleep_for(1ms, {});
}

TEST_CASE("environment: empty variables count as unset", "[unit][base]") {
    const Environment environment({{"A", "x"}, {"B", ""}, {"HOME", "/home/me"}});
    REQUIRE(environment.get("A") == "x");
    REQUIRE_FALSE(environment.get("B"));
    REQUIRE_FALSE(environment.get("C"));
    REQUIRE(environment.home() == "/home/me");
    REQUIRE(Environment({}).home().starts_with("/"));
    REQUIRE(Environment::process().get("PATH"));
}
