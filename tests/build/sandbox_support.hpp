// Small root file systems with busybox, and commands run in them.
#pragma once

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/sandbox.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iostream>
#include <string>
#include <vector>

namespace cooper::testing {

inline constexpr const char* kBusybox = "/bin/busybox";

/// Says why, when commands cannot be run in mode Root here.
inline bool sandbox_is_possible() {
    if (geteuid() == 0 && std::filesystem::exists(kBusybox)) {
        const TempDirectory probed_on;
        for (const auto& trial : build::try_isolations(probed_on.path())) {
            if (trial.isolation == build::Isolation::Root && trial.works) {
                return true;
            }
        }
    }
    std::cout << "SKIPPED: needs root, namespaces and busybox-static\n";
    return false;
}

/// /bin/busybox, /etc/passwd, /etc/group and what a test adds. The directories' times are old.
class SandboxRoot {
public:
    SandboxRoot() {
        for (const char* name : {"bin", "etc", "tmp"}) {
            std::filesystem::create_directories(path(name));
        }
        std::filesystem::copy_file(kBusybox, path("bin/busybox"));
        for (const char* name :
             {"sh",       "cat",   "chmod", "chown", "chroot", "cut",   "date",  "df",     "env",      "grep",   "head",
              "hostname", "id",    "ip",    "ls",    "mkdir",  "mknod", "mount", "nohup",  "readlink", "reboot", "rm",
              "setsid",   "sleep", "stat",  "tail",  "touch",  "tr",    "true",  "umount", "unshare",  "wc"}) {
            std::filesystem::create_symlink("busybox", path("bin") / name);
        }
        file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/sh\n");
        file("etc/group", "root:x:0:\nuser:x:1000:\nwheel:x:10:root,user\naudio:x:29:user\n");
        chmod(path("").c_str(), 0755);
        set_old_times();
    }
    [[nodiscard]] std::filesystem::path path(const std::string& name = "") const { return root_.path() / name; }
    void file(const std::string& name, const std::string& text, mode_t mode = 0644) const {
        std::filesystem::create_directories(path(name).parent_path());
        std::ofstream(path(name), std::ios::binary) << text;
        chmod(path(name).c_str(), mode);
    }
    [[nodiscard]] std::string text(const std::string& name) const { return read_file(path(name), 1 << 20); }
    [[nodiscard]] bool has(const std::string& name) const {
        struct stat status {};
        return lstat(path(name).c_str(), &status) == 0;
    }
    void set_old_times() const {
        const timespec times[2] = {{kOld, 0}, {kOld, 0}};
        for (const char* name : {"", "bin", "etc", "tmp"}) {
            utimensat(AT_FDCWD, path(name).c_str(), times, 0);
        }
    }
    [[nodiscard]] std::int64_t time_of(const std::string& name) const {
        struct stat status {};
        return lstat(path(name).c_str(), &status) == 0 ? status.st_mtim.tv_sec : 0;
    }

    static constexpr std::int64_t kOld = 1'500'000'000;

private:
    TempDirectory root_;
};

inline build::Confinement root_confinement() {
    build::Confinement how;
    how.isolation = build::Isolation::Root;
    how.overlay = how.owners = how.devices = true;
    return how;
}

inline build::SandboxCommand shell_command(const std::string& script) {
    build::SandboxCommand command;
    command.arguments = {"sh", "-c", script};
    command.environment = {"PATH=/bin"};
    return command;
}

struct Ran {
    build::SandboxResult result;
    std::string output;
};

inline Ran run_sandboxed(const SandboxRoot& root, const build::SandboxCommand& command, const Run& run = {}) {
    Ran ran;
    ran.result = build::run_in_sandbox(
        root.path(), command, root_confinement(), [&](Bytes chunk) { ran.output += std::string(as_text(chunk)); }, run);
    return ran;
}

inline Ran run_script(const SandboxRoot& root, const std::string& script) {
    return run_sandboxed(root, shell_command(script));
}

}  // namespace cooper::testing
