// Runs a command in a directory as if that were the whole machine:
//
//     example_sandbox [--isolation MODE] [--user NAME] [--no-network] DIRECTORY PROGRAM [ARGUMENT...]
#include "cooper/build/sandbox.hpp"

#include <cstdio>
#include <string>
#include <vector>

namespace {

struct Wish {
    std::optional<cooper::build::Isolation> isolation;
    std::string user;
    std::string directory;
    cooper::build::SandboxCommand command;
};

Wish read_arguments(const std::vector<std::string>& arguments) {
    Wish wish;
    std::size_t i = 0;
    for (; i < arguments.size() && arguments[i].starts_with("--"); ++i) {
        if (arguments[i] == "--no-network") {
            wish.command.network = cooper::build::SandboxCommand::Network::None;
        } else if (arguments[i] == "--isolation" && i + 1 < arguments.size()) {
            wish.isolation = cooper::build::parse_isolation(arguments[++i]);
        } else if (arguments[i] == "--user" && i + 1 < arguments.size()) {
            wish.user = arguments[++i];
        }
    }
    if (arguments.size() < i + 2) {
        throw cooper::Error(cooper::ErrorCode::InvalidInput, "a directory and a program are needed");
    }
    wish.directory = arguments[i];
    wish.command.arguments.assign(arguments.begin() + static_cast<std::ptrdiff_t>(i) + 1, arguments.end());
    return wish;
}

}  // namespace

int main(int argc, char** argv) {
    try {
        Wish wish = read_arguments({argv + 1, argv + argc});
        // Before anything else: in some modes it is a child of this process that goes on.
        const auto how = cooper::build::confine_process({wish.isolation, wish.directory});
        wish.command.user = cooper::build::find_user(wish.directory, wish.user);
        wish.command.environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=" + wish.command.user.home};
        const auto print = [](cooper::Bytes text) { std::fwrite(text.data(), 1, text.size(), stdout); };
        return cooper::build::run_in_sandbox(wish.directory, wish.command, how, print, {}).exit_status;
    } catch (const cooper::Error& error) {
        std::fprintf(stderr, "%s\n%s\n", error.what(), error.advice().c_str());
        return 125;
    }
}
