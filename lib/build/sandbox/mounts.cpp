#include "build/sandbox/mounts.hpp"

#include "cooper/base/error.hpp"

#include "build/sandbox/network_files.hpp"
#include "build/sandbox/tree_sync.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>

namespace cooper::build::sandbox {

namespace {

// As Docker has them.
constexpr const char* kDevOptions = "mode=755,size=65536k";
constexpr const char* kShmOptions = "mode=1777,size=65536k";
constexpr unsigned long kNothing = MS_NOSUID | MS_NODEV | MS_NOEXEC;

/// linux/mount.h and sys/mount.h cannot be included together.
struct MountAttributes {
    std::uint64_t set = 0;
    std::uint64_t clear = 0;
    std::uint64_t propagation = 0;
    std::uint64_t user_namespace = 0;
};
constexpr long kSysMountSetattr = 442;

std::uint64_t attributes_of(unsigned long flags) {
    constexpr std::uint64_t kReadOnly = 1;
    constexpr std::uint64_t kNoSuid = 2;
    constexpr std::uint64_t kNoDev = 4;
    constexpr std::uint64_t kNoExec = 8;
    return ((flags & MS_RDONLY) != 0 ? kReadOnly : 0) | ((flags & MS_NOSUID) != 0 ? kNoSuid : 0) |
           ((flags & MS_NODEV) != 0 ? kNoDev : 0) | ((flags & MS_NOEXEC) != 0 ? kNoExec : 0);
}

unsigned long flags_of(int mounted) {
    struct statvfs status {};
    if (fstatvfs(mounted, &status) != 0) {
        throw SystemError("cannot look at a mount", errno);
    }
    constexpr std::array<std::pair<unsigned long, unsigned long>, 7> kPairs{{{ST_RDONLY, MS_RDONLY},
                                                                             {ST_NOSUID, MS_NOSUID},
                                                                             {ST_NODEV, MS_NODEV},
                                                                             {ST_NOEXEC, MS_NOEXEC},
                                                                             {ST_NOATIME, MS_NOATIME},
                                                                             {ST_NODIRATIME, MS_NODIRATIME},
                                                                             {ST_RELATIME, MS_RELATIME}}};
    unsigned long flags = 0;
    for (const auto& [from, to] : kPairs) {
        flags |= (status.f_flag & from) != 0 ? to : 0;
    }
    return flags;
}

FileDescriptor open_at(int directory, const std::string& name, int flags) {
    FileDescriptor file(openat(directory, name.c_str(), flags | O_CLOEXEC));
    if (!file.valid()) {
        throw SystemError("cannot open '" + oci::printable(name) + "'", errno);
    }
    return file;
}

}  // namespace

void add_mount_flags(int mounted, unsigned long flags) {
    const MountAttributes attributes{attributes_of(flags), 0, 0, 0};
    if (syscall(kSysMountSetattr, mounted, "", AT_EMPTY_PATH | AT_RECURSIVE, &attributes, sizeof attributes) == 0) {
        return;
    }
    const auto all = MS_REMOUNT | MS_BIND | flags | flags_of(mounted);
    if (mount(nullptr, name_of_descriptor(mounted).c_str(), nullptr, all, nullptr) != 0) {
        throw SystemError("cannot restrict a mount", errno);
    }
}

Mounts::Mounts(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how, Stubs& stubs,
               bool old_proc, const Run& run)
    : command_(command), how_(how), stubs_(stubs), old_proc_(old_proc), run_(run) {
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        throw SystemError("cannot make mounts private", errno);
    }
    if (mount(root.c_str(), root.c_str(), nullptr, MS_BIND, nullptr) != 0) {
        throw SystemError("cannot mount " + root.string(), errno);
    }
    root_ = open_directory(root.string());
    // Nodes that the command makes, or that an image brings, open no device of this machine.
    add_mount_flags(root_.get(), MS_NODEV);
}

Mounts::~Mounts() = default;

void Mounts::let_go() {
    for (FileDescriptor* each : {&root_, &proc_, &dev_, &working_directory_}) {
        *each = FileDescriptor();
    }
}

Mounts::Target Mounts::make_target(std::string_view path, bool directory) {
    Located found = locate_target(root(), path, directory, stubs_);
    if (!found.file.valid()) {
        if (directory) {
            stubs_.make_directory(found.parent.get(), found.name);
        } else {
            stubs_.make_file(found.parent.get(), found.name, Stubs::Goes::WhenEmpty);
        }
        found.file = open_at(found.parent.get(), found.name, O_PATH | O_NOFOLLOW);
    }
    return {std::move(found.parent), std::move(found.name), std::move(found.file)};
}

/// No links here: an image whose /proc leads elsewhere would have the kernel's files masked in the wrong place.
Mounts::Target Mounts::make_kernel_directory(const std::string& name) {
    FileDescriptor file(openat(root(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!file.valid() && errno == ENOENT) {
        stubs_.make_directory(root(), name);
        file = open_at(root(), name, O_PATH | O_NOFOLLOW);
    }
    struct stat status {};
    if (!file.valid() || fstat(file.get(), &status) != 0) {
        throw SystemError("cannot open /" + name + " of the image", errno);
    }
    if (!S_ISDIR(status.st_mode)) {
        throw Error(ErrorCode::InvalidInput, "/" + name + " of the image is no directory, so it cannot be mounted on");
    }
    return {FileDescriptor(fcntl(root(), F_DUPFD_CLOEXEC, 0)), name, std::move(file)};
}

FileDescriptor Mounts::mounted_on(const Target& target) {
    return open_at(target.parent.get(), target.name, O_PATH | O_NOFOLLOW);
}

void Mounts::mount_file_system(const Target& target, const char* type, unsigned long flags,
                               const std::string& options) {
    if (mount(type, name_of_descriptor(target.file.get()).c_str(), type, flags, options.c_str()) != 0) {
        throw SystemError("cannot mount " + std::string(type) + " on /" + oci::printable(target.name), errno);
    }
}

FileDescriptor Mounts::bind(int source, const Target& target, unsigned long flags) {
    if (mount(name_of_descriptor(source).c_str(), name_of_descriptor(target.file.get()).c_str(), nullptr,
              MS_BIND | MS_REC, nullptr) != 0) {
        throw SystemError("cannot mount on " + printed(target.name), errno);
    }
    FileDescriptor mounted = mounted_on(target);
    add_mount_flags(mounted.get(), flags);
    return mounted;
}

void Mounts::make_ready() {
    make_dev();
    make_sys();
    const auto proc = make_kernel_directory("proc");
    if (old_proc_) {
        const auto machine_proc = open_directory("/proc");
        bind(machine_proc.get(), proc, kNothing);
    } else {
        // Until then nothing can be made there: what lies below /proc would be hidden by it.
        mount_file_system(proc, "tmpfs", kNothing | MS_RDONLY, "mode=555,size=4k");
        proc_ = mounted_on(proc);
    }
    bind_text("/etc/resolv.conf", resolv_conf_file(), nullptr);
    bind_text("/etc/hosts", hosts_file(command_), nullptr);
    for (const auto& mount : command_.mounts) {
        in_context("mounting on " + printed(mount.target), [&] { add(mount); });
    }
    for (const auto& [path, content] : command_.scripts) {
        put_script(root(), stubs_, path, content);
    }
    if (how_.isolation == Isolation::SingleUser) {
        put_script(root(), stubs_, kAptConfiguration, kAptConfigurationText);
    }
    working_directory_ = make_working_directory(root(), command_, how_);
}

void Mounts::make_dev() {
    const auto target = make_kernel_directory("dev");
    const bool own_devices = how_.devices && make_devices(target);
    const FileDescriptor devices = own_devices ? mounted_on(target) : open_directory("/dev");
    mount_file_system(target, "tmpfs", MS_NOSUID | MS_NODEV, kDevOptions);
    dev_ = mounted_on(target);
    for (const auto& node : kDeviceNodes) {
        bind_device(devices.get(), node, own_devices ? 0UL : static_cast<unsigned long>(MS_RDONLY));
    }
    constexpr std::array<std::pair<const char*, const char*>, 5> kLinks{{{"/proc/self/fd", "fd"},
                                                                         {"/proc/self/fd/0", "stdin"},
                                                                         {"/proc/self/fd/1", "stdout"},
                                                                         {"/proc/self/fd/2", "stderr"},
                                                                         {"pts/ptmx", "ptmx"}}};
    for (const auto& [to, name] : kLinks) {
        if (symlinkat(to, dev_.get(), name) != 0) {
            throw SystemError("cannot make /dev/" + std::string(name), errno);
        }
    }
    const auto on = [&](const char* name) {
        if (mkdirat(dev_.get(), name, 0755) != 0) {
            throw SystemError("cannot make /dev/" + std::string(name), errno);
        }
        return in_dev(name);
    };
    const bool has_groups = how_.isolation != Isolation::SingleUser;
    const std::string pts_options = "newinstance,ptmxmode=0666,mode=0620";
    mount_file_system(on("pts"), "devpts", MS_NOSUID | MS_NOEXEC, has_groups ? pts_options + ",gid=5" : pts_options);
    mount_file_system(on("shm"), "tmpfs", kNothing, kShmOptions);
    mount_file_system(on("mqueue"), "mqueue", kNothing, "");
}

Mounts::Target Mounts::in_dev(const char* name) const {
    return {FileDescriptor(fcntl(dev_.get(), F_DUPFD_CLOEXEC, 0)), name,
            open_at(dev_.get(), name, O_PATH | O_NOFOLLOW)};
}

/// On a file system that /dev will cover: bound from there they are the only devices that can be opened, while
/// /dev itself is nodev like the rest. False where we may not make nodes.
bool Mounts::make_devices(const Target& dev) {
    mount_file_system(dev, "tmpfs", MS_NOSUID | MS_NOEXEC, "mode=755,size=4k");
    const auto place = mounted_on(dev);
    for (const auto& node : kDeviceNodes) {
        if (mknodat(place.get(), node.name, S_IFCHR | 0666, makedev(node.major, node.minor)) != 0 ||
            fchmodat(place.get(), node.name, 0666, 0) != 0) {
            return false;
        }
    }
    return true;
}

/// The machine's own nodes are bound read-only, so that their modes and owners stay as they are: they can be written to
/// all the same.
void Mounts::bind_device(int devices, const DeviceNode& device, unsigned long flags) {
    const FileDescriptor node(openat(devices, device.name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat status {};
    if (!node.valid() || fstat(node.get(), &status) != 0 || !S_ISCHR(status.st_mode)) {
        return;
    }
    open_at(dev_.get(), device.name, O_CREAT | O_EXCL | O_RDONLY | O_NOFOLLOW);
    bind(node.get(), in_dev(device.name), flags | MS_NOSUID | MS_NOEXEC);
}

void Mounts::make_sys() {
    const auto target = make_kernel_directory("sys");
    if (mount("sysfs", name_of_descriptor(target.file.get()).c_str(), "sysfs", kNothing | MS_RDONLY, nullptr) == 0) {
        return;
    }
    // In a user namespace with the machine's network: what is there, without a way to write to it.
    try {
        const auto machine_sys = open_directory("/sys");
        bind(machine_sys.get(), target, kNothing | MS_RDONLY);
    } catch (const SystemError&) {
        mount_file_system(target, "tmpfs", kNothing | MS_RDONLY, "mode=555");
    }
}

/// A file that is on no disk: on the file system of /dev, where it has lost its name when the command starts.
void Mounts::bind_text(std::string_view path, const std::string& text, const SandboxMount* secret) {
    const auto target = make_target(path, false);
    const std::string name = ".text-" + std::to_string(texts_++);
    const FileDescriptor file(openat(dev_.get(), name.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!file.valid()) {
        throw SystemError("cannot make a file in memory for " + printed(path), errno);
    }
    write_all_at(file.get(), 0, as_bytes(text), std::string(path));
    if (secret != nullptr && how_.owners && fchown(file.get(), secret->uid, secret->gid) != 0) {
        throw SystemError("cannot give " + printed(path) + " to user " + std::to_string(secret->uid), errno);
    }
    if (fchmod(file.get(), secret != nullptr ? secret->mode : 0644) != 0) {
        throw SystemError("cannot set the mode of " + printed(path), errno);
    }
    bind(file.get(), target, secret != nullptr ? kNothing | MS_RDONLY : kNothing);
    if (unlinkat(dev_.get(), name.c_str(), 0) != 0) {
        throw SystemError("cannot hide the file of " + printed(path), errno);
    }
}

void Mounts::add(const SandboxMount& mount) {
    switch (mount.type) {
        case SandboxMount::Type::Bind:
            return add_bind(mount);
        case SandboxMount::Type::Tmpfs:
            return add_tmpfs(mount);
        case SandboxMount::Type::Secret:
            return bind_text(mount.target, mount.content, &mount);
    }
}

void Mounts::add_bind(const SandboxMount& mount) {
    struct stat status {};
    const auto source = open_source(mount, status);
    const bool directory = S_ISDIR(status.st_mode);
    const auto target = make_target(mount.target, directory);
    if (mount.discard && !mount.read_only) {
        return bind_discarding(source.get(), directory, target);
    }
    bind(source.get(), target, mount.read_only ? MS_NODEV | MS_RDONLY : MS_NODEV);
}

void Mounts::bind_discarding(int source, bool directory, const Target& target) {
    if (directory && how_.overlay) {
        try {
            return mount_discarding_overlay(source, target);
        } catch (const SystemError&) {
            // The temporary directory's file system cannot be the upper one: a copy it is.
        }
    }
    const auto& place = discarded_.emplace_back("cooper-discard");
    const auto copy_parent = open_directory(place.path().string());
    copy_entry(source, copy_parent.get(), "copy", run_);
    const auto copy = open_at(copy_parent.get(), "copy", O_PATH | O_NOFOLLOW);
    bind(copy.get(), target, MS_NODEV);
}

void Mounts::mount_discarding_overlay(int source, const Target& target) {
    const auto& place = discarded_.emplace_back("cooper-discard");
    const auto directory = open_directory(place.path().string());
    for (const char* name : {"upper", "work"}) {
        if (mkdirat(directory.get(), name, 0755) != 0) {
            throw SystemError("cannot make a directory in " + place.path().string(), errno);
        }
    }
    // The merged directory has the upper one's owner and mode.
    struct stat status {};
    if (fstat(source, &status) != 0 || fchmodat(directory.get(), "upper", status.st_mode & 07777U, 0) != 0 ||
        (how_.owners && fchownat(directory.get(), "upper", status.st_uid, status.st_gid, 0) != 0)) {
        throw SystemError("cannot prepare a directory in " + place.path().string(), errno);
    }
    const auto upper = open_at(directory.get(), "upper", O_PATH);
    const auto work = open_at(directory.get(), "work", O_PATH);
    // By descriptor: paths may have colons and commas, which separate options.
    const std::string options = "lowerdir=" + name_of_descriptor(source) +
                                ",upperdir=" + name_of_descriptor(upper.get()) +
                                ",workdir=" + name_of_descriptor(work.get()) +
                                (how_.user_xattr ? ",userxattr" : ",index=off,metacopy=off,redirect_dir=off");
    mount_file_system(target, "overlay", MS_NODEV, options);
}

void Mounts::add_tmpfs(const SandboxMount& mount) {
    const auto target = make_target(mount.target, true);
    std::array<char, 16> mode{};
    std::snprintf(mode.data(), mode.size(), "%o", mount.mode == 0 ? 01777U : mount.mode & 07777U);
    std::string options = std::string("mode=") + mode.data();
    if (mount.size != 0) {
        options += ",size=" + std::to_string(mount.size);
    }
    if (how_.owners) {
        options += ",uid=" + std::to_string(mount.uid) + ",gid=" + std::to_string(mount.gid);
    }
    mount_file_system(target, "tmpfs",
                      MS_NOSUID | MS_NODEV | (mount.read_only ? static_cast<unsigned long>(MS_RDONLY) : 0UL), options);
}

}  // namespace cooper::build::sandbox
