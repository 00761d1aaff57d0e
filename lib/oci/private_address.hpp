// Which hosts are inside a private network.
#pragma once

#include <string>

namespace cooper::oci {

/// True when `host` (a name or address literal) has addresses and all of them are loopback, private or link-local
/// (RFC 1918, 3927, 4193, 4291). Asks the resolver for names.
bool is_private_host(const std::string& host);

}  // namespace cooper::oci
