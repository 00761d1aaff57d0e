// The mounts of a command (private): made by a thread that has a mount namespace of its own, before the command starts.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/sandbox/places.hpp"
#include "build/sandbox/root_place.hpp"
#include "build/sandbox/stubs.hpp"

#include <filesystem>
#include <list>
#include <memory>
#include <string>

namespace cooper::build::sandbox {

/// Flags for all of a mount, on top of those that it has: one in a user namespace must keep what it came with. The
/// mounts below it too where the kernel can (5.12), `mounted` is its root. Throws SystemError.
void add_mount_flags(int mounted, unsigned long flags);

class Mounts final : public RootPlace {
public:
    /// The calling thread has a mount namespace of its own. Makes `root` a mount and takes it as the place of all that
    /// follows. Borrows.
    /// `old_proc`: this machine's /proc instead of one of its own.
    Mounts(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how, Stubs& stubs,
           bool old_proc, const Run& run);
    Mounts(const Mounts&) = delete;
    Mounts& operator=(const Mounts&) = delete;
    ~Mounts() override;

    void make_ready() override;
    void let_go() override;
    /// Mounts go with their namespace.
    void take_back() override { discarded_.clear(); }
    [[nodiscard]] int root() const noexcept override { return root_.get(); }
    [[nodiscard]] int proc() const noexcept override { return proc_.get(); }
    [[nodiscard]] int working_directory() const noexcept override { return working_directory_.get(); }

private:
    /// What a mount is put on.
    struct Target {
        FileDescriptor parent;
        std::string name;
        FileDescriptor file;
    };

    Target make_target(std::string_view path, bool directory);
    Target make_kernel_directory(const std::string& name);
    /// The root of the mount that now covers `target`.
    static FileDescriptor mounted_on(const Target& target);
    void mount_file_system(const Target& target, const char* type, unsigned long flags, const std::string& options);
    FileDescriptor bind(int source, const Target& target, unsigned long flags);

    void make_dev();
    bool make_devices(const Target& dev);
    void bind_device(int devices, const DeviceNode& device, unsigned long flags);
    [[nodiscard]] Target in_dev(const char* name) const;
    void make_sys();
    void bind_text(std::string_view path, const std::string& text, const SandboxMount* secret);
    void add(const SandboxMount& mount);
    void add_bind(const SandboxMount& mount);
    void bind_discarding(int source, bool directory, const Target& target);
    void mount_discarding_overlay(int source, const Target& target);
    void add_tmpfs(const SandboxMount& mount);

    const SandboxCommand& command_;
    const Confinement& how_;
    Stubs& stubs_;
    bool old_proc_;
    const Run& run_;
    FileDescriptor root_;
    FileDescriptor proc_;
    FileDescriptor dev_;
    FileDescriptor working_directory_;
    int texts_ = 0;
    std::list<TempDirectory> discarded_;  ///< what is written to mounts that discard it
};

}  // namespace cooper::build::sandbox
