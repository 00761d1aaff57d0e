// The processes of a sandbox (private): the one that watches over the others, and the command.
//
// They are made by a process with threads, so until exec they may only call the kernel: everything that they need lies
// ready in a ChildPlan, and nothing is allocated, locked or thrown.
#pragma once

#include <linux/filter.h>
#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace cooper::build::sandbox {

/// The 14 that Docker gives: chown, dac_override, fsetid, fowner, mknod, net_raw, setgid, setuid, setfcap, setpcap,
/// net_bind_service, sys_chroot, kill, audit_write.
inline constexpr std::uint64_t kCommandCapabilities = 0xa80425fb;

/// What a child tells through the pipe `report`, in one write.
struct ChildReport {
    enum class Kind : std::uint32_t {
        Ended,        ///< value: the wait status of the command
        SetUp,        ///< value: errno, at: the index of a step in kSteps
        ProcRefused,  ///< value: errno; proc cannot be mounted
        Exec,         ///< value: errno, at: the index in `candidates`
    };
    Kind kind;
    std::int32_t value;
    std::int32_t at;
};

/// Steps of the children that can fail, for messages.
enum class ChildStep : std::int32_t {
    EnterRoot,
    MaskKernelFiles,
    EnterWorkingDirectory,
    ConnectStreams,
    StartCommand,
    DropCapabilities,
    InstallFilter,
    SetUser,
};
std::string describe(ChildStep step);

struct ChildPlan {
    enum class Root : std::uint8_t {
        Pivot,  ///< a mount namespace of its own
        Chroot
    };
    Root how = Root::Pivot;
    bool own_processes = true;   ///< a process namespace: all end with its first process
    int root = -1;               ///< O_PATH
    int proc = -1;               ///< O_PATH, to mount a new proc on; -1: it is there, or there is none
    int working_directory = -1;  ///< O_PATH
    int input = -1;              ///< of the terminal, or -1: /dev/null of the root
    int output = -1;
    int errors = -1;
    int spare_input = -1;  ///< where the root has no /dev/null
    int report = -1;
    bool terminal = false;
    char* title_begin = nullptr;  ///< our own arguments, which others could read in /proc/1/cmdline
    std::size_t title_size = 0;

    std::vector<const char*> candidates;  ///< programs that are tried
    std::vector<char*> arguments;         ///< with nullptr
    std::vector<char*> environment;       ///< with nullptr
    uid_t uid = 0;
    gid_t gid = 0;
    std::vector<gid_t> groups;
    bool change_ids = true;  ///< false where there is but one id
    std::uint64_t capabilities = kCommandCapabilities;
    bool no_new_privileges = false;
    std::vector<sock_filter> filter;  ///< may be empty
};

/// Starts both; returns the id of the watching one. The calling thread must outlive it: with the thread goes the
/// sandbox. All signals must be blocked. Throws SystemError.
pid_t start_children(const ChildPlan& plan);

}  // namespace cooper::build::sandbox
