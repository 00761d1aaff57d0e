// The flags of verbs that talk to a Runtime API: its key, its dialect, how long to wait.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/build/remote_builder.hpp"

#include "command_line.hpp"

#include <chrono>
#include <optional>
#include <string>

namespace cooper::cli {

struct RuntimeApiFlags {
    std::string key_file;  ///< --api-key-file
    build::RuntimeApiDialect dialect = build::RuntimeApiDialect::V0;
    std::optional<std::chrono::seconds> limit;          ///< --build-timeout
    std::optional<std::chrono::seconds> poll_interval;  ///< --poll-interval
    bool plain_http = false;  ///< the verb's --insecure: the key may go over http, to a service inside a cluster

    void declare(CommandLine& line);
    /// The first line of the key file, else RUNTIME_API_KEY; empty: none was given. Never on the command line, where
    /// others see it.
    [[nodiscard]] Secret key(const Environment& environment) const;
    [[nodiscard]] build::RemoteBuilderOptions options(const std::string& url, const Environment& environment) const;
};

}  // namespace cooper::cli
