#include "build/sandbox/network_files.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build::sandbox {

namespace {

constexpr std::size_t kMaxResolvConf = 1UL << 20U;

void check_word(std::string_view word, std::string_view what) {
    const bool bad = word.empty() || std::any_of(word.begin(), word.end(), [](char c) {
                         const auto byte = static_cast<unsigned char>(c);
                         return byte <= ' ' || byte == 0x7f || c == '#';
                     });
    if (bad) {
        throw Error(ErrorCode::InvalidInput,
                    "'" + oci::printable(word) + "' cannot be the " + std::string(what) + " of a line of /etc/hosts");
    }
}

}  // namespace

std::string hosts_file(const SandboxCommand& command) {
    std::string text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";
    if (!command.hostname.empty()) {
        check_word(command.hostname, "name");
        text += "127.0.0.1\t" + command.hostname + "\n";
    }
    for (const auto& [name, address] : command.extra_hosts) {
        check_word(name, "name");
        check_word(address, "address");
        text.append(address).append("\t").append(name).append("\n");
    }
    return text;
}

std::string resolv_conf_file() {
    return find_file("/etc/resolv.conf", kMaxResolvConf).value_or("");
}

}  // namespace cooper::build::sandbox
