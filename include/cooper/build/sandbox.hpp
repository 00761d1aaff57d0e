// Running a command in a root file system of its own: what RUN needs, and usable by itself.
//
// Linux namespaces, user_namespaces(7), mount_namespaces(7), seccomp(2), capabilities(7); `dockerfile.md` sections 10
// and 11, `trust-and-delivery.md` 5.2. How the four modes differ is decided once, before the process has threads:
//
//     const Confinement how = confine_process(std::nullopt);      // first thing in main(); may fork
//     …
//     const SandboxResult result = run_in_sandbox(root, command, how, print, run);
#pragma once

#include "cooper/base/run.hpp"
#include "cooper/base/stream.hpp"

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

enum class Isolation : std::uint8_t {
    Root,        ///< CAP_SYS_ADMIN: namespaces, overlay mounts, real owners, devices (made, never opened)
    UserRange,   ///< a user namespace with a range of ids (newuidmap, /etc/subuid): as Root, without devices
    SingleUser,  ///< a user namespace with one id: all files 0:0, changes of owners are pretended (seccomp)
    Chroot,      ///< chroot(2) alone: copies for mounts, no private network, /proc is missing; no protection
    None,        ///< nothing of it: images without RUN
};

/// "root", "userns", "single-user", "chroot", "none".
std::string_view to_string(Isolation isolation) noexcept;
/// The same names, and "auto" as nullopt (BuildKit's and buildah's words are taken too: "rootless" is userns, "oci" is
/// auto). Throws Error{InvalidInput} that lists them.
std::optional<Isolation> parse_isolation(std::string_view text);

/// What this process may do from now on.
struct Confinement {
    Isolation isolation = Isolation::None;
    bool overlay = false;     ///< overlay file systems can be mounted on `probed_on`'s file system
    bool user_xattr = false;  ///< they need the option userxattr
    bool owners = false;      ///< files can be given any owner
    bool devices = false;     ///< device nodes can be made
    std::string explanation;  ///< why nothing better: "no subordinate ids for user build in /etc/subuid; …"
};

struct ConfineOptions {
    std::optional<Isolation> wanted;  ///< nullopt: the best that works
    std::filesystem::path probed_on;  ///< an existing directory on the file system where trees will lie
};

/// Tries, in child processes, which modes work here; and puts the process into the chosen one. Root: a mount namespace
/// of its own, so that no mount outlives the process. UserRange, SingleUser: **forks**; the child returns, root in its
/// user namespace, the parent forwards signals, waits, and ends with the child's status. So it is to be called before
/// any thread exists and before output is buffered; a second call returns the first one's answer. Throws
/// Error{Unsupported} when `wanted` does not work, with the reason and what to try; Error{InvalidInput} when the
/// process has threads.
Confinement confine_process(const ConfineOptions& options);

/// One line a mode: whether it works here, and why not. For the test suite and `cooper build --isolation help`.
struct IsolationTrial {
    Isolation isolation;
    bool works = false;
    std::string why_not;
};
std::vector<IsolationTrial> try_isolations(const std::filesystem::path& probed_on);

/// Who a command runs as.
struct SandboxUser {
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::vector<std::uint32_t> groups;  ///< supplementary
    std::string home = "/";
};

/// "name", "name:group", "1000", "1000:1000", "" (root) looked up in /etc/passwd and /etc/group of `root`, beneath it
/// and with Docker's rules (USER of `dockerfile.md` section 4). Throws Error{InvalidInput} for an unknown name.
SandboxUser find_user(const std::filesystem::path& root, std::string_view user);

struct SandboxMount {
    enum class Type : std::uint8_t {
        Bind,  ///< a directory or file
        Tmpfs,
        Secret  ///< a file with `content`, on a tmpfs; never on a disk but in mode Chroot
    };
    Type type = Type::Bind;
    std::filesystem::path source;  ///< Bind: outside path that is trusted
    std::string below;             ///< Bind: path below source, from outside: links are followed inside source only
    std::string target;            ///< absolute, in the root; missing ones are made and taken away afterwards
    bool read_only = false;
    bool discard = false;    ///< Bind: writes are allowed and thrown away
    std::uint64_t size = 0;  ///< Tmpfs: bytes; 0: the kernel's own limit
    std::uint32_t mode = 0;  ///< Tmpfs, Secret
    std::uint32_t uid = 0;
    std::uint32_t gid = 0;
    std::string content;  ///< Secret
};

struct SandboxCommand {
    std::vector<std::string> arguments;    ///< [0] with '/' or found in PATH of `environment`, in the root
    std::vector<std::string> environment;  ///< all of it, "K=V"; in SingleUser APT_CONFIG is added
    std::string working_directory = "/";   ///< made when it is missing (0755, the user's)
    SandboxUser user;
    std::vector<SandboxMount> mounts;  ///< in this order
    enum class Network : std::uint8_t { Host, None };
    Network network = Network::Host;
    std::string hostname = "buildkitsandbox";
    std::vector<std::pair<std::string, std::string>> extra_hosts;  ///< name, address
    /// Files that are there only while it runs: heredoc scripts below /dev/pipes (absolute path, content, 0755).
    std::vector<std::pair<std::string, std::string>> scripts;
    bool terminal = false;  ///< standard streams are ours (a shell to look around); `output` gets nothing
};

struct SandboxResult {
    int exit_status = 0;  ///< 128 + signal when it was killed
    int signal = 0;
};

/// Runs to the end; nothing that it started runs when this returns or throws. `root` is the file system, a mount or a
/// plain directory, changed by the command and by nothing else: what had to be made for mounts, /proc, /dev, /sys,
/// /etc/resolv.conf and /etc/hosts is gone afterwards and the times of its parents are as before. `output` gets
/// standard output and error as they come, in the calling thread. A stop request kills the whole tree of processes.
/// Safe from several threads, with different roots. Throws Error{NotFound} when the program is not there,
/// Error{Unsupported} for what the mode cannot do (Network::None in Chroot), SystemError, Cancelled.
SandboxResult run_in_sandbox(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how,
                             const std::function<void(Bytes)>& output, const Run& run);

}  // namespace cooper::build
