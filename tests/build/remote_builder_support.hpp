// A scripted Runtime API, a clock that does not wait, and a builder between them.
#pragma once

#include "cooper/build/remote_builder.hpp"

#include "oci/fake_http.hpp"
#include "support/fake_clock.hpp"

#include <catch2/catch.hpp>

#include <deque>
#include <string>
#include <vector>

namespace cooper::testing {

using build::RemoteBuilder;
using build::RemoteBuilderOptions;
using build::RuntimeApiDialect;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline const std::string kGzip = "\x1f\x8b and what else a build context has";
inline const std::string kKey = "key-0123456789";

inline FakeReply json(const std::string& body, int status = 200) {
    return {.status = status, .headers = {}, .body = body};
}
inline FakeReply busy(const std::string& retry_after = "") {
    FakeReply reply = json(R"({"detail":"slow down"})", 429);
    if (!retry_after.empty()) {
        reply.headers.add("Retry-After", retry_after);
    }
    return reply;
}
inline FakeReply accepted() {
    return json(R"({"build_id":"b-1"})");
}
inline FakeReply status(const std::string& word) {
    return json(R"({"status":")" + word + "\"}");
}
inline FakeReply success() {
    return json(R"({"status":"SUCCESS","image":"registry.example.com/runtime:built"})");
}

class NotedProgress final : public Progress {
public:
    void begin(std::string_view, std::uint64_t total) noexcept override { total_ = total; }
    void advance(std::string_view, std::uint64_t done) noexcept override { done_ = done; }
    void end(std::string_view) noexcept override { ended_ = true; }
    void notice(NoticeLevel, std::string_view text) noexcept override { notices_.emplace_back(text); }

    std::uint64_t total_ = 0;
    std::uint64_t done_ = 0;
    bool ended_ = false;
    std::vector<std::string> notices_;
};

/// A builder, the server that it talks to, and a clock that does not wait.
struct Scene {
    explicit Scene(std::vector<FakeReply> replies, RuntimeApiDialect dialect = RuntimeApiDialect::V0)
        : script(replies.begin(), replies.end()) {
        options.base_url = "https://runtime.example.com/api";
        options.api_key = Secret(kKey);
        options.dialect = dialect;
        run.clock = &clock;
        run.progress = &progress;
    }

    FakeReply answer() {
        if (script.size() > 1) {
            FakeReply reply = script.front();
            script.pop_front();
            return reply;
        }
        return script.front();  // the last one again and again
    }

    std::string build(const std::vector<std::string>& names = {"r:src"}) {
        return RemoteBuilder(http, options).build(std::make_shared<MemoryRanged>(context), names, run);
    }
    bool exists() { return RemoteBuilder(http, options).image_exists("r:src", run); }

    [[nodiscard]] std::vector<int> waits() const {
        std::vector<int> waits;
        for (const milliseconds wait : clock.sleeps()) {
            waits.push_back(static_cast<int>(wait / seconds(1)));
        }
        return waits;
    }

    std::deque<FakeReply> script;
    FakeHttp http{[this](const SentRequest&) { return answer(); }};
    FakeClock clock;
    NotedProgress progress;
    RemoteBuilderOptions options;
    std::string context = kGzip;
    Run run;
};

template <class Action>
Error error_of(Action&& action) {
    try {
        action();
    } catch (const Error& error) {
        return error;
    }
    FAIL("no error");
    throw;
}

}  // namespace cooper::testing
