// A project with one of everything that counts in the tags of profile cooper.
#pragma once

#include "cooper/build/hash_tags.hpp"

#include "build/tree_support.hpp"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace cooper::testing {

struct Project {
    Tree tree;
    build::TagInputs inputs;

    [[nodiscard]] build::HashTags tags() const { return build::cooper_tags(inputs, {}); }
};

inline const Digest kBaseDigest = Digest::parse("sha256:" + std::string(64, 'a'));

using Step = std::function<void(const Tree&)>;

/// In either order of creation.
inline void fill(Project& project, bool backwards = false) {
    std::vector<Step> steps = {
        [](const Tree& tree) { tree.file("Dockerfile", "FROM base\n"); },
        [](const Tree& tree) { tree.file("setup.sh", "#!/bin/sh\n", 0755); },
        [](const Tree& tree) { tree.file("uv.lock", "locked\n"); },
        [](const Tree& tree) { tree.file("package-lock.json", "{}\n"); },
        [](const Tree& tree) { tree.file("app/main.py", "print()\n"); },
        [](const Tree& tree) { tree.file("app/run", "#!/bin/sh\n", 0755); },
        [](const Tree& tree) { tree.file("app/copy", "print()\n"); },
        [](const Tree& tree) { tree.file("app/\xFF\x01", "not UTF-8\n"); },
        [](const Tree& tree) { tree.file("app/sub/none", ""); },
        [](const Tree& tree) { tree.directory("app/empty"); },
        [](const Tree& tree) { tree.symlink("app/link", "main.py"); },
        [](const Tree& tree) { tree.symlink("app/broken", "../../nowhere"); },
    };
    if (backwards) {
        std::reverse(steps.begin(), steps.end());
    }
    for (const auto& step : steps) {
        step(project.tree);
    }
    auto& inputs = project.inputs;
    inputs.version = "1.2.0";
    inputs.base = "ubuntu:22.04";
    inputs.base_digest = kBaseDigest;
    inputs.platform = oci::Platform::parse("linux/amd64");
    inputs.target = "runtime";
    inputs.build_args = {{"NODE", "22"}, {"API_TOKEN", "hidden"}, {"EMPTY", ""}};
    inputs.recipes = {"Dockerfile", "setup.sh"};
    inputs.lock_files = {"uv.lock", "package-lock.json"};
    inputs.extra_dependencies = {"jq", "git"};
    inputs.root = project.tree.path();
    inputs.sources = {"app"};
}

}  // namespace cooper::testing
