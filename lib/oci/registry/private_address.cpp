#include "oci/registry/private_address.hpp"

#include "base/http_address.hpp"

#include <netdb.h>
#include <sys/socket.h>

#include <memory>

namespace cooper::oci {

bool is_private_host(const std::string& host) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    addrinfo* found = nullptr;
    if (getaddrinfo(host.c_str(), nullptr, &hints, &found) != 0) {
        return false;
    }
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owner(found, freeaddrinfo);
    for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
        const auto address = IpAddress::of(*at->ai_addr);
        if (!address || address->is_public()) {
            return false;
        }
    }
    return true;
}

}  // namespace cooper::oci
