// Outputs of a GitHub Actions step: names and values that later steps and jobs read.
#pragma once

#include "cooper/base/environment.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cooper::cli {

/// Throws UsageError when $GITHUB_OUTPUT is not set: to be called before anything is done that cannot be undone.
void require_github_output(const Environment& environment);

/// Appends NAME and VALUE pairs to the file that $GITHUB_OUTPUT names, as one write. Values may have several lines.
/// Throws UsageError when the variable is not set, SystemError when the file cannot be written.
void write_github_output(const Environment& environment,
                         const std::vector<std::pair<std::string, std::string>>& values);

}  // namespace cooper::cli
