// Which proxy a request goes through, by the variables that the ecosystem shares.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/http.hpp"

#include <string>
#include <string_view>

namespace cooper {

/// HTTPS_PROXY, HTTP_PROXY (lower case only: a CGI program's client could set the other), ALL_PROXY and NO_PROXY as
/// they were when this was made. Thread-safe.
class HttpProxies {
public:
    explicit HttpProxies(const Environment& environment);
    /// The proxy's URL, which may hold credentials; empty: none. Loopback never has one.
    [[nodiscard]] std::string of(const Url& url) const;

private:
    std::string http_;
    std::string https_;
    std::string no_proxy_;
};

/// Whether NO_PROXY's `list` covers `host`: names with their subdomains, addresses, CIDR blocks, "*"; each may have a
/// port. Divided by commas or blanks.
bool no_proxy_covers(std::string_view list, const std::string& host, std::uint16_t port);

/// For messages: without user and password.
std::string redacted_proxy(std::string_view proxy);

}  // namespace cooper
