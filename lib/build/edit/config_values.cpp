#include "build/edit/config_values.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/edit.hpp"

#include "oci/printable.hpp"

#include <arpa/inet.h>

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "'" + oci::printable(text) + "' " + why);
}

struct PortRange {
    std::uint64_t first = 0;
    std::uint64_t last = 0;
};

PortRange port_range(std::string_view range, std::string_view whole) {
    const auto number = [&](std::string_view digits) {
        constexpr std::uint64_t kLastPort = 65535;
        const auto port = parse_uint(digits.starts_with('+') ? digits.substr(1) : digits);
        if (!port || *port > kLastPort) {
            refuse(whole, "is no port (80, 80/udp, 8000-8010/tcp)");
        }
        return *port;
    };
    const auto dash = range.find('-');
    const PortRange ports{number(range.substr(0, dash)),
                          number(dash == std::string_view::npos ? range : range.substr(dash + 1))};
    if (ports.first > ports.last) {
        refuse(whole, "is no range of ports: its end is before its beginning");
    }
    return ports;
}

void check_address(std::string_view address, std::string_view whole) {
    if (address.starts_with('[') && address.ends_with(']')) {
        address = address.substr(1, address.size() - 2);
    }
    in6_addr unused{};
    const std::string text(address);
    if (!text.empty() && inet_pton(AF_INET, text.c_str(), &unused) != 1 &&
        inet_pton(AF_INET6, text.c_str(), &unused) != 1) {
        refuse(whole, "is no port: what stands before it is no address");
    }
}

/// The container's part of "[ADDRESS:][HOST:]CONTAINER".
std::string_view container_part(std::string_view text) {
    const auto colon = text.rfind(':');
    if (colon == std::string_view::npos) {
        return text;
    }
    const auto container = text.substr(colon + 1);
    auto host = text.substr(0, colon);
    if (const auto before = host.rfind(':'); before != std::string_view::npos) {
        check_address(host.substr(0, before), text);
        host = host.substr(before + 1);
    }
    if (!host.empty() && !container.empty()) {
        const auto outside = port_range(host, text), inside = port_range(container, text);
        if (inside.first != inside.last && outside.last - outside.first != inside.last - inside.first) {
            refuse(text, "has two ranges of ports of different length");
        }
    }
    return container;
}

struct DurationUnit {
    std::string_view name;
    std::uint64_t nanoseconds;
};
constexpr std::array<DurationUnit, 8> kUnits{{
    {"ns", 1},
    {"us", 1'000},
    {"\xc2\xb5s", 1'000},  // micro sign
    {"\xce\xbcs", 1'000},  // mu
    {"ms", 1'000'000},
    {"s", 1'000'000'000},
    {"m", 60'000'000'000},
    {"h", 3'600'000'000'000},
}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/// Takes "1.5s" and the like from the front of `rest`.
class DurationPart {
public:
    DurationPart(std::string_view& rest, std::string_view whole) : whole_(whole) {
        const auto digits = take(rest, is_digit);
        std::string_view fraction;
        if (rest.starts_with('.')) {
            rest.remove_prefix(1);
            fraction = take(rest, is_digit);
        }
        const auto unit_name = take(rest, [](char c) { return c != '.' && !is_digit(c); });
        const auto* const unit = std::find_if(kUnits.begin(), kUnits.end(),
                                              [&](const DurationUnit& each) { return each.name == unit_name; });
        if ((digits.empty() && fraction.empty()) || unit == kUnits.end()) {
            fail();
        }
        const auto number = parse_uint(digits.empty() ? "0" : digits);
        if (!number || *number > kMax / unit->nanoseconds) {
            fail();
        }
        nanoseconds_ = *number * unit->nanoseconds + part_of(fraction, unit->nanoseconds);
    }
    [[nodiscard]] std::uint64_t nanoseconds() const { return nanoseconds_; }

    [[noreturn]] void fail() const { refuse(whole_, "is no duration (30s, 1m30s, 500ms)"); }

    static constexpr std::uint64_t kMax = INT64_MAX;

private:
    template <class Wanted>
    static std::string_view take(std::string_view& rest, Wanted wanted) {
        const auto end = std::find_if_not(rest.begin(), rest.end(), wanted);
        const auto taken = rest.substr(0, static_cast<std::size_t>(end - rest.begin()));
        rest.remove_prefix(taken.size());
        return taken;
    }

    /// Digits beyond a nanosecond are cut.
    static std::uint64_t part_of(std::string_view fraction, std::uint64_t unit) {
        std::uint64_t sum = 0;
        for (const char digit : fraction) {
            const auto value = static_cast<std::uint64_t>(digit - '0');
            sum += value * unit / 10;
            unit /= 10;
        }
        return sum;
    }

    std::string_view whole_;
    std::uint64_t nanoseconds_ = 0;
};

constexpr std::array<std::string_view, 36> kSignals{
    "ABRT", "ALRM", "BUS",  "CHLD", "CLD",  "CONT", "FPE",    "HUP",   "ILL",    "INT",  "IO",    "IOT",
    "KILL", "PIPE", "POLL", "PROF", "PWR",  "QUIT", "SEGV",   "STOP",  "STKFLT", "SYS",  "TERM",  "TRAP",
    "TSTP", "TTIN", "TTOU", "URG",  "USR1", "USR2", "VTALRM", "WINCH", "XCPU",   "XFSZ", "RTMIN", "RTMAX"};

/// "RTMIN+3", "RTMAX-14".
bool is_real_time_signal(std::string_view name) {
    constexpr std::size_t kPrefix = 6;
    const auto number = name.size() > kPrefix ? parse_uint(name.substr(kPrefix)) : std::nullopt;
    return number && *number > 0 &&
           ((name.starts_with("RTMIN+") && *number <= 15) || (name.starts_with("RTMAX-") && *number <= 14));
}

}  // namespace

std::vector<std::string> parse_ports(std::string_view text) {
    const auto slash = text.find('/');
    auto protocol = slash == std::string_view::npos ? "" : to_lower(text.substr(slash + 1));
    if (protocol.empty()) {
        protocol = "tcp";
    }
    if (protocol != "tcp" && protocol != "udp" && protocol != "sctp") {
        refuse(text, "is no port: its protocol is neither tcp, udp nor sctp");
    }
    const auto range = port_range(container_part(text.substr(0, slash)), text);
    std::vector<std::string> ports;
    for (auto port = range.first; port <= range.last; ++port) {
        ports.push_back(std::to_string(port) + "/" + protocol);
    }
    return ports;
}

std::chrono::nanoseconds parse_go_duration(std::string_view text) {
    auto rest = text;
    const bool negative = rest.starts_with('-');
    if (negative || rest.starts_with('+')) {
        rest.remove_prefix(1);
    }
    if (rest == "0") {
        return std::chrono::nanoseconds(0);
    }
    std::uint64_t sum = 0;
    do {
        const DurationPart part(rest, text);
        sum += part.nanoseconds();
        if (sum > DurationPart::kMax) {
            part.fail();
        }
    } while (!rest.empty());
    const auto count = static_cast<std::int64_t>(sum);
    return std::chrono::nanoseconds(negative ? -count : count);
}

void check_signal(std::string_view text) {
    constexpr std::uint64_t kLastSignal = 64;
    if (const auto number = parse_uint(text)) {
        if (*number == 0 || *number > kLastSignal) {
            refuse(text, "is no signal: they are numbered 1 to 64");
        }
        return;
    }
    std::string name(text);
    std::transform(name.begin(), name.end(), name.begin(),
                   [](char c) { return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c; });
    const auto plain = std::string_view(name).substr(name.starts_with("SIG") ? 3 : 0);
    if (std::find(kSignals.begin(), kSignals.end(), plain) == kSignals.end() && !is_real_time_signal(plain)) {
        refuse(text, "is no signal (SIGTERM, TERM, 15, RTMIN+3)");
    }
}

}  // namespace cooper::build
