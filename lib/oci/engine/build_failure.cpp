#include "oci/engine/build_failure.hpp"

#include "cooper/base/text.hpp"

#include "oci/engine/build_output.hpp"

#include <algorithm>
#include <array>
#include <optional>

namespace cooper::oci {

namespace {

constexpr std::size_t kMaxStep = 300;
constexpr std::size_t kMaxShownLine = 500;

/// Words of engines and registries that tell a cause (tried out with dockerd 20.10 and podman 4.3, and as their newer
/// sources have them).
struct Cause {
    std::string_view word;             // in lower case
    std::optional<ErrorCode> of_base;  // what it means in a FROM step; nullopt: a step like others
    std::string_view advice;
};

constexpr std::string_view kBuildKit =
    "Docker's engine builds by its API as it did before BuildKit: RUN --mount, COPY --link and --chmod and heredocs "
    "are "
    "not known there. podman's service knows --mount and --chmod; or take them out of the Dockerfile.";
constexpr std::string_view kUnknownInstruction =
    "If it is a line of a heredoc (RUN <<EOF): engines do not know them by their API. Put the script into a file of "
    "the "
    "context, or join its lines with && \\.";
constexpr std::string_view kLogin =
    "Is the base image's name right, and may you pull it? docker login REGISTRY stores credentials that are passed on "
    "to the engine.";
constexpr std::string_view kNoSuchBase =
    "Is the base image's name right? An image that only another engine or the store has must be loaded first.";
constexpr std::string_view kUnreachable =
    "The engine itself pulls base images: its machine must reach the registry. An image that it has already needs no "
    "pull.";
constexpr std::string_view kOtherPlatform =
    "Docker's classic builder begins FROM scratch for the engine's own platform only: build there, or with podman.";
constexpr std::string_view kNoBinfmt =
    "A program of another platform was to be run: the engine's machine needs qemu-user-static and binfmt-support, or "
    "build on that platform.";
constexpr std::string_view kNoSpace = "docker system df, or podman system df, shows what may go.";

constexpr std::array kCauses = {
    Cause{"requires buildkit", std::nullopt, kBuildKit},
    Cause{"unknown instruction", std::nullopt, kUnknownInstruction},
    Cause{"does not match the specified platform", std::nullopt, kOtherPlatform},
    Cause{"exec format error", std::nullopt, kNoBinfmt},
    Cause{"no space left on device", std::nullopt, kNoSpace},
    Cause{"pull access denied", ErrorCode::AccessDenied, kLogin},
    Cause{"no basic auth credentials", ErrorCode::AccessDenied, kLogin},
    Cause{"unauthorized", ErrorCode::AccessDenied, kLogin},
    Cause{"authentication required", ErrorCode::AccessDenied, kLogin},
    Cause{"requested access to the resource is denied", ErrorCode::AccessDenied, kLogin},
    Cause{"manifest unknown", ErrorCode::NotFound, kNoSuchBase},
    Cause{"name unknown", ErrorCode::NotFound, kNoSuchBase},
    Cause{"no such image", ErrorCode::NotFound, kNoSuchBase},
    Cause{"short-name", ErrorCode::NotFound, kNoSuchBase},
    Cause{"no such host", ErrorCode::Unavailable, kUnreachable},
    Cause{"connection refused", ErrorCode::Unavailable, kUnreachable},
    Cause{"i/o timeout", ErrorCode::Unavailable, kUnreachable},
    Cause{"request canceled while waiting for connection", ErrorCode::Unavailable, kUnreachable},
    Cause{
        "server gave http response to https client", ErrorCode::Unavailable,
        "The engine does not take this registry in plain http: insecure-registries in Docker's daemon.json, insecure = "
        "true in podman's registries.conf."},
    Cause{"certificate signed by unknown authority", ErrorCode::Unavailable,
          "The engine does not know who signed the registry's certificate: /etc/docker/certs.d/HOST/ca.crt, or "
          "/etc/containers/certs.d."},
};

const Cause* find_cause(std::string_view words) {
    const std::string lower = to_lower(words);
    const auto found = std::find_if(kCauses.begin(), kCauses.end(),
                                    [&](const Cause& cause) { return lower.find(cause.word) != std::string::npos; });
    return found == kCauses.end() ? nullptr : &*found;
}

bool is_from(std::string_view step) {
    const std::size_t colon = step.find(": ");
    return colon != std::string_view::npos && to_lower(step.substr(colon + 2, 5)) == "from ";
}

}  // namespace

std::string advice_for_build(std::string_view words) {
    const Cause* const cause = find_cause(words);
    return cause == nullptr ? "" : std::string(cause->advice);
}

EngineBuildError build_error(const std::string& engine, const std::string& step, const std::string& words,
                             std::vector<std::string> output) {
    const Cause* const cause = find_cause(words);
    // What a RUN prints may hold any of these words.
    const bool known = cause != nullptr && (!cause->of_base || is_from(step));
    std::string message =
        engine + " did not build it: " + (step.empty() ? "" : cut_text(step, kMaxStep) + ": ") + words;
    if (!output.empty()) {
        message += "\nThe step's last lines:";
        for (const std::string& line : output) {
            message += "\n" + cut_text(line, kMaxShownLine);
        }
    }
    const ErrorCode code = known ? cause->of_base.value_or(ErrorCode::CommandFailed) : ErrorCode::CommandFailed;
    EngineBuildError error(code, message, step, std::move(output));
    if (known) {
        error.advise(std::string(cause->advice));
    }
    return error;
}

}  // namespace cooper::oci
