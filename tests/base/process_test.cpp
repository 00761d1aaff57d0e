#include "cooper/base/process.hpp"

#include "cooper/base/files.hpp"

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
