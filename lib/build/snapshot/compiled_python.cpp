#include "build/snapshot/compiled_python.hpp"

#include "build/paths.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdint>

namespace cooper::build {

namespace {

constexpr std::string_view kEnding = ".pyc";
constexpr std::string_view kCacheDirectory = "__pycache__";
constexpr std::size_t kFlagsOffset = 4;
constexpr off_t kTimeOffset = 8;

using Header = std::array<unsigned char, 16>;  // magic, flags, time, size of the source

std::uint32_t number_at(const Header& header, std::size_t offset) {
    return static_cast<std::uint32_t>(header[offset]) | static_cast<std::uint32_t>(header[offset + 1]) << 8U |
           static_cast<std::uint32_t>(header[offset + 2]) << 16U |
           static_cast<std::uint32_t>(header[offset + 3]) << 24U;
}

/// "a/__pycache__/b.cpython-311.opt-1.pyc" is made of "a/b.py", "a/b.pyc" too.
std::string source_of(const std::string& path) {
    const std::string_view name = file_name(path);
    const std::string_view directory = parent_path(path);
    if (file_name(directory) == kCacheDirectory) {
        return join_path(parent_path(directory), std::string(name.substr(0, name.find('.'))) + ".py");
    }
    return path.substr(0, path.size() - 1);
}

const Member* find_member(const Changes& changes, const std::string& path) {
    const auto found =
        std::lower_bound(changes.members.begin(), changes.members.end(), path,
                         [](const Member& member, const std::string& wanted) { return member.tar_path() < wanted; });
    return found != changes.members.end() && found->path == path && !found->whiteout ? &*found : nullptr;
}

void date_file(TreeRoot& tree, const std::string& path, const Member& source) {
    const FileDescriptor file = tree.open_to_write(path);
    Header header{};
    if (pread(file.get(), header.data(), header.size(), 0) != static_cast<ssize_t>(header.size()) ||
        number_at(header, kFlagsOffset) != 0 ||
        number_at(header, kTimeOffset) != static_cast<std::uint32_t>(source.status.st_mtim.tv_sec)) {
        return;
    }
    const auto time = static_cast<std::uint32_t>(source.time);
    const std::array<char, 4> bytes{static_cast<char>(time & 0xFFU), static_cast<char>(time >> 8U & 0xFFU),
                                    static_cast<char>(time >> 16U & 0xFFU), static_cast<char>(time >> 24U)};
    write_all_at(file.get(), kTimeOffset, as_bytes({bytes.data(), bytes.size()}), path);
}

}  // namespace

void date_compiled_python(TreeRoot& tree, const Changes& changes) {
    for (const Member& member : changes.members) {
        if (member.whiteout || !S_ISREG(member.status.st_mode) || !member.path.ends_with(kEnding)) {
            continue;
        }
        const Member* const source = find_member(changes, source_of(member.path));
        if (source != nullptr && source->time != source->status.st_mtim.tv_sec) {
            date_file(tree, member.path, *source);
        }
    }
}

}  // namespace cooper::build
