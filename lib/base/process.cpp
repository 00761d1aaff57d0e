#include "cooper/base/process.hpp"

#include "cooper/base/files.hpp"

#include "base/child_process.hpp"

#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

namespace cooper {

namespace {

using detail::Child;
using detail::StopEvent;
using SteadyTime = std::chrono::steady_clock::time_point;

/// What a pipe has now, at most a buffer full; 0: nothing more for now, or for good, and then the pipe is closed.
std::size_t read_some(FileDescriptor& pipe, MutableBytes buffer) {
    while (pipe.valid()) {
        const ssize_t count = read(pipe.get(), buffer.data(), buffer.size());
        if (count > 0) {
            return static_cast<std::size_t>(count);
        }
        if (count < 0 && errno == EINTR) {
            continue;
        }
        if (count == 0 || errno != EAGAIN) {
            pipe = FileDescriptor();
        }
        return 0;
    }
    return 0;
}

/// One output of the child and what has come from it.
class Collector {
public:
    Collector(FileDescriptor pipe, std::string& text, std::size_t limit)
        : pipe_(std::move(pipe)), text_(&text), limit_(limit) {}

    /// -1 (which poll ignores) once the program closed its end.
    [[nodiscard]] int descriptor() const noexcept { return pipe_.get(); }

    /// Takes what is there now.
    void drain(const std::string& program) {
        std::array<std::byte, 16 * 1024> buffer;
        while (const std::size_t count = read_some(pipe_, buffer)) {
            if (count > limit_ - text_->size()) {
                throw Error(ErrorCode::CommandFailed, program + " was stopped: it wrote more than the limit of " +
                                                          std::to_string(limit_) + " bytes");
            }
            text_->append(as_text(Bytes(buffer).first(count)));
        }
    }

private:
    FileDescriptor pipe_;
    std::string* text_;
    std::size_t limit_;
};

int wait_time(SteadyTime deadline, bool exit_is_signalled) {
    using std::chrono::milliseconds;
    constexpr milliseconds kExitPollInterval{20};  // only where the kernel cannot signal the exit
    constexpr milliseconds kLongest{60'000};
    const auto rest = std::chrono::ceil<milliseconds>(deadline - std::chrono::steady_clock::now());
    return static_cast<int>(
        std::clamp(rest, milliseconds(0), exit_is_signalled ? kLongest : kExitPollInterval).count());
}

/// As much as is taken at once, so that a program that never stops writing cannot keep us from its time limit.
constexpr std::size_t kPerRound = 1024 * 1024;

/// What a watched program says, handed on.
class Forwarder {
public:
    Forwarder(FileDescriptor pipe, const std::function<void(Bytes)>& to)
        : pipe_(std::move(pipe)), to_(to), buffer_(std::make_unique_for_overwrite<std::byte[]>(kStep)) {}

    [[nodiscard]] int descriptor() const noexcept { return pipe_.get(); }

    void forward() {
        for (std::size_t taken = 0; taken < kPerRound;) {
            const std::size_t count = read_some(pipe_, {buffer_.get(), kStep});
            if (count == 0) {
                return;
            }
            to_({buffer_.get(), count});
            taken += count;
        }
    }

private:
    static constexpr std::size_t kStep = 64 * 1024;  // a pipe holds no more

    FileDescriptor pipe_;
    const std::function<void(Bytes)>& to_;
    std::unique_ptr<std::byte[]> buffer_;
};

}  // namespace

ProcessResult run_process(const ProcessRequest& request, const Run& run) {
    run.check();
    const SteadyTime deadline = std::chrono::steady_clock::now() + request.timeout;
    const StopEvent stop_event(run.stop);

    const FileDescriptor input = detail::make_input(request.input);
    detail::Pipe output = detail::make_output_pipe();
    detail::Pipe errors = detail::make_output_pipe();
    Child child(detail::start_program({request.arguments, request.environment, request.working_directory, input,
                                       output.childs, errors.childs}),
                Child::Group::OutlivesIt);
    const std::string& program = request.arguments.front();
    output.childs = FileDescriptor();
    errors.childs = FileDescriptor();

    ProcessResult result;
    Collector out(std::move(output.ours), result.output, request.output_limit);
    Collector err(std::move(errors.ours), result.error_output, request.output_limit);
    while (!child.has_ended()) {
        std::array<pollfd, 4> events{{{out.descriptor(), POLLIN, 0},
                                      {err.descriptor(), POLLIN, 0},
                                      {child.exit_event().get(), POLLIN, 0},
                                      {stop_event.descriptor(), POLLIN, 0}}};
        const int ready = poll(events.data(), events.size(), wait_time(deadline, child.exit_event().valid()));
        if (ready < 0 && errno != EINTR) {
            throw SystemError("cannot wait for " + program, errno);
        }
        run.check();
        out.drain(program);
        err.drain(program);
        if (std::chrono::steady_clock::now() >= deadline && !child.has_ended()) {
            throw Error(ErrorCode::CommandFailed,
                        program + " did not end within " + format_duration(request.timeout) + " and was killed");
        }
    }
    // The end of the program counts, not the end of its outputs: something it left running may hold them open.
    out.drain(program);
    err.drain(program);
    result.exit_status = child.exit_status();
    return result;
}

WatchResult watch_process(const WatchRequest& request, const Run& run) {
    run.check();
    SteadyTime deadline = std::chrono::steady_clock::now() + request.timeout;
    const StopEvent stop_event(run.stop);

    const FileDescriptor input = detail::make_input("");
    detail::Pipe pipe = detail::make_output_pipe();
    Child child(detail::start_program({request.arguments, request.environment, request.working_directory, input,
                                       pipe.childs, pipe.childs}),
                Child::Group::EndsWithIt);
    pipe.childs = FileDescriptor();
    Forwarder output(std::move(pipe.ours), request.output);
    WatchResult result;
    bool asked_to_end = false;
    while (!child.has_ended()) {
        std::array<pollfd, 3> events{{{output.descriptor(), POLLIN, 0},
                                      {child.exit_event().get(), POLLIN, 0},
                                      {asked_to_end ? -1 : stop_event.descriptor(), POLLIN, 0}}};
        const int ready = poll(events.data(), events.size(), wait_time(deadline, child.exit_event().valid()));
        if (ready < 0 && errno != EINTR) {
            throw SystemError("cannot wait for " + request.arguments.front(), errno);
        }
        output.forward();
        const bool late = std::chrono::steady_clock::now() >= deadline;
        if (asked_to_end && late) {
            child.signal_group(SIGKILL);
            deadline = SteadyTime::max();
        } else if (!asked_to_end && (late || run.stop.stop_requested())) {
            asked_to_end = true;
            result.timed_out = late && !child.has_ended();
            deadline = std::chrono::steady_clock::now() + request.grace;
            if (!child.has_ended()) {
                child.signal_group(SIGTERM);
            }
        }
    }
    output.forward();
    run.check();
    result.exit_status = child.exit_status();
    result.signal = child.signal();
    return result;
}

}  // namespace cooper
