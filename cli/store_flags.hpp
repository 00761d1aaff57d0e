// Which local store a verb works with.
#pragma once

#include "cooper/base/environment.hpp"

#include "command_line.hpp"

#include <filesystem>
#include <optional>
#include <string>

namespace cooper::cli {

struct StoreFlags {
    std::string directory;
    bool none = false;

    /// --store and --no-store.
    void declare(CommandLine& line);
    /// --store alone, for verbs that are about the store.
    void declare_directory(CommandLine& line);
    /// --store, else COOPER_STORE, else the user's own; nullopt with --no-store or where there is no home. Makes
    /// nothing.
    [[nodiscard]] std::optional<std::filesystem::path> resolve(const Environment& environment) const;
};

}  // namespace cooper::cli
