#include "build/paths.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

constexpr int kMaxSymlinks = 40;  // as Linux has it (MAXSYMLINKS)

}  // namespace

std::string clean_path(std::string_view path) {
    std::string clean;
    for (const auto part : split(path, '/')) {
        if (part.empty() || part == ".") {
            continue;
        }
        clean = part == ".." ? std::string(parent_path(clean)) : join_path(clean, part);
    }
    check_path(clean);
    return clean;
}

void check_path(std::string_view path) {
    if (path.size() > kMaxPath) {
        throw Error(ErrorCode::InvalidInput, "the path '" + oci::printable(path) + "' is longer than the limit of " +
                                                 std::to_string(kMaxPath) + " bytes");
    }
    if (static_cast<std::size_t>(std::count(path.begin(), path.end(), '/')) >= kMaxPathDepth) {
        throw Error(ErrorCode::InvalidInput, "the path '" + oci::printable(path) + "' is deeper than the limit of " +
                                                 std::to_string(kMaxPathDepth) + " directories");
    }
}

std::string join_path(std::string_view directory, std::string_view name) {
    std::string path(directory);
    if (!path.empty()) {
        path += '/';
    }
    return path += name;
}

std::string_view parent_path(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view file_name(std::string_view path) {
    const auto slash = path.rfind('/');
    return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string follow_parents(const std::string& path,
                           const std::function<const std::string*(const std::string& path)>& link_at) {
    std::vector<std::string> todo;  // components, next one last
    const auto push = [&todo](std::string_view text) {
        auto parts = split(text, '/');
        std::for_each(parts.rbegin(), parts.rend(), [&](std::string_view part) { todo.emplace_back(part); });
    };
    push(path);
    std::string resolved;
    for (int links = 0; !todo.empty();) {
        const auto part = std::move(todo.back());
        todo.pop_back();
        if (part.empty() || part == ".") {
            continue;
        }
        if (part == "..") {
            resolved = std::string(parent_path(resolved));  // the root's parent is the root
            continue;
        }
        auto next = join_path(resolved, part);
        check_path(next);
        const auto* link = todo.empty() ? nullptr : link_at(next);
        if (link == nullptr) {
            resolved = std::move(next);
            continue;
        }
        if (++links > kMaxSymlinks) {
            throw Error(ErrorCode::InvalidInput,
                        "'" + oci::printable(path) + "' leads through a loop of symbolic links in the base");
        }
        if (link->starts_with('/')) {
            resolved.clear();
        }
        push(*link);
    }
    return resolved;
}

bool is_whiteout_name(std::string_view name) {
    return name.starts_with(".wh.");
}

}  // namespace cooper::build
