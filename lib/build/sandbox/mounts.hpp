// The mounts of a command (private): made by a thread that has a mount namespace of its own, before the command starts.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/sandbox/root_paths.hpp"
#include "build/sandbox/stubs.hpp"

#include <filesystem>
#include <list>
#include <memory>
#include <string>

namespace cooper::build::sandbox {

/// Flags for all of a mount, on top of those that it has: one in a user namespace must keep what it came with. The
/// mounts below it too where the kernel can (5.12), `mounted` is its root. Throws SystemError.
void add_mount_flags(int mounted, unsigned long flags);

class Mounts {
public:
    /// The calling thread has a mount namespace of its own. Makes `root` a mount and takes it as the place of all that
    /// follows. Borrows.
    Mounts(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how, Stubs& stubs);
    Mounts(const Mounts&) = delete;
    Mounts& operator=(const Mounts&) = delete;
    ~Mounts();

    /// /dev, /sys, /etc/hosts, /etc/resolv.conf, the command's mounts and scripts, its working directory.
    /// `old_proc`: this machine's /proc instead of one of its own.
    void make_all(bool old_proc);

    [[nodiscard]] int root() const noexcept { return root_.get(); }
    /// To mount a new proc on; invalid with the old one.
    [[nodiscard]] int proc() const noexcept { return proc_.get(); }
    [[nodiscard]] int working_directory() const noexcept { return working_directory_.get(); }

private:
    /// What a mount is put on.
    struct Target {
        FileDescriptor parent;
        std::string name;
        FileDescriptor file;
    };
    enum class Kind { Directory, File };

    Target make_target(std::string_view path, Kind kind);
    Target make_kernel_directory(const std::string& name);
    /// The root of the mount that now covers `target`.
    static FileDescriptor mounted_on(const Target& target);
    void mount_file_system(const Target& target, const char* type, unsigned long flags, const std::string& options);
    FileDescriptor bind(int source, const Target& target, unsigned long flags);

    void make_dev();
    void make_dev_nodes(int dev);
    void make_sys();
    void bind_text(std::string_view path, const std::string& text, const SandboxMount* secret);
    void add(const SandboxMount& mount);
    void add_bind(const SandboxMount& mount);
    void bind_discarding(int source, bool directory, const Target& target);
    void mount_discarding_overlay(int source, const Target& target);
    void add_tmpfs(const SandboxMount& mount);
    void add_script(const std::string& path, const std::string& content);
    void enter_working_directory();
    [[nodiscard]] MakeDirectory stub_maker();

    const SandboxCommand& command_;
    const Confinement& how_;
    Stubs& stubs_;
    FileDescriptor root_;
    FileDescriptor proc_;
    FileDescriptor dev_;
    FileDescriptor working_directory_;
    int texts_ = 0;
    std::list<TempDirectory> discarded_;  ///< what is written to mounts that discard it
};

}  // namespace cooper::build::sandbox
