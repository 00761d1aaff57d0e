#include "cooper/base/error.hpp"
#include "cooper/base/http.hpp"
#include "cooper/base/text.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>

namespace cooper {

namespace {

constexpr std::size_t kMaxUrl = 64 * 1024;  // presigned URLs with session tokens reach 4 KiB; servers stop at 8 to 64
constexpr std::size_t kMaxHost = 253;       // RFC 1035 section 2.3.4, in text form
constexpr std::string_view kEllipsis = "\xe2\x80\xa6";

/// "scheme://…/p?…" without user information, query and fragment, short enough for a message.
std::string shown(std::string_view text) {
    constexpr std::size_t kMaxShown = 200;
    std::string start(text.substr(0, text.find_first_of("?#")));
    const std::size_t authority = start.find("://");
    if (authority != std::string::npos) {
        const std::size_t from = authority + 3;
        const std::size_t at = start.rfind('@', start.find('/', from));
        if (at != std::string::npos && at >= from) {
            start.erase(from, at + 1 - from);
        }
    }
    std::replace_if(
        start.begin(), start.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    const bool cut = start.size() != text.size() && text.find_first_of("?#") != std::string_view::npos;
    if (start.size() > kMaxShown) {
        start = start.substr(0, kMaxShown) + std::string(kEllipsis);
    }
    return cut ? start + "?" + std::string(kEllipsis) : start;
}

[[noreturn]] void refuse(std::string_view text, const std::string& why) {
    throw Error(ErrorCode::InvalidInput, "URL '" + shown(text) + "' " + why);
}

bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_ipv6(const std::string& host) {
    in6_addr address{};
    return inet_pton(AF_INET6, host.c_str(), &address) == 1;
}

/// Only what a request line and a host may hold; blanks and controls would end a field, a backslash is "/" to some.
void check_characters(std::string_view text) {
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte <= 0x20 || byte == 0x7f || c == '\\' || c == '"' || c == '<' || c == '>') {
            refuse(text, "has a character that must be percent-encoded");
        }
    }
}

void parse_host(std::string_view whole, std::string_view host, Url& url) {
    url.host = to_lower(host);
    if (host.starts_with('[')) {
        url.host = url.host.substr(1, url.host.size() - 2);
        if (!is_ipv6(url.host)) {
            refuse(whole, "has no valid IPv6 address between the brackets");
        }
        return;
    }
    if (url.host.empty()) {
        refuse(whole, "has no host");
    }
    if (url.host.size() > kMaxHost || !std::all_of(url.host.begin(), url.host.end(), is_name_character)) {
        refuse(whole, "has an invalid host (write international names in their xn-- form)");
    }
}

void parse_authority(std::string_view whole, std::string_view authority, Url& url) {
    if (authority.find('@') != std::string_view::npos) {
        refuse(whole, "has user information, which is not sent: give credentials by a login or a profile");
    }
    std::size_t host_end = authority.find(':');
    if (authority.starts_with('[')) {
        const std::size_t bracket = authority.find(']');
        if (bracket == std::string_view::npos) {
            refuse(whole, "has no valid IPv6 address between the brackets");
        }
        host_end = bracket + 1 == authority.size() ? std::string_view::npos : bracket + 1;
    }
    parse_host(whole, authority.substr(0, host_end), url);
    if (host_end == std::string_view::npos) {
        return;
    }
    const std::string_view port = authority.substr(host_end + 1);
    if (authority[host_end] != ':') {
        refuse(whole, "has an invalid host");
    }
    if (port.empty()) {
        return;  // RFC 3986 section 3.2.3: an empty port is the default one
    }
    const auto number = parse_uint(port);
    if (!number || *number == 0 || *number > 65535) {
        refuse(whole, "has an invalid port");
    }
    url.port = static_cast<std::uint16_t>(*number);
}

/// Takes "/path?query"; an empty path becomes "/".
void set_target(std::string_view target, Url& url) {
    const std::size_t mark = target.find('?');
    url.path = std::string(target.substr(0, mark));
    url.query = mark == std::string_view::npos ? "" : std::string(target.substr(mark + 1));
    if (url.path.empty()) {
        url.path = "/";
    }
}

}  // namespace

Url Url::parse(std::string_view text) {
    if (text.size() > kMaxUrl) {
        refuse(text, "is longer than " + std::to_string(kMaxUrl) + " bytes");
    }
    check_characters(text);
    const std::size_t colon = text.find("://");
    Url url;
    url.scheme = colon == std::string_view::npos ? "" : to_lower(text.substr(0, colon));
    if (url.scheme != "http" && url.scheme != "https") {
        refuse(text, "does not begin with http:// or https://");
    }
    if (text.find('#') != std::string_view::npos) {
        refuse(text, "has a fragment (#), which no server would see");
    }
    const std::string_view rest = text.substr(colon + 3);
    const std::size_t target = std::min(rest.find_first_of("/?"), rest.size());
    parse_authority(text, rest.substr(0, target), url);
    set_target(rest.substr(target), url);
    return url;
}

Url Url::resolve(std::string_view reference) const {
    // A fragment in a Location is for browsers (RFC 9110 section 10.2.2); it names nothing here.
    reference = reference.substr(0, reference.find('#'));
    const std::size_t colon = reference.find(':');
    if (colon != std::string_view::npos && colon < reference.find_first_of("/?")) {
        return parse(reference);  // has a scheme of its own
    }
    if (reference.starts_with("//")) {
        return parse(scheme + ":" + std::string(reference));
    }
    std::string target(reference);
    if (reference.empty() || reference.starts_with('?')) {
        target = path + (reference.empty() && !query.empty() ? "?" + query : target);
    } else if (!reference.starts_with('/')) {
        target = path.substr(0, path.rfind('/') + 1) + target;
    }
    return parse(scheme + "://" + authority() + target);
}

std::string Url::text() const {
    return scheme + "://" + authority() + path + (query.empty() ? "" : "?" + query);
}

std::string Url::redacted() const {
    return scheme + "://" + authority() + path + (query.empty() ? "" : "?" + std::string(kEllipsis));
}

std::string Url::authority() const {
    const std::string name = host.find(':') == std::string::npos ? host : "[" + host + "]";
    return port && *port != (scheme == "https" ? 443 : 80) ? name + ":" + std::to_string(*port) : name;
}

std::uint16_t Url::effective_port() const noexcept {
    return port.value_or(static_cast<std::uint16_t>(scheme == "https" ? 443 : 80));
}

bool Url::same_origin(const Url& other) const noexcept {
    return scheme == other.scheme && host == other.host && effective_port() == other.effective_port();
}

bool Url::is_loopback() const noexcept {
    if (host == "localhost" || host.ends_with(".localhost")) {
        return true;
    }
    in_addr v4{};
    if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
        return ntohl(v4.s_addr) >> 24 == 127;
    }
    in6_addr v6{};
    return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

}  // namespace cooper
