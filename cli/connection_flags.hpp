// Flags of all verbs that talk to registries, engines, the local store or S3. Everything that they do not say comes
// from the environment and the files of docker, containers and AWS.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/retry.hpp"
#include "cooper/base/secret.hpp"
#include "cooper/s3/bucket.hpp"

#include "command_line.hpp"
#include "store_flags.hpp"

#include <string>

namespace cooper::cli {

struct ConnectionFlags {
    // registries
    std::string authfile;
    std::string creds;
    bool creds_stdin = false;
    bool may_log_in = false;  ///< the verb has these flags
    std::string cert_dir;
    // S3
    std::string endpoint_url;
    std::string region;
    std::string profile;
    std::string role_arn;
    s3::AddressingStyle addressing = s3::AddressingStyle::Auto;
    bool addressing_given = false;
    // the local store and the engine
    StoreFlags store;
    std::string host;
    // all
    bool insecure = false;
    std::string ca_file;
    RetryPolicy retry;

    void declare_registry(CommandLine& line);
    /// What verbs need that take any place: registry, store, engine.
    void declare_places(CommandLine& line);
    void declare_s3(CommandLine& line);
    void declare_network(CommandLine& line);

    /// USER:PASSWORD from --creds, --creds-stdin or COOPER_CREDS, in this order; empty: none was given, or the verb
    /// takes none.
    [[nodiscard]] Secret registry_login(const Environment& environment) const;
};

}  // namespace cooper::cli
