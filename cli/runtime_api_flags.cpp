#include "runtime_api_flags.hpp"

#include "cooper/base/clock.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

namespace cooper::cli {

namespace {

build::RuntimeApiDialect parse_api_dialect(std::string_view text) {
    if (text == "v0") {
        return build::RuntimeApiDialect::V0;
    }
    if (text == "v1") {
        return build::RuntimeApiDialect::V1Script;
    }
    if (text == "json") {
        return build::RuntimeApiDialect::V1ScriptJson;
    }
    throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is none of v0, v1 and json");
}

}  // namespace

void RuntimeApiFlags::declare(CommandLine& line) {
    line.value("--api-key-file", "FILE", "its first line is the key; default: RUNTIME_API_KEY", key_file);
    line.parsed("--api-dialect", "NAME",
                dialect == build::RuntimeApiDialect::V0
                    ? "v0 (default; multipart), v1 (the SDK's script) or json (its JSON body)"
                    : "v1 (default; the SDK's script), v0 (OpenHands' runtime) or json (a JSON body)",
                dialect, parse_api_dialect);
    line.parsed("--build-timeout", "TIME", "give up after this long; default: 30m (v0), 10m (v1, json)", limit,
                parse_duration);
    line.parsed("--poll-interval", "TIME", "between two questions; default: 30s (v0), 10s (v1, json)", poll_interval,
                parse_duration);
}

Secret RuntimeApiFlags::key(const Environment& environment) const {
    constexpr std::size_t kMaxKeyFile = 64 * 1024;
    if (key_file.empty()) {
        return Secret(environment.get("RUNTIME_API_KEY").value_or(""));
    }
    const Secret text(read_file(key_file, kMaxKeyFile));
    const std::string_view all(text.reveal());
    Secret key{std::string(trim(all.substr(0, all.find('\n'))))};
    if (key.empty()) {
        throw UsageError("--api-key-file " + key_file + ": its first line is empty");
    }
    return key;
}

build::RemoteBuilderOptions RuntimeApiFlags::options(const std::string& url, const Environment& environment) const {
    build::RemoteBuilderOptions options;
    options.base_url = url;
    options.api_key = key(environment);
    options.dialect = dialect;
    options.plain_http = plain_http;
    if (limit || poll_interval) {
        auto timings = build::RemoteBuilderTimings::of(dialect);
        timings.poll_interval =
            poll_interval.value_or(std::chrono::duration_cast<std::chrono::seconds>(timings.poll_interval));
        if (limit) {
            timings.limit = *limit;
            timings.polls = 0;  // as many as fit
        }
        options.timings = timings;
    }
    return options;
}

}  // namespace cooper::cli
