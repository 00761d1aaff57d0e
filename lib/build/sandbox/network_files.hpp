// /etc/hosts and /etc/resolv.conf as a command sees them (private).
#pragma once

#include "cooper/build/sandbox.hpp"

#include <string>

namespace cooper::build::sandbox {

/// What Docker writes: localhost, the host's name, the extra hosts in their order. Throws Error{InvalidInput} for
/// names or addresses that would make lines of their own.
std::string hosts_file(const SandboxCommand& command);

/// The machine's own, loopback servers and all, since the network is the machine's own too (or none); empty when it has
/// no such file.
std::string resolv_conf_file();

}  // namespace cooper::build::sandbox
