// What `build` says about the images that it built or found.
#pragma once

#include "cooper/build/runtime_image.hpp"

#include "output.hpp"

#include <string>
#include <utility>
#include <vector>

namespace cooper::cli {

struct BuildReport {
    build::RuntimeImage image;
    build::BuildDecision decision;
    std::string found_in;              ///< where what is reused or built on was found; empty: nothing was
    std::string name;                  ///< the result's; empty: nothing was done
    std::vector<std::string> applied;  ///< names that it has now
    bool built = false;
    bool pushed = false;
};

/// "runtime (binary, linux/arm64)".
std::string title_of(const BuildReport& report);
std::string build_text(const std::vector<BuildReport>& reports, bool dry_run);
Json build_json(const std::vector<BuildReport>& reports);
/// For $GITHUB_OUTPUT: image, action, names, and the tags.
std::vector<std::pair<std::string, std::string>> build_outputs(const std::vector<BuildReport>& reports);

}  // namespace cooper::cli
