#include "cooper/base/process.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <thread>

using namespace cooper;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

ProcessRequest shell(const std::string& script) {
    ProcessRequest request;
    request.arguments = {"sh", "-c", script};
    return request;
}

ErrorCode code_of(const ProcessRequest& request) {
    try {
        run_process(request, {});
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("nothing was thrown");
    return {};
}

}  // namespace

TEST_CASE("process: output, errors and status come back", "[unit][base]") {
    const ProcessResult result = run_process(shell("echo out; echo err >&2; exit 3"), {});
    REQUIRE(result.output == "out\n");
    REQUIRE(result.error_output == "err\n");
    REQUIRE(result.exit_status == 3);
    REQUIRE(run_process(shell("kill -9 $$"), {}).exit_status == 128 + 9);
}

TEST_CASE("process: arguments reach the program as they are", "[unit][base]") {
    ProcessRequest request;
    request.arguments = {"printf", "%s|", "a b", "$(id)", "", "*", "\"'", "ü"};
    REQUIRE(run_process(request, {}).output == "a b|$(id)||*|\"'|ü|");
}

TEST_CASE("process: large input and output at the same time", "[unit][base]") {
    ProcessRequest request = shell("cat");
    request.input = std::string(900'000, 'i');
    REQUIRE(run_process(request, {}).output == request.input);
    request = shell("exit 0");
    request.input = std::string(900'000, 'i');  // nobody reads it: no SIGPIPE, no wait
    REQUIRE(run_process(request, {}).exit_status == 0);
    REQUIRE(run_process(shell("cat"), {}).output.empty());
}

TEST_CASE("process: environment and directory are the ones asked for", "[unit][base]") {
    const TempDirectory directory;
    ProcessRequest request = shell("pwd; env | grep COOPER_");
    request.environment = {{"PATH", "/usr/bin:/bin"}, {"COOPER_X", "1"}};
    request.working_directory = directory.path().string();
    REQUIRE(run_process(request, {}).output == fs::canonical(directory.path()).string() + "\nCOOPER_X=1\n");
}

TEST_CASE("process: only the standard streams are passed on", "[unit][base]") {
    const TempDirectory directory;
    AtomicFile open_file(directory.path() / "x");
    const ProcessResult result = run_process(shell("for f in /proc/$$/fd/*; do readlink $f; done"), {});
    REQUIRE(result.output.find(directory.path().string()) == std::string::npos);
    REQUIRE(result.output.find("eventfd") == std::string::npos);
    REQUIRE(result.output.find("pidfd") == std::string::npos);
}

TEST_CASE("process: a program that is not there is NotFound", "[unit][base]") {
    ProcessRequest request;
    request.arguments = {"no-such-program-cooper"};
    REQUIRE(code_of(request) == ErrorCode::NotFound);
    request.arguments = {"/no/such/program"};
    REQUIRE(code_of(request) == ErrorCode::NotFound);
    request.arguments = {};
    REQUIRE(code_of(request) == ErrorCode::InvalidInput);
    request.arguments = {"sh"};
    request.environment.emplace().emplace("PATH", ".:relative:");  // never a program from where we happen to stand
    REQUIRE(code_of(request) == ErrorCode::NotFound);
    request.arguments = {"/etc/passwd"};
    REQUIRE(code_of(request) == ErrorCode::AccessDenied);
}

TEST_CASE("process: too much output stops the program", "[unit][base]") {
    ProcessRequest request = shell("yes");
    request.output_limit = 1000;
    REQUIRE(code_of(request) == ErrorCode::CommandFailed);
    request = shell("printf 1234567890");
    request.output_limit = 10;
    REQUIRE(run_process(request, {}).output == "1234567890");
    request.output_limit = 9;
    REQUIRE(code_of(request) == ErrorCode::CommandFailed);
}

TEST_CASE("process: a timeout kills the program and what it started", "[unit][base]") {
    ProcessRequest request = shell("sleep 600 & wait");
    request.timeout = 0s;
    REQUIRE_THROWS_WITH(run_process(request, {}), "sh did not end within 0 s and was killed");
}

TEST_CASE("process: a stop request ends it", "[unit][base]") {
    const TempDirectory directory;
    const fs::path started = directory.path() / "started";
    std::stop_source stop;
    const std::jthread stopper([&] {
        while (!fs::exists(started)) {
            std::this_thread::yield();
        }
        stop.request_stop();
    });
    ProcessRequest request = shell("touch started; exec sleep 600");
    request.working_directory = directory.path().string();
    Run run;
    run.stop = stop.get_token();
    REQUIRE_THROWS_AS(run_process(request, run), Cancelled);
    REQUIRE_THROWS_AS(run_process(shell("true"), run), Cancelled);
}

TEST_CASE("process: something left running with the outputs open does not hold us up", "[unit][base]") {
    const TempDirectory directory;
    // The loop ends when the test removes its directory.
    ProcessRequest request = shell("(while [ -e \"$PWD\" ]; do sleep 0.1; done) & echo done");
    request.working_directory = directory.path().string();
    REQUIRE(run_process(request, {}).output == "done\n");
}

namespace {

struct Watched {
    WatchResult result;
    std::string said;
};

Watched watch(const std::string& script, std::chrono::seconds timeout = 30s, std::chrono::milliseconds grace = 5s) {
    Watched watched;
    watched.result = watch_process({.arguments = {"sh", "-c", script},
                                    .environment = std::nullopt,
                                    .working_directory = {},
                                    .timeout = timeout,
                                    .grace = grace,
                                    .output = [&](Bytes bytes) { watched.said += as_text(bytes); }},
                                   {});
    return watched;
}

/// A killed one may stay a zombie where nobody waits for orphans.
bool is_running(const std::string& id) {
    const auto status = find_file("/proc/" + std::string(trim(id)) + "/stat", 4096);
    return status && status->find(") Z") == std::string::npos;
}

}  // namespace

TEST_CASE("process: a watched program's two outputs come in their order, and its status", "[unit][base]") {
    const Watched watched = watch("echo a; echo b >&2; echo c; exit 3");
    REQUIRE(watched.said == "a\nb\nc\n");
    REQUIRE(watched.result.exit_status == 3);
    REQUIRE(watched.result.signal == 0);
    REQUIRE_FALSE(watched.result.timed_out);
    REQUIRE(watch("kill -11 $$").result.signal == 11);
    REQUIRE(watch("cat; echo end").said == "end\n");
}

TEST_CASE("process: what a watched program leaves running ends with it", "[unit][base]") {
    const Watched watched = watch("(trap '' TERM HUP; sleep 60) & echo $!");
    REQUIRE(watched.result.exit_status == 0);
    REQUIRE_FALSE(is_running(watched.said));
}

TEST_CASE("process: a watched program that is late is asked to end, then killed", "[unit][base]") {
    const Watched polite = watch("trap 'echo bye; exit 7' TERM; sleep 60 & wait", 0s);
    REQUIRE(polite.result.timed_out);
    // The signal may come before the trap is set.
    REQUIRE((polite.result.exit_status == 7 || polite.result.signal == 15));
    const Watched deaf = watch("trap '' TERM; echo $$; while :; do sleep 1; done", 1s, 50ms);
    REQUIRE(deaf.result.timed_out);
    REQUIRE(deaf.result.signal == 9);
    REQUIRE_FALSE(is_running(deaf.said));
}

TEST_CASE("process: a watched program that never stops writing is still stopped in time", "[unit][base]") {
    std::size_t bytes = 0;
    const WatchResult result = watch_process({.arguments = {"yes"},
                                              .environment = std::nullopt,
                                              .working_directory = {},
                                              .timeout = 1s,
                                              .grace = 0ms,
                                              .output = [&](Bytes chunk) { bytes += chunk.size(); }},
                                             {});
    REQUIRE(result.timed_out);
    REQUIRE(bytes > 0);
}

TEST_CASE("process: a stop request or a throw of the reader ends a watched program", "[unit][base]") {
    std::stop_source stop;
    std::string said;
    WatchRequest request{.arguments = {"sh", "-c", "echo $$; sleep 60"},
                         .environment = std::nullopt,
                         .working_directory = {},
                         .timeout = 30s,
                         .grace = 5s,
                         .output = [&](Bytes bytes) {
                             said += as_text(bytes);
                             stop.request_stop();
                         }};
    REQUIRE_THROWS_AS(watch_process(request, Run{.stop = stop.get_token()}), Cancelled);
    REQUIRE_FALSE(is_running(said));
    said.clear();
    request.output = [&](Bytes bytes) {
        said += as_text(bytes);
        throw Error(ErrorCode::System, "full");
    };
    REQUIRE_THROWS_AS(watch_process(request, {}), Error);
    REQUIRE_FALSE(is_running(said));
}
