// A builder at work, for test_runtime_api.py: one operation per run, without waiting for anything.
//
//   RUNTIME_API_KEY=… runtime_api_client [--json | --v1] [--limit SECONDS] URL prefix
//   … URL exists NAME
//   … URL build (CONTEXT | BYTES) NAME [NAME ...]     BYTES: a context of so many bytes, made while it is read
//
// Prints the answer, then "peak KIB" and "waited SECONDS"; errors as "CODE: MESSAGE" and "try: ADVICE".
#include "cooper/base/environment.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/builder.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstring>

namespace {

using namespace cooper;

/// Moves on when somebody waits.
class HurriedClock final : public Clock {
public:
    [[nodiscard]] std::chrono::system_clock::time_point now() const override {
        return std::chrono::system_clock::now() + std::chrono::milliseconds(waited_);
    }
    void sleep_for(std::chrono::milliseconds duration, std::stop_token stop) override {
        if (stop.stop_requested()) {
            throw Cancelled();
        }
        waited_ += duration.count();
    }
    [[nodiscard]] long long waited_seconds() const { return waited_ / 1000; }

private:
    std::atomic<long long> waited_ = 0;
};

/// Looks like gzip at its beginning; nothing would make it smaller.
class MadeUpContext final : public Ranged {
public:
    explicit MadeUpContext(std::uint64_t size) : size_(size) {}
    [[nodiscard]] std::uint64_t size() const override { return size_; }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override {
        check_range(offset, length);
        return std::make_unique<MadeUp>(offset, length);
    }

private:
    class MadeUp final : public Source {
    public:
        MadeUp(std::uint64_t offset, std::uint64_t length) : at_(offset), left_(length) {}
        std::size_t read(MutableBytes into) override {
            const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_));
            std::memset(into.data(), static_cast<int>(at_ / kStreamStep % 251), count);
            if (at_ == 0 && count >= 2) {
                into[0] = std::byte{0x1f};
                into[1] = std::byte{0x8b};
            }
            at_ += count;
            left_ -= count;
            return count;
        }

    private:
        std::uint64_t at_;
        std::uint64_t left_;
    };

    std::uint64_t size_;
};

class Notices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override {
        std::printf("notice %.*s\n", static_cast<int>(text.size()), text.data());
    }
};

std::string peak_kib() {
    constexpr std::string_view kPeak = "VmHWM:";
    const std::string text = read_file("/proc/self/status", 64 * 1024);
    const std::size_t at = text.find(kPeak) + kPeak.size();
    return std::string(trim(std::string_view(text).substr(at, text.find("kB", at) - at)));
}

std::shared_ptr<const Ranged> context_of(const std::string& argument) {
    if (const auto bytes = parse_uint(argument)) {
        return std::make_shared<MadeUpContext>(*bytes);
    }
    return std::make_shared<FileRanged>(argument);
}

void take_flags(std::vector<std::string>& arguments, build::RemoteBuilderOptions& options) {
    while (!arguments.empty() && arguments[0].starts_with("--")) {
        if (arguments[0] == "--limit") {
            options.timings = build::RemoteBuilderTimings::of(options.dialect);
            options.timings->limit = std::chrono::seconds(parse_uint(arguments.at(1)).value());
            arguments.erase(arguments.begin());
        } else {
            options.dialect =
                arguments[0] == "--json" ? build::RuntimeApiDialect::V1ScriptJson : build::RuntimeApiDialect::V1Script;
        }
        arguments.erase(arguments.begin());
    }
}

std::string answer(std::vector<std::string> arguments, const Run& run) {
    const Environment environment = Environment::process();
    build::RemoteBuilderOptions options;
    options.api_key = Secret(environment.get("RUNTIME_API_KEY").value_or(""));
    take_flags(arguments, options);
    options.base_url = arguments.at(0);
    HttpClientOptions http_options;
    http_options.verbose = true;
    const auto http = make_http_client(http_options, environment);
    const build::RemoteBuilder api(*http, options);
    build::RuntimeApiBuilder builder(api, options.base_url, std::filesystem::temp_directory_path());
    const std::string operation = arguments.at(1);
    if (operation == "prefix") {
        return api.registry_prefix(run);
    }
    if (operation == "exists") {
        return builder.image_exists(arguments.at(2), run) ? "yes" : "no";
    }
    build::BuildRequest request;
    request.context = context_of(arguments.at(2));
    request.names.assign(arguments.begin() + 3, arguments.end());
    return builder.build(request, run);
}

}  // namespace

int main(int argc, char** argv) {
    HurriedClock clock;
    Notices notices;
    Run run;
    run.clock = &clock;
    run.progress = &notices;
    int code = 0;
    try {
        std::printf("%s\n", answer({argv + 1, argv + argc}, run).c_str());
    } catch (const Error& error) {
        std::printf("%s: %s\ntry: %s\n", std::string(to_string(error.code())).c_str(), error.what(),
                    error.advice().c_str());
        code = 1;
    }
    std::printf("waited %lld\npeak %s\n", clock.waited_seconds(), peak_kib().c_str());
    return code;
}
