#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/hash_tags.hpp"

namespace cooper::build {

namespace {

constexpr std::size_t kMaxProjectFile = 4U << 20;

std::string_view strip(std::string_view text, char quote) {
    while (text.starts_with(quote)) {
        text.remove_prefix(1);
    }
    while (text.ends_with(quote)) {
        text.remove_suffix(1);
    }
    return text;
}

std::optional<std::string> find_version(const std::filesystem::path& file) {
    std::error_code absent;
    if (!std::filesystem::is_regular_file(file, absent)) {
        return std::nullopt;
    }
    const auto text = find_file(file, kMaxProjectFile);
    if (!text) {
        return std::nullopt;
    }
    for (std::string_view line : split(*text, '\n')) {
        line = trim(line);
        if (line.starts_with("version =")) {
            return std::string(strip(strip(trim(line.substr(line.find('=') + 1)), '"'), '\''));
        }
    }
    return std::nullopt;
}

}  // namespace

std::optional<std::string> find_project_version(const std::filesystem::path& project,
                                                const std::filesystem::path& package) {
    constexpr const char* kFile = "pyproject.toml";
    auto version = find_version(project / kFile);
    return version ? version : find_version(package / kFile);
}

}  // namespace cooper::build
