// Which hosts are inside a private network.
#pragma once

#include <string>

namespace cooper::oci {

/// True when `host` (a name or address literal) has addresses and none of them is public. Asks the resolver for names.
bool is_private_host(const std::string& host);

/// True when one of the host's addresses is link-local: there clouds answer with the machine's own credentials.
bool is_link_local_host(const std::string& host);

}  // namespace cooper::oci
