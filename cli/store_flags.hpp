// Which local store a verb works with.
#pragma once

#include "cooper/base/environment.hpp"

#include "command_line.hpp"

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

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

/// "500M", "20GB" (powers of 1000), "20Gi", "20GiB" (powers of 1024), or plain bytes; throws Error{InvalidInput}.
std::uint64_t parse_size(std::string_view text);

}  // namespace cooper::cli
