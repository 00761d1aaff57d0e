// How the files of evidence are called (private).
#pragma once

#include <filesystem>
#include <string_view>

namespace cooper::delivery {

inline constexpr std::string_view kEvidenceEnding = ".evidence.json";
inline constexpr std::string_view kFileListEnding = ".files.zst";

/// Where the list of files lies that belongs to the evidence at this path.
std::filesystem::path file_list_of(const std::filesystem::path& evidence);

}  // namespace cooper::delivery
