// Where EngineEndpoint::find looks, with the machine's own places as a value, so that tests have their own.
#pragma once

#include "cooper/oci/engine.hpp"

#include <functional>
#include <string>

namespace cooper::oci {

/// The sockets that services of the whole machine make.
struct EngineSockets {
    std::string docker = "/var/run/docker.sock";
    std::string podman = "/run/podman/podman.sock";
};

EngineEndpoint find_engine(const Environment& environment, const std::string& host, const EngineSockets& sockets);

/// Asked only when the engine is on tcp; null: plain.
using EngineTls = std::function<std::shared_ptr<const TlsSettings>()>;

/// "unix:///…", "/…", "tcp://HOST[:PORT]", "HOST:PORT", "http://…", "https://…". The port of tcp is 2376 with TLS, else
/// 2375. `origin` names the setting in errors.
EngineEndpoint parse_engine_host(const std::string& text, const EngineTls& tls, const std::string& origin);

/// What docker context keeps below `directory` (config.json's own) for the context `name`. Throws Error{NotFound} when
/// there is no such context, Error{InvalidInput} when it has no docker endpoint.
EngineEndpoint read_engine_context(const std::filesystem::path& directory, const std::string& name,
                                   const std::string& origin);

/// ca.pem, cert.pem and key.pem of `directory`, as far as they are there.
TlsSettings engine_certificates(const std::filesystem::path& directory, bool verify);

}  // namespace cooper::oci
