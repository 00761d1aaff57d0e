// Why a program could not be started, in words (private).
#pragma once

#include "cooper/build/sandbox.hpp"

#include <string>
#include <vector>

namespace cooper::build::sandbox {

/// Where the program of `command` may lie: itself when it has a slash, else in the directories of PATH. Throws
/// Error{InvalidInput} when there is none.
std::vector<std::string> program_candidates(const SandboxCommand& command);

/// Throws Error{NotFound} for a missing program or interpreter, Error{InvalidInput} for one that is none for this
/// machine, else SystemError. `candidate` is what was tried last.
[[noreturn]] void throw_exec_failure(const std::filesystem::path& root, const SandboxCommand& command,
                                     const std::string& candidate, int error_number);

/// Throws Error{InvalidInput} when a candidate, or the interpreter of one, is a link to what a process holds
/// (/proc/self/exe): that would run this program's own file inside, where others can get at it (CVE-2019-5736).
void refuse_own_program(const std::filesystem::path& root, const std::vector<std::string>& candidates);

}  // namespace cooper::build::sandbox
