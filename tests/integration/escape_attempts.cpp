// What a hostile RUN would ask the kernel for. Linked statically, to run in any image.
//
//     escape_attempts plant | remove      a key in the user's keyring, outside
//     escape_attempts try CANARY          inside: prints a line "ESCAPED: …" for whatever is not refused
#include <fcntl.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <new>

namespace {

constexpr char kKey[] = "cooper-escape-canary";
constexpr int kLastDescriptor = 4095;

void report(const char* what) {
    std::printf("ESCAPED: %s\n", what);
}

/// Missing rights are told before anything else is looked at; a call that gets further than that was allowed.
void refused(const char* what, long result) {
    if (result >= 0 || (errno != EPERM && errno != ENOSYS && errno != EACCES)) {
        std::printf("ESCAPED: %s: %s\n", what, result >= 0 ? "done" : std::strerror(errno));
    }
}

long find_key() {
    return syscall(SYS_keyctl, KEYCTL_SEARCH, KEY_SPEC_USER_KEYRING, "user", kKey, 0);
}

void try_keys() {
    for (const int ring : {KEY_SPEC_USER_KEYRING, KEY_SPEC_SESSION_KEYRING, KEY_SPEC_USER_SESSION_KEYRING}) {
        if (syscall(SYS_keyctl, KEYCTL_SEARCH, ring, "user", kKey, 0) >= 0) {
            report("a key of the machine");
        }
    }
}

void try_descriptors() {
    for (int descriptor = 3; descriptor <= kLastDescriptor; ++descriptor) {
        if (fcntl(descriptor, F_GETFD) >= 0) {
            report("an open descriptor");
        }
    }
}

/// "Shocker": a file by its inode's number, whatever directory it is in.
void try_handles() {
    constexpr std::array<std::uint32_t, 2> kRootOfExt4{2, 0};  // inode and generation
    constexpr std::size_t kSize = sizeof(file_handle) + sizeof kRootOfExt4;
    alignas(file_handle) std::array<std::byte, kSize> place{};
    file_handle* const handle = new (place.data()) file_handle;
    handle->handle_bytes = sizeof kRootOfExt4;
    handle->handle_type = 1;
    std::memcpy(handle->f_handle, kRootOfExt4.data(), sizeof kRootOfExt4);
    const int mount = open("/", O_RDONLY | O_DIRECTORY);
    if (open_by_handle_at(mount, handle, O_RDONLY) >= 0) {
        report("a file by its handle");
    }
    close(mount);
}

void try_namespaces() {
    for (const char* name : {"/proc/1/ns/mnt", "/proc/1/ns/pid", "/proc/1/ns/user"}) {
        const int ns = open(name, O_RDONLY);
        if (ns >= 0 && setns(ns, 0) == 0) {
            report(name);
        }
        close(ns);
    }
    refused("a mount namespace", unshare(CLONE_NEWNS));
}

void try_mounts() {
    refused("a tmpfs", mount("none", "/tmp", "tmpfs", 0, nullptr));
    refused("a bind mount", mount("/", "/tmp", nullptr, MS_BIND, nullptr));
    refused("another root", syscall(SYS_pivot_root, "/", "/"));
    refused("an unmount", umount2("/proc", MNT_DETACH));
    constexpr long kOpenTree = 428;
    constexpr long kOpenTreeClone = 1;
    refused("a copy of a mount", syscall(kOpenTree, AT_FDCWD, "/", kOpenTreeClone));
    constexpr long kFsOpen = 430;
    refused("a file system", syscall(kFsOpen, "tmpfs", 0));
}

void try_kernel() {
    refused("a module", syscall(SYS_init_module, "", 0UL, ""));
    refused("another kernel", syscall(SYS_kexec_load, 0UL, 0UL, nullptr, 0UL));
    refused("a restart", syscall(SYS_reboot, 0, 0, 0, nullptr));
    refused("swapping", syscall(SYS_swapon, "/nonexistent", 0));
    refused("accounting", syscall(SYS_acct, "/nonexistent"));
    if (ptrace(PTRACE_SEIZE, 1, nullptr, nullptr) == 0) {
        report("process 1");
    }
}

/// Last, since it moves the root of this process.
void try_chroot(const char* canary) {
    const int top = open("/", O_RDONLY | O_DIRECTORY);
    mkdir("/tmp/jail", 0755);
    if (chroot("/tmp/jail") != 0) {
        return;
    }
    constexpr int kLevels = 64;
    bool moved = fchdir(top) == 0;
    for (int level = 0; level < kLevels && moved; ++level) {
        moved = chdir("..") == 0;
    }
    struct stat status {};
    if (moved && chroot(".") == 0 && stat(canary, &status) == 0) {
        report("a second chroot");
    }
}

}  // namespace

int main(int argc, char** argv) {
    const char* const command = argc < 2 ? "" : argv[1];
    if (std::strcmp(command, "plant") == 0) {
        return syscall(SYS_add_key, "user", kKey, "x", 1UL, KEY_SPEC_USER_KEYRING) >= 0 ? 0 : 1;
    }
    if (std::strcmp(command, "remove") == 0) {
        return syscall(SYS_keyctl, KEYCTL_UNLINK, find_key(), KEY_SPEC_USER_KEYRING) == 0 ? 0 : 1;
    }
    if (std::strcmp(command, "try") != 0 || argc < 3) {
        return 2;
    }
    try_descriptors();
    try_keys();
    try_handles();
    try_namespaces();
    try_mounts();
    try_kernel();
    try_chroot(argv[2]);
    std::puts("all was tried");
    return 0;
}
