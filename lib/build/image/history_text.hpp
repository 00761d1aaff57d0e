// `created_by` of the image's history, as BuildKit words it (private; `dockerfile.md` section 6).
#pragma once

#include "cooper/build/dockerfile.hpp"

#include <string>
#include <vector>

namespace cooper::build {

/// ["a" "b"], as Go's %q prints a list.
std::string quoted_list(const std::vector<std::string>& words);
/// "RUN |1 A=1 /bin/sh -c make # buildkit".
std::string run_history(const std::vector<std::string>& declared, const std::vector<std::string>& command);
/// COPY and ADD, expanded.
std::string copy_history(const CopyInstruction& copy);
std::string joined(const std::vector<std::string>& words, const char* separator);
std::string pairs_history(const std::string& keyword, const std::vector<KeyValue>& pairs);
std::string healthcheck_history(const HealthcheckInstruction& check);

}  // namespace cooper::build
