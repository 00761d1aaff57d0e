#include "delivery/builds/find_build.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/changelog/changelog_text.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <set>

namespace cooper::delivery {
namespace {

constexpr std::string_view kTarSuffix = ".tar";
constexpr std::size_t kShownBuilds = 8;
constexpr std::size_t kFullSha = 40;
constexpr std::size_t kLongestSha = 64;  // SHA-256 repositories

/// One may be an abbreviation of the other.
bool may_be_one(std::string_view a, std::string_view b) {
    return a.starts_with(b) || b.starts_with(a);
}

/// Newest first.
bool is_newer(const ParsedEntry* a, const ParsedEntry* b) {
    return a->time > b->time;
}

std::string shown(const ParsedEntry& entry) {
    return entry.commit + " of " + format_changelog(entry.time) +
           (entry.repository.empty() ? "" : ", " + oci::printable(entry.repository));
}

}  // namespace

std::optional<std::pair<std::string, std::string>> name_of_tarball(std::string_view key) {
    std::string_view file = key.substr(key.rfind('/') + 1);
    const std::size_t colon = file.rfind(':');
    if (colon == std::string_view::npos || !file.ends_with(kTarSuffix)) {
        return std::nullopt;
    }
    file.remove_suffix(kTarSuffix.size());
    std::pair<std::string, std::string> name(file.substr(0, colon), file.substr(colon + 1));
    try {
        static_cast<void>(tarball_name(name.first, name.second));
    } catch (const Error&) {
        return std::nullopt;
    }
    return name;
}

Branch::Branch(Place& place, std::string_view branch, const Run& run)
    : place_(place), run_(run), branch_(branch), prefix_(branch_key(branch)) {
    if (const auto changelog = place.find_text(prefix_ + "/CHANGELOG.md", run)) {
        entries_ = parse_changelog(changelog->text);
    }
}

std::vector<const ParsedEntry*> Branch::entries_in(std::string_view folder_name) const {
    std::vector<const ParsedEntry*> entries;
    for (const ParsedEntry& entry : entries_) {
        if (entry.short_sha == folder_name) {
            entries.push_back(&entry);
        }
    }
    return entries;
}

std::optional<ReleaseRecord> Branch::record_in(const std::string& folder, BadRecord bad) const {
    try {
        return find_release(place_, folder, run_);
    } catch (const Error& error) {
        const bool unreadable = error.code() == ErrorCode::InvalidInput || error.code() == ErrorCode::Unsupported;
        if (bad == BadRecord::Refuse || !unreadable) {
            throw;
        }
        run_.progress->notice(NoticeLevel::Warning, std::string(error.what()) + "; going on without it");
        return std::nullopt;
    }
}

FoundBuild Branch::build_in(const std::string& folder_name, BadRecord bad) const {
    FoundBuild build;
    build.branch = branch_;
    build.folder = prefix_ + "/" + folder_name;
    build.commit = folder_name;
    for (const ParsedEntry* entry : entries_in(folder_name)) {
        build.commit = entry->commit;
        build.repository = build.repository.empty() ? entry->repository : build.repository;
        build.time = build.time ? std::min(*build.time, entry->time) : entry->time;
        build.withdrawn = later_withdrawal(build.withdrawn, withdrawal_of(entry->status));
    }
    build.release = record_in(build.folder, bad);
    if (build.release) {
        for (const ReleaseCommit& commit : build.release->commits) {
            build.commit = commit.commit.size() > build.commit.size() ? commit.commit : build.commit;
            build.repository = build.repository.empty() ? commit.repository : build.repository;
        }
        build.time = build.time ? build.time : build.release->published;
        // The record knows the time of day, the changelog only the day.
        build.withdrawn = build.release->withdrawn ? build.release->withdrawn : build.withdrawn;
    }
    for (std::string& key : place_.list(build.folder + "/", run_)) {
        const bool inside = key.find('/', build.folder.size() + 1) == std::string::npos;
        if (inside && name_of_tarball(key)) {
            build.tarballs.push_back(std::move(key));
        }
    }
    std::sort(build.tarballs.begin(), build.tarballs.end());
    if (build.commit.size() < kFullSha && !build.tarballs.empty()) {
        build.commit = commit_of_tarball(build.tarballs.front(), build.commit);
    }
    return build;
}

/// A changelog without links knows the short name alone; the tarball knows the rest.
std::string Branch::commit_of_tarball(const std::string& key, const std::string& known) const {
    const auto facts = place_.find_tarball(key, run_);
    const bool more = facts && facts->commit.starts_with(known) && facts->commit.size() <= kLongestSha &&
                      facts->commit.find_first_not_of("0123456789abcdef") == std::string::npos;
    return more ? facts->commit : known;
}

/// Where builds of this commit lie: as the changelog says, else in folders that it does not (yet) know.
std::vector<std::string> Branch::folders_of(const std::string& commit) const {
    std::set<std::string> folders;
    for (const ParsedEntry& entry : entries_) {
        if (may_be_one(entry.commit, commit)) {
            folders.insert(entry.short_sha);
        }
    }
    if (folders.empty()) {
        for (const std::string& key : place_.list(prefix_ + "/" + short_sha(commit), run_)) {
            const std::size_t begin = prefix_.size() + 1;
            const std::size_t end = key.find('/', begin);
            std::string folder = end == std::string::npos ? std::string() : key.substr(begin, end - begin);
            if (is_heading_sha(folder) && may_be_one(folder, commit)) {
                folders.insert(std::move(folder));
            }
        }
    }
    return {folders.begin(), folders.end()};
}

/// Throws Error{Conflict} when the digits are those of several builds.
void Branch::check_one(const std::vector<std::string>& folders, const std::string& commit) const {
    std::set<std::string> candidates;
    for (const std::string& folder : folders) {
        const auto entries = entries_in(folder);
        for (const ParsedEntry* entry : entries) {
            if (may_be_one(entry->commit, commit)) {
                candidates.insert(entry->commit);
            }
        }
        if (entries.empty()) {
            candidates.insert(folder);
        }
    }
    if (candidates.size() <= 1 || candidates.contains(commit)) {
        return;
    }
    std::string text;
    for (const std::string& candidate : candidates) {
        text += (text.empty() ? "" : ", ") + candidate;
    }
    throw Error(ErrorCode::Conflict,
                place_.name() + "/" + prefix_ + " has several builds that begin with " + commit + ": " + text)
        .advise("give more digits with --commit");
}

FoundBuild Branch::find(std::string_view given, BadRecord bad) const {
    if (given.empty()) {
        return find_newest(bad);
    }
    const std::string commit = check_commit(given);
    const std::vector<std::string> folders = folders_of(commit);
    if (folders.empty()) {
        throw Error(ErrorCode::NotFound, place_.name() + "/" + prefix_ + " has no build of " + commit + shown_builds());
    }
    check_one(folders, commit);
    for (const std::string& folder : folders) {
        const auto entries = entries_in(folder);
        const bool exact = std::any_of(entries.begin(), entries.end(),
                                       [&](const ParsedEntry* entry) { return entry->commit == commit; });
        if (exact || folder == commit) {
            return build_in(folder, bad);
        }
    }
    return build_in(folders.front(), bad);
}

FoundBuild Branch::find_newest(BadRecord bad) const {
    std::vector<const ParsedEntry*> newest;
    for (const ParsedEntry& entry : entries_) {
        if (!withdrawal_of(entry.status)) {
            newest.push_back(&entry);
        }
    }
    std::stable_sort(newest.begin(), newest.end(), is_newer);
    for (const ParsedEntry* entry : newest) {
        // Its withdrawal may have been cut before it reached the changelog.
        if (FoundBuild build = build_in(entry->short_sha, bad); !build.withdrawn) {
            return build;
        }
    }
    throw Error(ErrorCode::NotFound, place_.name() + "/" + prefix_ +
                                         " has no build in its changelog that is not withdrawn" + shown_builds());
}

std::string Branch::shown_builds() const {
    if (entries_.empty()) {
        return "; its changelog has none at all";
    }
    std::vector<const ParsedEntry*> entries;
    for (const ParsedEntry& entry : entries_) {
        entries.push_back(&entry);
    }
    std::stable_sort(entries.begin(), entries.end(), is_newer);
    std::string text = "; there are";
    for (std::size_t i = 0; i < std::min(entries.size(), kShownBuilds); ++i) {
        text += "\n" + shown(*entries[i]);
    }
    return entries.size() > kShownBuilds
               ? text + "\nand " + std::to_string(entries.size() - kShownBuilds) + " earlier ones"
               : text;
}

FoundBuild find_build(Place& place, std::string_view branch, std::string_view commit, const Run& run) {
    return Branch(place, branch, run).find(commit, BadRecord::Refuse);
}

}  // namespace cooper::delivery
