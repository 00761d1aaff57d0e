#include "build/sandbox/stand_ins.hpp"

#include "cooper/base/error.hpp"

#include "build/apply/removal.hpp"
#include "build/sandbox/network_files.hpp"
#include "build/sandbox/tree_sync.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace cooper::build::sandbox {

namespace {

constexpr mode_t kEverybody = 0666;
/// In the root, so that renaming does and a killed build leaves it nowhere else.
constexpr const char* kAside = ".cooper-aside";

}  // namespace

StandIns::StandIns(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how,
                   Stubs& stubs, const Run& run)
    : command_(command), how_(how), stubs_(stubs), run_(run), root_(open_directory(root.string())) {}

StandIns::~StandIns() {
    try {
        take_back();
    } catch (const std::exception&) {
        // An error is on its way already: the tree that it leaves is not used.
    }
}

void StandIns::make_ready() {
    make_devices();
    put_file("/etc/resolv.conf", resolv_conf_file(), nullptr);
    put_file("/etc/hosts", hosts_file(command_), nullptr);
    for (const auto& mount : command_.mounts) {
        in_context("mounting on " + printed(mount.target), [&] { add(mount); });
    }
    for (const auto& [path, content] : command_.scripts) {
        put_script(root(), stubs_, path, content);
    }
    working_directory_ = make_working_directory(root(), command_, how_);
}

void StandIns::take_back() {
    while (!places_.empty()) {
        const StandIn place = std::move(places_.back());
        places_.pop_back();
        if (place.into.valid()) {
            const FileDescriptor changed(
                openat(place.parent.get(), place.name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
            if (changed.valid()) {
                synchronize(changed.get(), place.into.get(), run_);
            }
        }
        put_back(place);
    }
}

StandIns::StandIn& StandIns::make_room(Located found) {
    StandIn& place = places_.emplace_back();
    place.parent = std::move(found.parent);
    place.name = std::move(found.name);
    if (found.file.valid()) {
        put_aside(place);
    }
    return place;
}

void StandIns::put_aside(StandIn& place) {
    if (!aside_.valid()) {
        stubs_.make_directory(root(), kAside);
        aside_ = FileDescriptor(openat(root(), kAside, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    }
    const auto aside = std::to_string(places_.size());
    const KeepTime keep(place.parent.get());
    if (renameat(place.parent.get(), place.name.c_str(), aside_.get(), aside.c_str()) != 0) {
        throw SystemError("cannot put " + printed(place.name) + " aside", errno);
    }
    place.aside = aside;
}

void StandIns::put_back(const StandIn& place) const {
    const KeepTime keep(place.parent.get());
    remove_tree(place.parent.get(), place.name, place.name);
    if (!place.aside.empty() &&
        renameat(aside_.get(), place.aside.c_str(), place.parent.get(), place.name.c_str()) != 0) {
        throw SystemError("cannot put " + printed(place.name) + " back", errno);
    }
}

/// Nodes where we may make them; else a file for /dev/null, so that no file of the layer takes its place.
void StandIns::make_devices() {
    const auto dev = locate_directory(root(), "dev", stub_maker(stubs_));
    for (const auto& node : kDeviceNodes) {
        struct stat status {};
        if (fstatat(dev.get(), node.name, &status, AT_SYMLINK_NOFOLLOW) == 0 ||
            stubs_.make_device(dev.get(), node.name, S_IFCHR | kEverybody, makedev(node.major, node.minor)) ||
            std::string_view(node.name) != "null") {
            continue;
        }
        const auto file = stubs_.make_file(dev.get(), node.name, Stubs::Goes::Always);
        static_cast<void>(fchmod(file.get(), kEverybody));
    }
}

void StandIns::put_file(std::string_view path, const std::string& text, const SandboxMount* secret) {
    const StandIn& place = make_room(locate_target(root(), path, false, stubs_));
    const KeepTime keep(place.parent.get());
    const FileDescriptor file(
        openat(place.parent.get(), place.name.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600));
    if (!file.valid()) {
        throw SystemError("cannot make " + printed(path), errno);
    }
    write_all_at(file.get(), 0, as_bytes(text), std::string(path));
    if (secret != nullptr && fchown(file.get(), secret->uid, secret->gid) != 0 && how_.owners) {
        throw SystemError("cannot give " + printed(path) + " to its user", errno);
    }
    if (fchmod(file.get(), secret != nullptr ? secret->mode : 0644) != 0) {
        throw SystemError("cannot set the mode of " + printed(path), errno);
    }
}

void StandIns::add(const SandboxMount& mount) {
    switch (mount.type) {
        case SandboxMount::Type::Bind:
            return add_bind(mount);
        case SandboxMount::Type::Tmpfs:
            return add_tmpfs(mount);
        case SandboxMount::Type::Secret:
            return put_file(mount.target, mount.content, &mount);
    }
}

void StandIns::add_bind(const SandboxMount& mount) {
    struct stat status {};
    auto source = open_source(mount, status);
    if (S_ISSOCK(status.st_mode)) {
        Error error(ErrorCode::Unsupported, "a socket cannot be given to a command where nothing can be mounted");
        error.advise("SSH agents need isolation root, userns or single-user");
        throw error;
    }
    StandIn& place = make_room(locate_target(root(), mount.target, S_ISDIR(status.st_mode), stubs_));
    const KeepTime keep(place.parent.get());
    copy_entry(source.get(), place.parent.get(), place.name, run_);
    if (S_ISDIR(status.st_mode) && !mount.read_only && !mount.discard) {
        place.into = std::move(source);
    }
}

void StandIns::add_tmpfs(const SandboxMount& mount) {
    const StandIn& place = make_room(locate_target(root(), mount.target, true, stubs_));
    const KeepTime keep(place.parent.get());
    const char* name = place.name.c_str();
    if (mkdirat(place.parent.get(), name, 0700) != 0 ||
        (how_.owners && fchownat(place.parent.get(), name, mount.uid, mount.gid, AT_SYMLINK_NOFOLLOW) != 0) ||
        fchmodat(place.parent.get(), name, mount.mode == 0 ? 01777 : mount.mode & 07777U, 0) != 0) {
        throw SystemError("cannot make " + printed(mount.target), errno);
    }
}

}  // namespace cooper::build::sandbox
