#include "connection_flags.hpp"

#include "cooper/base/text.hpp"

#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::cli {

namespace {

s3::AddressingStyle parse_addressing(std::string_view text) {
    if (text == "auto") {
        return s3::AddressingStyle::Auto;
    }
    if (text == "path") {
        return s3::AddressingStyle::Path;
    }
    if (text == "virtual") {
        return s3::AddressingStyle::VirtualHost;
    }
    throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is none of auto, path and virtual");
}

// One line of standard input.
std::string read_login() {
    constexpr std::size_t kMaxLogin = 64 * 1024;  // tokens of cloud registries are several kilobytes long
    std::string text;
    std::array<char, 4096> buffer{};
    while (text.find('\n') == std::string::npos) {
        const ssize_t count = ::read(STDIN_FILENO, buffer.data(), buffer.size());
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count < 0) {
            throw SystemError("reading USER:PASSWORD from standard input", errno);
        }
        if (count == 0) {
            break;
        }
        text.append(buffer.data(), static_cast<std::size_t>(count));
        if (text.size() > kMaxLogin) {
            throw UsageError("--creds-stdin: more than 64 KiB on standard input");
        }
    }
    return std::string(trim(std::string_view(text).substr(0, text.find('\n'))));
}

}  // namespace

void ConnectionFlags::declare_registry(CommandLine& line) {
    may_log_in = true;
    line.heading("Registry");
    line.value("--authfile", "FILE", "the only credentials file to ask; default: those of docker and podman", authfile);
    line.value("--creds", "USER:PASS", "log in with these (others can see them in ps: better --creds-stdin)", creds);
    line.toggle("--creds-stdin", "read USER:PASS from standard input; the variable COOPER_CREDS works too",
                creds_stdin);
    line.value("--cert-dir", "DIR", "instead of docker's and podman's certs.d: DIR/HOST[:PORT]/*.crt, *.cert, *.key",
               cert_dir);
}

void ConnectionFlags::declare_places(CommandLine& line) {
    declare_registry(line);
    line.heading("Engine and store");
    line.value("--host", "URL",
               "unix:///PATH or tcp://HOST:PORT; default: DOCKER_HOST, docker's context", host);
    store.declare(line);
}

void ConnectionFlags::declare_s3(CommandLine& line) {
    line.heading("S3 (credentials as the AWS CLI finds them)");
    line.value("--endpoint-url", "URL", "another store than AWS; default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL",
               endpoint_url);
    line.value("--region", "REGION", "default: AWS_REGION, the profile's, us-east-1", region);
    line.value("--profile", "NAME", "of ~/.aws/config; default: AWS_PROFILE, \"default\"", profile);
    line.value("--role-arn", "ARN", "role to take; in GitHub Actions for the job's OIDC token", role_arn);
    line.parsed("--addressing-style", "STYLE", "path, virtual or auto (default)", addressing,
                [this](std::string_view text) {
                    addressing_given = true;
                    return parse_addressing(text);
                });
}

void ConnectionFlags::declare_network(CommandLine& line) {
    line.heading("Network");
    line.toggle("--insecure", "plain http allowed, certificates not verified", insecure);
    line.value("--ca-file", "FILE", "PEM certificates to trust besides the system's", ca_file);
    line.parsed("--retries", "N", "further tries after a failure that may pass; default: 5", retry.attempts,
                [](std::string_view text) { return static_cast<int>(parse_count(text, 0, 100)) + 1; });
}

Secret ConnectionFlags::registry_login(const Environment& environment) const {
    if (!may_log_in) {
        return {};
    }
    if (creds_stdin && !creds.empty()) {
        throw UsageError("--creds and --creds-stdin exclude each other");
    }
    const std::string given =
        !creds.empty() ? creds : (creds_stdin ? read_login() : environment.get("COOPER_CREDS").value_or(""));
    if ((creds_stdin || !given.empty()) && given.find(':') == std::string::npos) {
        throw UsageError("the registry's credentials must be USER:PASSWORD");
    }
    return Secret(given);
}

}  // namespace cooper::cli
