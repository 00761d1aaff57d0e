#include "build/snapshot/tree_owners.hpp"

#include "cooper/base/error.hpp"

#include "build/paths.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace cooper::build {

namespace {

struct stat status_in(const std::filesystem::path& root, const std::string& path) {
    TreeRoot tree(root);
    const auto status = tree.status(path);
    if (!status) {
        throw Error(ErrorCode::NotFound, TreeRoot::shown(path) + " is not there");
    }
    return *status;
}

}  // namespace

void TreeOwners::set(const std::filesystem::path& root, const std::string& path, std::uint32_t uid, std::uint32_t gid) {
    const std::string clean = clean_path(path);
    TreeRoot tree(root);
    const int parent = tree.directory(std::string(parent_path(clean)));
    const std::string name = clean.empty() ? "." : std::string(file_name(clean));
    // Without owners a change of nothing: overlay mounts copy the file up for it, and its time of change tells copies.
    const uid_t new_uid = form_.owners ? uid : status_in(root, clean).st_uid;
    const gid_t new_gid = form_.owners ? gid : status_in(root, clean).st_gid;
    if (fchownat(parent, name.c_str(), new_uid, new_gid, AT_SYMLINK_NOFOLLOW) != 0) {
        throw SystemError(
            "cannot give " + TreeRoot::shown(clean) + " to " + std::to_string(uid) + ":" + std::to_string(gid), errno);
    }
    if (!form_.owners) {
        owners_[clean] = {uid, gid};
    }
}

std::pair<std::uint32_t, std::uint32_t> TreeOwners::get(const std::filesystem::path& root,
                                                        const std::string& path) const {
    const std::string clean = clean_path(path);
    const struct stat status = status_in(root, clean);
    if (form_.owners) {
        return {status.st_uid, status.st_gid};
    }
    if (const auto found = owners_.find(clean); found != owners_.end()) {
        return found->second;
    }
    const auto unset = stack_.find_unset(clean);
    return unset ? std::pair(unset->uid, unset->gid) : std::pair(0U, 0U);
}

bool TreeOwners::is_new(const std::string& path) const {
    const auto found = owners_.find(path);
    if (found == owners_.end()) {
        return false;
    }
    const auto below = stack_.find_unset(path);
    return found->second != (below ? std::pair(below->uid, below->gid) : std::pair(0U, 0U));
}

void TreeOwners::describe(const Member& member, TarEntry& entry, std::map<std::string, Unset>& unset) const {
    if (form_.owners) {
        return;
    }
    const std::uint32_t mode_on_disk = entry.mode;
    entry.uid = 0;
    entry.gid = 0;
    const auto below = stack_.find_unset(member.path);
    if (below && below->type == entry.type) {
        entry.uid = below->uid;
        entry.gid = below->gid;
        const std::uint32_t opened_up = below->mode | (entry.type == TarType::Directory ? 0700U : 0600U);
        entry.mode = mode_on_disk == opened_up ? below->mode : mode_on_disk;
    }
    if (const auto found = owners_.find(member.path); found != owners_.end()) {
        entry.uid = found->second.first;
        entry.gid = found->second.second;
    }
    if (entry.uid != 0 || entry.gid != 0 || entry.mode != mode_on_disk) {
        unset[member.path] = {entry.type, static_cast<std::uint32_t>(entry.uid), static_cast<std::uint32_t>(entry.gid),
                              entry.mode};
    }
}

}  // namespace cooper::build
