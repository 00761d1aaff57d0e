// Running another program: by argument vector, never by a shell.
#pragma once

#include "cooper/base/run.hpp"

#include <chrono>
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

}  // namespace cooper
