// Runs a command in a sandbox as the options say; `sandbox_client modes DIRECTORY` tells which modes work.
#include "cooper/base/error.hpp"
#include "cooper/build/sandbox.hpp"

#include <unistd.h>

#include <cstdio>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace {

using cooper::build::SandboxMount;

struct ClientOptions {
    std::optional<cooper::build::Isolation> isolation;
    std::string user;
    cooper::build::SandboxCommand command;
};

/// "A=B" or "A:B" in two.
std::pair<std::string, std::string> in_two(const std::string& text, char separator) {
    const auto at = text.find(separator);
    return {text.substr(0, at), at == std::string::npos ? "" : text.substr(at + 1)};
}

void read_option(ClientOptions& options, const std::string& name, const std::string& value) {
    const auto bind = [&](bool read_only, bool discard) {
        SandboxMount mount;
        std::tie(mount.source, mount.target) = in_two(value, ':');
        mount.read_only = read_only;
        mount.discard = discard;
        options.command.mounts.push_back(mount);
    };
    if (name == "--isolation") {
        options.isolation = cooper::build::parse_isolation(value);
    } else if (name == "--user") {
        options.user = value;
    } else if (name == "--network") {
        options.command.network = cooper::build::SandboxCommand::Network::None;
    } else if (name == "--terminal") {
        options.command.terminal = true;
    } else if (name == "--directory") {
        options.command.working_directory = value;
    } else if (name == "--bind" || name == "--read-only" || name == "--discard") {
        bind(name == "--read-only", name == "--discard");
    } else if (name == "--secret") {
        SandboxMount mount;
        mount.type = SandboxMount::Type::Secret;
        std::tie(mount.target, mount.content) = in_two(value, '=');
        mount.mode = 0400;
        options.command.mounts.push_back(mount);
    } else if (name == "--tmpfs") {
        SandboxMount mount;
        mount.type = SandboxMount::Type::Tmpfs;
        mount.target = value;
        options.command.mounts.push_back(mount);
    } else if (name == "--script") {
        options.command.scripts.push_back(in_two(value, '='));
    } else {
        throw cooper::Error(cooper::ErrorCode::InvalidInput, "no option " + name);
    }
}

int print_modes(const std::string& directory) {
    for (const auto& trial : cooper::build::try_isolations(directory)) {
        std::printf("%s\t%s\t%s\n", std::string(to_string(trial.isolation)).c_str(), trial.works ? "works" : "fails",
                    trial.why_not.c_str());
    }
    return 0;
}

int run_client(const std::vector<std::string>& arguments) {
    if (arguments.size() == 2 && arguments[0] == "modes") {
        return print_modes(arguments[1]);
    }
    ClientOptions options;
    std::size_t i = 0;
    for (; i + 1 < arguments.size() && arguments[i].starts_with("--"); i += 2) {
        read_option(options, arguments[i], arguments[i + 1]);
    }
    const std::string root = arguments.at(i);
    options.command.arguments.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
    options.command.environment = {"PATH=/bin"};
    const auto how = cooper::build::confine_process({options.isolation, root});
    std::fprintf(stderr, "isolation %s overlay %d user_xattr %d owners %d devices %d %s\n",
                 std::string(to_string(how.isolation)).c_str(), how.overlay, how.user_xattr, how.owners, how.devices,
                 how.explanation.c_str());
    options.command.user = cooper::build::find_user(root, options.user);
    const auto print = [](cooper::Bytes text) { static_cast<void>(!write(STDOUT_FILENO, text.data(), text.size())); };
    return cooper::build::run_in_sandbox(root, options.command, how, print, {}).exit_status;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        return run_client({argv + 1, argv + argc});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 125;
    }
}
