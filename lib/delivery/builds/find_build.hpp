// What the operations on delivered builds share: the builds of a branch, and the folders that they lie in.
#pragma once

#include "cooper/delivery/builds.hpp"
#include "cooper/delivery/changelog.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::delivery {

/// What a release.json that cannot be read means: an error, or (with a warning) that there is none.
enum class BadRecord { Refuse, Ignore };

/// A branch as its changelog tells; read once.
class Branch {
public:
    Branch(Place& place, std::string_view branch, const Run& run);

    /// "jps/x".
    [[nodiscard]] const std::string& prefix() const noexcept { return prefix_; }
    /// Entries whose build lies in this folder ("abc1234").
    [[nodiscard]] std::vector<const ParsedEntry*> entries_in(std::string_view folder_name) const;
    /// The build in a folder, by its entries (which may be none), its record and its tarballs.
    [[nodiscard]] FoundBuild build_in(const std::string& folder_name, BadRecord bad) const;
    /// As find_build() does.
    [[nodiscard]] FoundBuild find(std::string_view commit, BadRecord bad) const;

private:
    [[nodiscard]] FoundBuild find_newest(BadRecord bad) const;
    [[nodiscard]] std::vector<std::string> folders_of(const std::string& commit) const;
    void check_one(const std::vector<std::string>& folders, const std::string& commit) const;
    [[nodiscard]] std::optional<ReleaseRecord> record_in(const std::string& folder, BadRecord bad) const;
    [[nodiscard]] std::string commit_of_tarball(const std::string& key, const std::string& known) const;
    [[nodiscard]] std::string shown_builds() const;

    Place& place_;
    const Run& run_;
    std::string branch_;
    std::string prefix_;
    std::vector<ParsedEntry> entries_;
};

/// NAME and TAG of "main/abc1234/NAME:TAG.tar"; nullopt for a key that cooper would not give a tarball.
std::optional<std::pair<std::string, std::string>> name_of_tarball(std::string_view key);

}  // namespace cooper::delivery
