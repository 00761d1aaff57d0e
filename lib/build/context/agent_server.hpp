// The one image whose recipe is built in: OpenHands' agent server (private).
#pragma once

#include <array>
#include <string_view>

namespace cooper::build {

inline constexpr std::string_view kAgentServerName = "agent-server";
inline constexpr std::string_view kAgentServerBase = "nikolaik/python-nodejs:python3.12-nodejs22";

/// The first is the default.
inline constexpr std::array<std::string_view, 4> kAgentServerTargets = {"binary", "binary-minimal", "source",
                                                                        "source-minimal"};

/// Python packages, in the order in which they are installed: the first is what the others need.
inline constexpr std::array<std::string_view, 4> kAgentServerPackages = {
    "openhands/sdk", "openhands/tools", "openhands/workspace", "openhands/agent_server"};

/// Files of the root that go along where they exist.
inline constexpr std::array<std::string_view, 5> kAgentServerFiles = {"pyproject.toml", "uv.lock", "README.mdx",
                                                                      "README.md", "LICENSE"};

/// What the original script leaves out besides kDefaultIgnore.
inline constexpr std::array<std::string_view, 6> kAgentServerIgnore = {
    "**/*.pyd", "**/.coverage", "**/*.egg-info", "**/.gitignore", "**/node_modules", "**/Thumbs.db"};

/// A template with the variables base_image, target, packages, build_from_lock, module, development_flag.
extern const std::string_view kAgentServerTemplate;

}  // namespace cooper::build
