// Paths inside images: bytes, components joined by "/", nothing at either end; "" is the root.
#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace cooper::build {

/// Linux's PATH_MAX with its zero; deeper trees than this many components do not occur, and would cost memory per
/// level.
inline constexpr std::size_t kMaxPath = 4095;
inline constexpr std::size_t kMaxPathDepth = 512;

/// `path` without ".", "..", empty components and slashes at the ends; ".." stops at the root. Throws as check_path().
std::string clean_path(std::string_view path);

/// Throws Error{InvalidInput} beyond kMaxPath or kMaxPathDepth.
void check_path(std::string_view path);

std::string join_path(std::string_view directory, std::string_view name);
std::string_view parent_path(std::string_view path);
std::string_view file_name(std::string_view path);

/// `path` with every symlinked parent followed inside the root: ".." stops there, and absolute targets begin there.
/// `link_at` gives the target of the symlink at a path, nullptr for anything else; it may throw. Throws
/// Error{InvalidInput} for a loop, and as check_path().
std::string follow_parents(const std::string& path,
                           const std::function<const std::string*(const std::string& path)>& link_at);

/// ".wh.*": what layers call a deleted file.
bool is_whiteout_name(std::string_view name);

}  // namespace cooper::build
