#include "oci/registry/private_address.hpp"

#include "base/http_address.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

namespace cooper::oci {

namespace {

/// Empty when it is not known; nullopt among them is an address of another family.
std::vector<std::optional<IpAddress>> addresses_of(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
        return {};
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
    std::vector<std::optional<IpAddress>> addresses;
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        addresses.push_back(IpAddress::of(*at->ai_addr));
    }
    return addresses;
}

}  // namespace

bool is_private_host(const std::string& host) {
    const auto addresses = addresses_of(host);
    return !addresses.empty() && std::all_of(addresses.begin(), addresses.end(),
                                             [](const auto& address) { return address && !address->is_public(); });
}

bool is_link_local_host(const std::string& host) {
    const auto addresses = addresses_of(host);
    return std::any_of(addresses.begin(), addresses.end(), [](const auto& address) {
        return address && (AddressBlock::parse("169.254.0.0/16")->contains(*address) ||
                           AddressBlock::parse("fe80::/10")->contains(*address) ||
                           AddressBlock::parse("fd00:ec2::/32")->contains(*address));
    });
}

}  // namespace cooper::oci
