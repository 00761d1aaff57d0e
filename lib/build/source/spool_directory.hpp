// Places for what was fetched (private).
#pragma once

#include <filesystem>
#include <string>

namespace cooper::build {

/// A new directory (0700) in `spool`, which is made when it is not there. It stays: who gave the spool removes it.
std::filesystem::path make_spool_directory(const std::filesystem::path& spool, const std::string& what);

}  // namespace cooper::build
