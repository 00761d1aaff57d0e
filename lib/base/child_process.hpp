// Starting a program and waiting for it (private): what run_process and watch_process are made of.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/files.hpp"

#include <sys/types.h>

#include <functional>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace cooper::detail {

struct Pipe {
    FileDescriptor ours;  ///< never blocks
    FileDescriptor childs;
};
Pipe make_output_pipe();

/// Standard input as a file in memory: no writing while the program runs, so no SIGPIPE and no deadlock.
FileDescriptor make_input(const std::string& text);

struct ProgramStart {
    const std::vector<std::string>& arguments;
    const std::optional<std::map<std::string, std::string, std::less<>>>& environment;  ///< nullopt: inherited
    const std::string& working_directory;
    const FileDescriptor& input;
    const FileDescriptor& output;
    const FileDescriptor& errors;
};
/// In a process group of its own. Throws Error{InvalidInput} when there is no program among the arguments.
pid_t start_program(const ProgramStart& start);

/// A started program. Killed with its group and waited for when it goes unless it has ended.
class Child {
public:
    enum class Group { OutlivesIt, EndsWithIt };
    Child(pid_t id, Group group);
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child();

    /// Becomes readable when the program ends; invalid on kernels before 5.3.
    [[nodiscard]] const FileDescriptor& exit_event() const noexcept { return exit_event_; }
    bool has_ended();
    /// To all of its group; only until it has ended.
    void signal_group(int signal) const;
    [[nodiscard]] int exit_status() const noexcept { return exit_status_; }
    /// That ended it; 0: it ended by itself.
    [[nodiscard]] int signal() const noexcept { return signal_; }

private:
    void reap() noexcept;
    void wait_for_group() const noexcept;

    pid_t id_;
    Group group_;
    FileDescriptor exit_event_;
    bool ended_ = false;
    int exit_status_ = 0;
    int signal_ = 0;
};

/// A descriptor that becomes readable when a stop is requested.
class StopEvent {
public:
    explicit StopEvent(const std::stop_token& stop);
    [[nodiscard]] int descriptor() const noexcept { return event_.get(); }

private:
    FileDescriptor event_;
    std::stop_callback<std::function<void()>> callback_;
};

}  // namespace cooper::detail
