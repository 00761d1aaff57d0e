// Files in which one run remembers something for the next (private): believed only when they are this user's and whole.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace cooper::build {

inline constexpr std::size_t kMemorySum = 32;  ///< the SHA-256 at the end of a file

/// What write_memory() wrote. nullopt for whatever is not exactly that: absent, damaged, larger than `limit`, no
/// regular file, of another user or writable by others (who could make us believe anything).
std::optional<std::string> read_memory(const std::filesystem::path& path, std::size_t limit);

/// Writes `content` and its SHA-256, readable by its owner alone, whole or not at all; makes the directories above it.
/// Throws SystemError: callers do without.
void write_memory(const std::filesystem::path& path, std::string content);

/// The oldest memories in `directory` go when more than `most` end in `suffix`, such as those of checkouts in ever new
/// directories. Throws std::filesystem::filesystem_error.
void limit_memories(const std::filesystem::path& directory, std::string_view suffix, std::size_t most);

/// What no other machine has. Containers often share an image's machine-id or have none: then the kernel's boot.
std::string machine_identity();

}  // namespace cooper::build
