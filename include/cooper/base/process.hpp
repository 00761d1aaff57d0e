// Running another program: by argument vector, never by a shell.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace cooper {

struct ProcessRequest {
    std::vector<std::string> arguments;  ///< [0] is looked up in PATH
    std::string input;                   ///< given on standard input, then closed
    std::optional<std::map<std::string, std::string, std::less<>>> environment;  ///< nullopt: inherited
    std::string working_directory;                                               ///< empty: ours
    std::chrono::seconds timeout{30};
    std::size_t output_limit = 1024 * 1024;  ///< bytes of each of stdout and stderr that are kept; more is an error
};

struct ProcessResult {
    int exit_status = 0;  ///< 128 + signal when it was killed
    std::string output;
    std::string error_output;
};

/// Runs to the end and returns its status: a non-zero one is a result, not a throw. Throws Error{NotFound} when there
/// is no such program, Error{CommandFailed} on timeout (it is killed) or too much output, Cancelled on a stop request.
ProcessResult run_process(const ProcessRequest& request, const Run& run);

/// A program that may run long and write much: nothing of what it says is kept. Its standard input is empty.
struct WatchRequest {
    std::vector<std::string> arguments;                                          ///< [0] is looked up in PATH
    std::optional<std::map<std::string, std::string, std::less<>>> environment;  ///< nullopt: inherited
    std::string working_directory;                                               ///< empty: ours
    std::chrono::seconds timeout{30};
    /// Between SIGTERM, at the time limit or a stop request, and SIGKILL.
    std::chrono::milliseconds grace{5000};
    /// Gets standard output and standard error as they come, in one order, in the calling thread. What it throws kills
    /// the program and is thrown on.
    std::function<void(Bytes)> output;
};

struct WatchResult {
    int exit_status = 0;     ///< 128 + signal when it was killed
    int signal = 0;          ///< that killed it; 0: it ended by itself
    bool timed_out = false;  ///< it was asked to end, or killed, since its time was over
};

/// Runs to the end. What the program started and left running in its process group is killed when it has ended, so
/// when this returns or throws nothing of it runs (but what made itself a session of its own). Throws Error{NotFound}
/// when there is no such program, Cancelled on a stop request, once it has ended.
WatchResult watch_process(const WatchRequest& request, const Run& run);

/// Where `name` is, looked up in PATH of `environment` as the programs above are; a name with a slash is returned as it
/// is. Relative and empty elements of PATH are left out: they would run programs from whatever directory we stand in.
/// Throws Error{NotFound}.
std::string find_program(const std::string& name, const Environment& environment);

}  // namespace cooper
