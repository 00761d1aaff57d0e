// Runs a program as a container without privileges would: `without_namespaces PROGRAM ARGUMENT...`. New namespaces and
// mounts answer EPERM, as under Docker's default profile; chroot and device nodes work where they did.
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdio>
#include <vector>

int main(int argc, char** argv) {
    if (argc < 2) {
        return 2;
    }
    constexpr std::array kRefused{SYS_unshare, SYS_setns, SYS_mount, SYS_umount2, SYS_pivot_root};
    std::vector<sock_filter> program{{BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(seccomp_data, nr)}};
    for (const long call : kRefused) {
        program.push_back({BPF_JMP | BPF_JEQ | BPF_K, 0, 1, static_cast<unsigned>(call)});
        program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM});
    }
    program.push_back({BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW});
    const sock_fprog filter{static_cast<unsigned short>(program.size()), program.data()};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter) != 0) {
        std::perror("seccomp");
        return 125;
    }
    execv(argv[1], argv + 1);
    std::perror(argv[1]);
    return 125;
}
