// Which packages moved: what the databases of package managers say, and the directories of Python's (private).
#pragma once

#include "delivery/explain/headers.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::delivery {

/// Databases are read up to this size for it; Debian's of a desktop has 4 MiB.
inline constexpr std::size_t kMaxPackageDatabase = 16 * 1024 * 1024;

/// A file that lists packages with their versions: dpkg's status, apk's installed.
bool is_package_database(std::string_view path) noexcept;

struct MovedPackage {
    std::string name;
    std::optional<std::string> a;  ///< version; nullopt: not installed
    std::optional<std::string> b;
};
std::vector<MovedPackage> moved_packages(std::string_view a, std::string_view b);

/// Python packages by the directories that only one side has: "…/requests-2.31.0.dist-info".
class PackagePaths {
public:
    void see(std::string_view path, bool in_a);
    void tell(HeaderFindings& into) const;

private:
    struct Seen {
        std::string path;
        std::optional<std::string> a;
        std::optional<std::string> b;
    };
    std::map<std::string, Seen> by_name_;
};

}  // namespace cooper::delivery
