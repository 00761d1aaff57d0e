#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/sandbox/probe.hpp"
#include "build/sandbox/stand_in.hpp"
#include "build/sandbox/user_namespace.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

namespace cooper::build {

namespace {

using sandbox::Probed;

constexpr std::array kBestFirst{Isolation::Root, Isolation::UserRange, Isolation::SingleUser, Isolation::Chroot,
                                Isolation::None};
constexpr std::size_t kMaxLine = 64UL << 10U;

/// A pair of pipes between a process and its child, line by line.
class Conversation {
public:
    Conversation() {
        std::array<int, 2> to_child{};
        std::array<int, 2> to_parent{};
        if (pipe2(to_child.data(), O_CLOEXEC) != 0 || pipe2(to_parent.data(), O_CLOEXEC) != 0) {
            throw SystemError("cannot create a pipe", errno);
        }
        child_in_ = FileDescriptor(to_child[0]);
        parent_out_ = FileDescriptor(to_child[1]);
        parent_in_ = FileDescriptor(to_parent[0]);
        child_out_ = FileDescriptor(to_parent[1]);
    }
    void become_parent() {
        child_in_ = FileDescriptor();
        child_out_ = FileDescriptor();
    }
    void become_child() {
        parent_in_ = FileDescriptor();
        parent_out_ = FileDescriptor();
    }
    void say(std::string line) const {
        line += '\n';
        static_cast<void>(!write((parent_out_.valid() ? parent_out_ : child_out_).get(), line.data(), line.size()));
    }
    /// Up to the end of the line, or what there is when the other has gone.
    [[nodiscard]] std::string hear() const {
        const int from = (parent_in_.valid() ? parent_in_ : child_in_).get();
        std::string line;
        char c = 0;
        while (line.size() < kMaxLine) {
            const ssize_t count = read(from, &c, 1);
            if (count < 0 && errno == EINTR) {
                continue;
            }
            if (count <= 0 || c == '\n') {
                break;
            }
            line += c;
        }
        return line;
    }

private:
    FileDescriptor child_in_;
    FileDescriptor child_out_;
    FileDescriptor parent_in_;
    FileDescriptor parent_out_;
};

constexpr std::string_view kUnshared = "unshared";
constexpr std::string_view kMapped = "mapped";

std::string without_line_ends(std::string text) {
    for (char& c : text) {
        c = c == '\n' || c == '\t' ? ' ' : c;
    }
    return text;
}

Probed failed(std::string why, std::string advice) {
    Probed probed;
    probed.why_not = without_line_ends(std::move(why));
    probed.advice = without_line_ends(std::move(advice));
    return probed;
}

void make_mounts_private() {
    if (mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
        throw SystemError("cannot make mounts private", errno);
    }
}

/// In the child: root of a user namespace, with mounts of its own, when it returns a success.
Probed become_confined(Isolation isolation, const std::filesystem::path& probed_on, const Conversation& with_parent,
                       pid_t parent) {
    if (unshare(CLONE_NEWUSER | CLONE_NEWNS) != 0) {
        const auto why = std::generic_category().message(errno);
        return failed("user namespaces cannot be made: " + why, sandbox::user_namespace_hint());
    }
    with_parent.say(std::string(kUnshared));
    if (with_parent.hear() != kMapped) {
        _exit(1);  // the parent knows why
    }
    sandbox::become_root(isolation);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
    make_mounts_private();
    auto probed = sandbox::probe_in_child([&] { return sandbox::probe_here(isolation, probed_on); });
    if (!probed.works && probed.advice.empty()) {
        probed.advice = sandbox::user_namespace_hint();
    }
    return probed;
}

/// A child in a user namespace. With `stay` and success only the child returns; else only the parent does.
Probed enter_user_namespace(Isolation isolation, const std::filesystem::path& probed_on, bool stay) {
    const sandbox::ForwardedSignals signals;
    std::optional<Conversation> conversation(std::in_place);
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child < 0) {
        throw SystemError("cannot start a process", errno);
    }
    if (child == 0) {
        conversation->become_child();
        // Of its own, so that a signal for the group of the terminal comes once: from the parent.
        setpgid(0, 0);
        Probed probed;
        try {
            probed = become_confined(isolation, probed_on, *conversation, parent);
        } catch (const Error& error) {
            probed = failed(error.what(), error.advice());
        }
        conversation->say(sandbox::to_line(probed));
        if (!probed.works || !stay) {
            _exit(0);
        }
        return probed;
    }
    setpgid(child, child);
    conversation->become_parent();
    Probed probed;
    try {
        auto line = conversation->hear();
        if (line == kUnshared) {
            sandbox::map_ids(child, isolation);
            conversation->say(std::string(kMapped));
            line = conversation->hear();
        }
        probed = sandbox::from_line(line);
    } catch (const Error& error) {
        probed = failed(error.what(), error.advice());
    }
    if (probed.works && stay) {
        signals.stand_in_for(child);
    }
    conversation.reset();  // the child may wait for an answer
    while (waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return probed;
}

Probed try_isolation(Isolation isolation, const std::filesystem::path& probed_on) {
    if (isolation == Isolation::UserRange || isolation == Isolation::SingleUser) {
        return enter_user_namespace(isolation, probed_on, false);
    }
    return sandbox::probe_in_child([&] { return sandbox::probe_here(isolation, probed_on); });
}

/// Tries it, and stays in it if it works.
Probed enter(Isolation isolation, const std::filesystem::path& probed_on) {
    if (isolation == Isolation::UserRange || isolation == Isolation::SingleUser) {
        return enter_user_namespace(isolation, probed_on, true);
    }
    const auto probed = try_isolation(isolation, probed_on);
    if (probed.works && isolation == Isolation::Root) {
        if (unshare(CLONE_NEWNS) != 0) {
            throw SystemError("cannot make a mount namespace", errno);
        }
        make_mounts_private();
    }
    return probed;
}

void check_that_nothing_else_runs() {
    std::size_t threads = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator("/proc/self/task")) {
        ++threads;
    }
    if (threads != 1) {
        throw Error(ErrorCode::InvalidInput, "a process with threads cannot be confined: call confine_process() first");
    }
}

Confinement confinement_of(Isolation isolation, const Probed& probed, std::string explanation) {
    Confinement how;
    how.isolation = isolation;
    how.overlay = probed.overlay;
    how.user_xattr = probed.user_xattr;
    how.owners = probed.owners;
    how.devices = probed.devices;
    how.explanation = std::move(explanation);
    return how;
}

Confinement confine(const ConfineOptions& options) {
    check_that_nothing_else_runs();
    if (options.wanted) {
        const auto probed = enter(*options.wanted, options.probed_on);
        if (!probed.works) {
            Error error(ErrorCode::Unsupported, "commands cannot be isolated in mode " +
                                                    std::string(to_string(*options.wanted)) + ": " + probed.why_not);
            error.advise(probed.advice.empty() ? "try another mode: auto takes the best that works" : probed.advice);
            throw error;
        }
        return confinement_of(*options.wanted, probed, "");
    }
    std::string explanation;
    for (const Isolation isolation : kBestFirst) {
        const auto probed = enter(isolation, options.probed_on);
        if (probed.works) {
            return confinement_of(isolation, probed, std::move(explanation));
        }
        explanation += (explanation.empty() ? "" : "; ") + std::string(to_string(isolation)) + ": " + probed.why_not;
    }
    throw Error(ErrorCode::Unsupported, "no mode works here: " + explanation);
}

}  // namespace

Confinement confine_process(const ConfineOptions& options) {
    static std::optional<Confinement> confined;
    if (!confined) {
        confined = confine(options);
    }
    return *confined;
}

std::vector<IsolationTrial> try_isolations(const std::filesystem::path& probed_on) {
    std::vector<IsolationTrial> trials;
    for (const Isolation isolation : kBestFirst) {
        const auto probed = try_isolation(isolation, probed_on);
        trials.push_back({isolation, probed.works, probed.works ? "" : probed.why_not});
    }
    return trials;
}

}  // namespace cooper::build
