// The thread that prepares a sandbox and outlives it (private).
//
// A thread can have a mount namespace of its own. So the mounts are made by ordinary code, with exceptions and memory,
// in a process with other threads; only the few steps after clone(2) are left to raw system calls.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/sandbox/child.hpp"
#include "build/sandbox/root_place.hpp"
#include "build/sandbox/stubs.hpp"

#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace cooper::build::sandbox {

/// Whether a new /proc was refused in this process before: in containers that hide parts of theirs it always is.
bool new_proc_is_refused() noexcept;
void remember_that_new_proc_is_refused() noexcept;

class Keeper {
public:
    /// Borrows; `output` (-1: ours) and `report` are the ends of pipes that the children write to.
    Keeper(const std::filesystem::path& root, const SandboxCommand& command, const Confinement& how, Stubs& stubs,
           bool old_proc, int output, int report, const Run& run);
    Keeper(const Keeper&) = delete;
    Keeper& operator=(const Keeper&) = delete;
    ~Keeper();

    /// Returns when the command has been started, or throws what kept it from it.
    void start();
    /// Becomes readable when nothing of the command runs any more.
    [[nodiscard]] int ended_event() const noexcept { return ended_.get(); }
    /// All of it.
    void kill() const noexcept;
    /// Returns when nothing runs any more and the namespaces are gone.
    void join();
    /// After that: the root as the command leaves it.
    void take_back();

private:
    void run();
    void prepare_and_start();
    void start_in_place();
    void enter_namespaces();
    ChildPlan make_plan();
    void add_apt_configuration();
    void fill_command(ChildPlan& plan);

    const std::filesystem::path& root_;
    const SandboxCommand& command_;
    const Confinement& how_;
    Stubs& stubs_;
    bool old_proc_;
    int output_;
    int report_;
    const Run& run_;
    FileDescriptor ended_;
    FileDescriptor spare_input_;
    std::vector<std::string> candidates_;
    std::vector<std::string> arguments_;
    std::vector<std::string> environment_;
    std::unique_ptr<RootPlace> place_;
    std::promise<void> started_;
    pid_t watcher_ = -1;
    bool own_processes_ = true;
    std::thread thread_;
};

}  // namespace cooper::build::sandbox
