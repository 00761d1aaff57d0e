#include "build/snapshot/manifest.hpp"

#include "cooper/base/error.hpp"

#include "build/apply/removal.hpp"
#include "build/paths.hpp"
#include "build/snapshot/tree_copy.hpp"

#include <fcntl.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <tuple>

namespace cooper::build {

namespace {

/// Behind all paths below `path` and before all others, as '0' comes after '/'.
std::string end_of(const std::string& path) {
    return path + '0';
}

bool is_below(const std::string& path, const std::string& directory) {
    return path.size() > directory.size() && path.starts_with(directory) && path[directory.size()] == '/';
}

bool is_before(const timespec& one, const timespec& other) {
    return std::tie(one.tv_sec, one.tv_nsec) < std::tie(other.tv_sec, other.tv_nsec);
}

bool is_whiteout(const struct stat& status) {
    return S_ISCHR(status.st_mode) && status.st_rdev == 0;
}

}  // namespace

Manifest::Manifest(LayerStack& stack, const DiskForm& form, const std::filesystem::path& root, const Run& run)
    : stack_(stack), form_(form), root_(root) {
    for (std::size_t layer = 0; layer < stack_.layers().size(); ++layer) {
        run.check();
        merge(layer);
    }
    copy_all(run);
}

void Manifest::merge(std::size_t layer) {
    const LayerIndex& index = stack_.layers()[layer]->index;
    for (const auto& path : index.opaque) {
        erase_below(path);
    }
    for (const auto& path : index.whiteouts) {
        erase_below(path);
        files_.erase(path);
    }
    std::vector<std::string> todo{""};
    while (!todo.empty()) {
        const std::string path = std::move(todo.back());
        todo.pop_back();
        merge_directory(layer, stack_.tree(layer), path, todo);
    }
}

void Manifest::merge_directory(std::size_t layer, TreeRoot& tree, const std::string& path,
                               std::vector<std::string>& todo) {
    const auto& implicit = stack_.layers()[layer]->index.implicit;
    for (const auto& name : tree.names(path)) {
        const std::string child = join_path(path, name);
        const auto status = tree.status(child);
        if (!status || is_whiteout(*status)) {
            continue;
        }
        const auto found = files_.find(child);
        if (!S_ISDIR(status->st_mode)) {
            if (found != files_.end() && S_ISDIR(found->second.status.st_mode)) {
                erase_below(child);
            }
            files_[child] = {layer, *status};
            continue;
        }
        todo.push_back(child);
        const bool described = !std::binary_search(implicit.begin(), implicit.end(), child);
        if (described || found == files_.end() || !S_ISDIR(found->second.status.st_mode)) {
            files_[child] = {layer, *status, described};
        }
    }
}

void Manifest::erase_below(const std::string& path) {
    if (path.empty()) {
        files_.clear();
    } else {
        files_.erase(files_.lower_bound(path + '/'), files_.lower_bound(end_of(path)));
    }
}

void Manifest::copy_all(const Run& run) {
    for (const auto& [path, known] : files_) {
        run.check();
        copy_file(stack_.tree(known.layer), root_, path, known.status, form_, run);
    }
    for (auto file = files_.rbegin(); file != files_.rend(); ++file) {
        if (S_ISDIR(file->second.status.st_mode)) {
            describe(file->first, file->second);
        }
    }
    for (auto& [path, known] : files_) {
        known.status = *root_.status(path);
    }
    settle({});
}

void Manifest::describe(const std::string& path, const Known& known) {
    const auto right = known.described ? LayerStack::Description{&stack_.tree(known.layer), path}
                                       : stack_.description(path, stack_.layers().size());
    describe_directory(*right.tree, right.path, root_, path, form_);
}

std::optional<struct stat> Manifest::status(const std::string& path) {
    const auto found = files_.find(path);
    return found == files_.end() ? std::nullopt : std::optional(found->second.status);
}

std::vector<std::string> Manifest::names(const std::string& path) {
    const std::string prefix = path.empty() ? "" : path + '/';
    std::vector<std::string> names;
    for (auto file = files_.lower_bound(prefix); file != files_.end() && file->first.starts_with(prefix);) {
        const std::string rest = file->first.substr(prefix.size());
        const std::string name = rest.substr(0, rest.find('/'));
        if (name.size() == rest.size()) {
            names.push_back(name);
            ++file;
        } else {
            file = files_.lower_bound(end_of(prefix + name));
        }
    }
    return names;
}

FileDescriptor Manifest::open(const std::string& path) {
    return stack_.tree(files_.at(path).layer).open(path);
}

std::string Manifest::link(const std::string& path) {
    return stack_.tree(files_.at(path).layer).link(path);
}

/// A file that was changed in the tick in which it was looked at may look as it did.
bool Manifest::is_untouched(const std::string& path, const struct stat& now) {
    const auto found = files_.find(path);
    if (found == files_.end()) {
        return false;
    }
    const struct stat& before = found->second.status;
    return is_before(before.st_ctim, settled_) && now.st_dev == before.st_dev && now.st_ino == before.st_ino &&
           now.st_mode == before.st_mode && now.st_size == before.st_size &&
           now.st_ctim.tv_sec == before.st_ctim.tv_sec && now.st_ctim.tv_nsec == before.st_ctim.tv_nsec;
}

void Manifest::apply(const Member& member) {
    const bool directory = !member.whiteout && S_ISDIR(member.status.st_mode);
    if (!directory) {
        erase_below(member.path);
    }
    if (member.whiteout) {
        files_.erase(member.path);
    } else {
        files_[member.path] = {stack_.layers().size() - 1, member.status};
    }
}

void Manifest::restore(const std::string& path, const Run& run) {
    const int parent = root_.directory(std::string(parent_path(path)));
    struct stat above {};
    if (parent < 0) {
        return;
    }
    if (fstat(parent, &above) != 0) {
        throw SystemError("cannot examine the directory of " + TreeRoot::shown(path), errno);
    }
    remove_tree(parent, std::string(file_name(path)), path);
    std::vector<std::string> copied;
    for (auto file = files_.find(path); file != files_.end() && (file->first == path || is_below(file->first, path));) {
        TreeRoot& from = stack_.tree(file->second.layer);
        copy_file(from, root_, file->first, *from.status(file->first), form_, run);
        copied.push_back(file->first);
        ++file;
        if (copied.size() == 1) {
            file = files_.lower_bound(path + '/');  // others come between, as '-' comes before '/'
        }
    }
    for (auto file = copied.rbegin(); file != copied.rend(); ++file) {
        if (const Known& known = files_.at(*file); S_ISDIR(known.status.st_mode)) {
            describe(*file, known);
        }
    }
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, above.st_mtim};
    if (futimens(root_.directory(std::string(parent_path(path))), times.data()) != 0) {
        throw SystemError("cannot set the time of the directory of " + TreeRoot::shown(path), errno);
    }
    settle(copied);
}

void Manifest::settle(const std::vector<std::string>& paths) {
    for (const auto& path : paths) {
        if (const auto found = files_.find(path); found != files_.end()) {
            found->second.status = *root_.status(path);
        }
    }
    clock_gettime(CLOCK_REALTIME_COARSE, &settled_);
}

}  // namespace cooper::build
