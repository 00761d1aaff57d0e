#include "delivery/explain/packages.hpp"

#include "build/paths.hpp"

#include <algorithm>

namespace cooper::delivery {

namespace {

constexpr std::size_t kMaxPackages = 100'000;
constexpr std::string_view kDistInfo = ".dist-info";

using Versions = std::map<std::string, std::string, std::less<>>;

/// Paragraphs of "Package: NAME" and "Version: V" (dpkg), or "P:NAME" and "V:V" (apk).
Versions versions_in(std::string_view database) {
    Versions versions;
    std::string_view name, version;
    const auto take = [&] {
        if (!name.empty() && versions.size() < kMaxPackages) {
            versions.emplace(name, version);
        }
        name = version = {};
    };
    while (!database.empty()) {
        const auto end = std::min(database.find('\n'), database.size());
        const auto line = database.substr(0, end);
        database.remove_prefix(std::min(end + 1, database.size()));
        for (const std::string_view key : {"Package: ", "P:"}) {
            name = line.starts_with(key) ? line.substr(key.size()) : name;
        }
        for (const std::string_view key : {"Version: ", "V:"}) {
            version = line.starts_with(key) ? line.substr(key.size()) : version;
        }
        if (line.empty()) {
            take();
        }
    }
    take();
    return versions;
}

std::optional<std::string> version_of(const Versions& versions, const std::string& name) {
    const auto found = versions.find(name);
    return found == versions.end() ? std::nullopt : std::optional(found->second);
}

}  // namespace

bool is_package_database(std::string_view path) noexcept {
    return path == "var/lib/dpkg/status" || path.starts_with("var/lib/dpkg/status.d/") ||
           path == "lib/apk/db/installed" || path == "usr/lib/apk/db/installed";
}

std::vector<MovedPackage> moved_packages(std::string_view a, std::string_view b) {
    const auto as = versions_in(a), bs = versions_in(b);
    std::vector<MovedPackage> moved;
    for (const auto& [name, version] : as) {
        if (const auto other = version_of(bs, name); other != version) {
            moved.push_back({name, version, other});
        }
    }
    for (const auto& [name, version] : bs) {
        if (!as.contains(name)) {
            moved.push_back({name, std::nullopt, version});
        }
    }
    return moved;
}

void PackagePaths::see(std::string_view path, bool in_a) {
    if (!path.ends_with("/METADATA") || by_name_.size() == kMaxPackages) {
        return;
    }
    const auto directory = build::parent_path(path);
    const auto stem = build::file_name(directory);
    const auto dash = stem.find('-');
    if (!stem.ends_with(kDistInfo) || dash == std::string_view::npos) {
        return;
    }
    auto& seen = by_name_[std::string(stem.substr(0, dash))];
    seen.path = directory;
    (in_a ? seen.a : seen.b) = std::string(stem.substr(dash + 1, stem.size() - dash - 1 - kDistInfo.size()));
}

void PackagePaths::tell(HeaderFindings& into) const {
    for (const auto& [name, seen] : by_name_) {
        if (seen.a == seen.b) {
            continue;
        }
        into.add(seen.path, {"package", seen.a ? std::optional(name + " " + *seen.a) : std::nullopt,
                             seen.b ? std::optional(name + " " + *seen.b) : std::nullopt});
    }
}

}  // namespace cooper::delivery
