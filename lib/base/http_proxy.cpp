#include "base/http_proxy.hpp"

#include "cooper/base/text.hpp"

#include "base/http_address.hpp"

namespace cooper {

namespace {

std::string first_of(const Environment& environment, std::initializer_list<std::string_view> names) {
    for (const std::string_view name : names) {
        if (const auto value = environment.get(name)) {
            return std::string(trim(*value));
        }
    }
    return "";
}

/// "name:port" or "[v6]:port" in two; port 0 when there is none.
std::pair<std::string, std::uint64_t> divide_port(std::string_view entry) {
    if (entry.starts_with('[')) {
        const std::size_t bracket = std::min(entry.find(']'), entry.size());
        const std::string_view rest = entry.substr(std::min(bracket + 1, entry.size()));
        return {std::string(entry.substr(1, bracket - 1)),
                rest.starts_with(':') ? parse_uint(rest.substr(1)).value_or(0) : 0};
    }
    const std::size_t colon = entry.find(':');
    if (colon == std::string_view::npos || entry.find(':', colon + 1) != std::string_view::npos) {
        return {std::string(entry), 0};  // more than one colon: a bare IPv6 address
    }
    return {std::string(entry.substr(0, colon)), parse_uint(entry.substr(colon + 1)).value_or(0)};
}

bool entry_covers(std::string_view entry, const std::string& host, std::uint16_t port) {
    auto [name, wanted_port] = divide_port(entry);
    if (wanted_port != 0 && wanted_port != port) {
        return false;
    }
    name = to_lower(name);
    if (const auto block = AddressBlock::parse(name)) {
        const auto address = IpAddress::parse(host);
        return address && block->contains(*address);
    }
    if (name.starts_with("*.")) {
        name.erase(0, 1);
    }
    if (name.starts_with('.')) {
        name.erase(0, 1);
    }
    if (name.empty()) {
        return false;
    }
    return host == name || (host.size() > name.size() && host.ends_with(name) &&
                            host[host.size() - name.size() - 1] == '.' && !IpAddress::parse(host));
}

}  // namespace

HttpProxies::HttpProxies(const Environment& environment)
    : http_(first_of(environment, {"http_proxy", "all_proxy", "ALL_PROXY"})),
      https_(first_of(environment, {"https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"})),
      no_proxy_(first_of(environment, {"no_proxy", "NO_PROXY"})) {}

std::string HttpProxies::of(const Url& url) const {
    const std::string& proxy = url.scheme == "https" ? https_ : http_;
    if (proxy.empty() || url.is_loopback() || no_proxy_covers(no_proxy_, url.host, url.effective_port())) {
        return "";
    }
    return proxy;
}

bool no_proxy_covers(std::string_view list, const std::string& host, std::uint16_t port) {
    std::size_t at = 0;
    while (at < list.size()) {
        const std::size_t end = std::min(list.find_first_of(", \t", at), list.size());
        const std::string_view entry = list.substr(at, end - at);
        if (entry == "*" || (!entry.empty() && entry_covers(entry, host, port))) {
            return true;
        }
        at = end + 1;
    }
    return false;
}

std::string redacted_proxy(std::string_view proxy) {
    const std::size_t scheme = proxy.find("://");
    const std::size_t from = scheme == std::string_view::npos ? 0 : scheme + 3;
    const std::size_t at = proxy.rfind('@');
    if (at == std::string_view::npos || at < from) {
        return std::string(proxy);
    }
    return std::string(proxy.substr(0, from)) + std::string(proxy.substr(at + 1));
}

}  // namespace cooper
