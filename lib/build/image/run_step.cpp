// RUN of a stage.
#include "cooper/base/error.hpp"

#include "base/in_root.hpp"
#include "build/image/history_text.hpp"
#include "build/image/stage_builder.hpp"
#include "oci/printable.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxSecret = 500 * 1024;
constexpr std::uint32_t kSecretMode = 0400;
constexpr std::uint32_t kSocketMode = 0600;
constexpr std::uint32_t kCacheMode = 0755;
constexpr std::uint32_t kTmpfsMode = 01777;
constexpr std::string_view kSecrets = "/run/secrets/";
constexpr std::string_view kAgents = "/run/buildkit/ssh_agent.";

std::string_view type_name(RunMount::Type type) {
    switch (type) {
        case RunMount::Type::Bind:
            return "bind";
        case RunMount::Type::Cache:
            return "cache";
        case RunMount::Type::Tmpfs:
            return "tmpfs";
        case RunMount::Type::Secret:
            return "secret";
        case RunMount::Type::Ssh:
            break;
    }
    return "ssh";
}

std::uint32_t id_of(const std::optional<std::uint64_t>& id) {
    return static_cast<std::uint32_t>(id.value_or(0));
}

std::string base_name(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

bool sets(const std::vector<std::string>& environment, const std::string& name) {
    return std::any_of(environment.begin(), environment.end(),
                       [&](const std::string& each) { return each.starts_with(name + "="); });
}

/// Where `path` leads inside `root`, as a path outside. Throws Error{NotFound}.
std::filesystem::path resolved_in(const std::filesystem::path& root, const std::string& path) {
    const FileDescriptor directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    const detail::Walked walked = detail::walk_in_root(directory.get(), path);
    if (walked.end == detail::Walked::End::Missing) {
        throw Error(ErrorCode::NotFound, "'" + oci::printable(path) + "' is not there to mount from");
    }
    return root / walked.path;
}

/// The heredoc is the whole command: "<<EOF".
bool is_whole_heredoc(const RunInstruction& run) {
    if (run.heredocs.size() != 1 || run.command.words.size() != 1) {
        return false;
    }
    std::string_view text = run.command.words[0];
    text.remove_prefix(std::min(text.find_first_not_of("0123456789"), text.size()));
    if (!text.starts_with("<<")) {
        return false;
    }
    text.remove_prefix(text.starts_with("<<-") ? 3 : 2);
    const auto name = text.find_first_not_of(" \t");
    text.remove_prefix(name == std::string_view::npos ? text.size() : name);
    const std::string& wanted = run.heredocs[0].name;
    return text == wanted || text == "\"" + wanted + "\"" || text == "'" + wanted + "'";
}

}  // namespace

/// What a step's mounts need while it runs.
struct StageBuilder::Mounts {
    std::vector<SandboxMount> mounts;
    std::vector<std::string> environment;
    std::vector<std::shared_ptr<CacheMounts::Lease>> leases;
    std::vector<std::unique_ptr<RootTree>> trees;  ///< of contexts, filtered by their ignore rules
    std::size_t agents = 0;
};

// --- key -------------------------------------------------------------------------------------------------------------

/// The files of a context that a bind mount shows: those that .dockerignore leaves, owned by root.
CopyInstruction StageBuilder::bind_selection(const RunMount& mount) const {
    CopyInstruction copy;
    copy.sources = {mount.source.empty() ? "/" : mount.source};
    copy.destination = "/mounted/";
    return copy;
}

void StageBuilder::add_mounts_to_key(StepKey& key, const RunInstruction& run) {
    for (const RunMount& mount : run.mounts) {
        key.add("mount", type_name(mount.type)).add("target", mount.target.empty() ? "" : absolute(mount.target));
        key.add("read only", mount.read_only ? "1" : "0");
        if (mount.type == RunMount::Type::Bind) {
            const Origin origin = find_origin(mount.from);
            key.add("source", mount.source);
            key.add("content",
                    origin.image
                        ? origin.digest
                        : CopySelection::choose(bind_selection(mount), inputs_of(origin), run_).digest().text());
        } else if (mount.type == RunMount::Type::Tmpfs) {
            key.add("size", std::to_string(mount.size.value_or(0)));
        } else if (mount.type != RunMount::Type::Cache) {
            key.add("mode", std::to_string(mount.mode.value_or(0)));
            key.add("owner", std::to_string(id_of(mount.uid)) + ":" + std::to_string(id_of(mount.gid)));
            key.add("env", mount.env.value_or(""));
        }
    }
}

bool StageBuilder::has_network(const RunInstruction& run) const {
    const std::string& network = run.network.empty() || run.network == "default" ? work_.options.network : run.network;
    return network != "none";
}

// --- mounts ----------------------------------------------------------------------------------------------------------

void StageBuilder::add_bind(Mounts& mounts, const RunMount& mount) {
    const Origin origin = find_origin(mount.from);
    SandboxMount bind;
    bind.target = absolute(mount.target);
    bind.read_only = mount.read_only;
    bind.discard = !mount.read_only;
    if (origin.image) {
        const RootTree* tree = nullptr;
        bind.source = root_of(origin, tree);
        bind.below = mount.source;
    } else {
        auto filtered = work_.services.snapshots.open({}, run_);
        const CopySelection files = CopySelection::choose(bind_selection(mount), inputs_of(origin), run_);
        files.write(*filtered, {}, run_);
        const auto below = filtered->path() / "mounted";
        const auto source = resolved_in(origin.context->root, mount.source.empty() ? "/" : mount.source);
        bind.source = std::filesystem::is_directory(source) ? below : below / base_name(clean_file_path(mount.source));
        mounts.trees.push_back(std::move(filtered));
    }
    mounts.mounts.push_back(std::move(bind));
}

CacheMounts::Wanted StageBuilder::wanted_cache(const RunMount& mount) {
    CacheMounts::Wanted wanted;
    wanted.id = mount.id.empty() ? absolute(mount.target) : mount.id;
    wanted.sharing = mount.sharing == RunMount::Sharing::Locked    ? CacheMounts::Sharing::Locked
                     : mount.sharing == RunMount::Sharing::Private ? CacheMounts::Sharing::Private
                                                                   : CacheMounts::Sharing::Shared;
    wanted.uid = id_of(mount.uid);
    wanted.gid = id_of(mount.gid);
    wanted.mode = mount.mode.value_or(kCacheMode);
    if (!mount.from.empty()) {
        const Origin origin = find_origin(mount.from);
        const RootTree* tree = nullptr;
        wanted.seed = resolved_in(root_of(origin, tree), mount.source.empty() ? "/" : mount.source);
        wanted.seed_digest = sha256(
            std::string_view((origin.image ? origin.digest : inputs_of(origin).root.string()) + "\n" + mount.source));
    }
    return wanted;
}

void StageBuilder::add_cache(Mounts& mounts, const RunMount& mount, const CacheMounts::Lease& lease) {
    SandboxMount bind;
    bind.source = lease.path();
    if (mount.from.empty()) {
        bind.below = mount.source;
    }
    bind.target = absolute(mount.target);
    bind.read_only = mount.read_only;
    mounts.mounts.push_back(std::move(bind));
}

void StageBuilder::add_tmpfs(Mounts& mounts, const RunMount& mount) const {
    SandboxMount tmpfs;
    tmpfs.type = SandboxMount::Type::Tmpfs;
    tmpfs.target = absolute(mount.target);
    tmpfs.size = mount.size.value_or(0);
    tmpfs.mode = mount.mode.value_or(kTmpfsMode);
    mounts.mounts.push_back(std::move(tmpfs));
}

void StageBuilder::add_secret(Mounts& mounts, const RunMount& mount) {
    const std::string id = mount.id.empty() ? base_name(mount.target) : mount.id;
    const auto& secrets = work_.options.secrets;
    const auto found =
        std::find_if(secrets.begin(), secrets.end(), [&](const BuildSecret& each) { return each.id == id; });
    if (found == secrets.end()) {
        if (mount.required.value_or(false)) {
            throw Error(ErrorCode::InvalidInput,
                        "the secret '" + oci::printable(id) + "' is required and was not given")
                .advise("--secret id=" + oci::printable(id) + ",src=FILE");
        }
        return;
    }
    std::string value = found->value();
    if (value.size() > kMaxSecret) {
        throw Error(ErrorCode::InvalidInput, "the secret '" + oci::printable(id) + "' is larger than 500 KiB");
    }
    work_.log.hide(value);
    if (mount.env) {
        mounts.environment.push_back(*mount.env + "=" + value);
        if (mount.target.empty()) {
            return;
        }
    }
    SandboxMount file;
    file.type = SandboxMount::Type::Secret;
    file.target = mount.target.empty() ? std::string(kSecrets) + id : absolute(mount.target);
    file.mode = mount.mode.value_or(kSecretMode);
    file.uid = id_of(mount.uid);
    file.gid = id_of(mount.gid);
    file.content = std::move(value);
    mounts.mounts.push_back(std::move(file));
}

void StageBuilder::add_ssh(Mounts& mounts, const RunMount& mount) {
    const std::string id = mount.id.empty() ? "default" : mount.id;
    const auto found = work_.options.ssh.find(id);
    if (found == work_.options.ssh.end()) {
        if (mount.required.value_or(false)) {
            throw Error(ErrorCode::InvalidInput,
                        "the SSH agent '" + oci::printable(id) + "' is required and was not given")
                .advise("--ssh " + oci::printable(id));
        }
        return;
    }
    SandboxMount socket;
    socket.source = found->second;
    socket.target =
        mount.target.empty() ? std::string(kAgents) + std::to_string(mounts.agents++) : absolute(mount.target);
    socket.mode = mount.mode.value_or(kSocketMode);
    socket.uid = id_of(mount.uid);
    socket.gid = id_of(mount.gid);
    mounts.environment.push_back("SSH_AUTH_SOCK=" + socket.target);
    mounts.mounts.push_back(std::move(socket));
}

// --- the command -----------------------------------------------------------------------------------------------------

std::vector<std::string> StageBuilder::command_of(const RunInstruction& run,
                                                  std::vector<std::pair<std::string, std::string>>& scripts) const {
    if (run.heredocs.empty() || !run.command.shell) {
        return with_shell(run.command);
    }
    CommandWords command{true, {}};
    const Heredoc& first = run.heredocs[0];
    if (is_whole_heredoc(run)) {
        if (first.content.starts_with("#!")) {
            const std::string script = "/dev/pipes/" + first.name;
            scripts.emplace_back(script, first.content);
            command.words = {script};
        } else {
            command.words = {first.content};
        }
        return with_shell(command);
    }
    std::string text = joined(run.command.words, " ");  // the shell reads the heredocs itself
    for (const Heredoc& heredoc : run.heredocs) {
        text += "\n" + heredoc.written + heredoc.name;
    }
    command.words = {text};
    return with_shell(command);
}

/// Programs of another architecture need an interpreter that the kernel knows (binfmt_misc).
void StageBuilder::check_platform() const {
    const std::string& architecture = state_.platform.architecture;
    const std::string host = oci::Platform::host().architecture;
    if (architecture == host || (architecture == "386" && host == "amd64") ||
        (architecture == "arm" && host == "arm64")) {
        return;
    }
    const std::map<std::string, std::string> names = {{"amd64", "x86_64"},    {"arm64", "aarch64"}, {"386", "i386"},
                                                      {"ppc64le", "ppc64le"}, {"arm", "arm"},       {"s390x", "s390x"},
                                                      {"riscv64", "riscv64"}};
    const auto name = names.find(architecture);
    const std::string emulator = "qemu-" + (name == names.end() ? architecture : name->second);
    if (!std::filesystem::exists("/proc/sys/fs/binfmt_misc/" + emulator)) {
        Error error(ErrorCode::Unsupported,
                    "RUN for " + state_.platform.text() + " on a " + host +
                        " machine, and the kernel has no interpreter for it (binfmt_misc has no " + emulator + ")");
        error.advise(
            "install qemu-user-static with binfmt-support, or build such stages for the machine itself: "
            "FROM --platform=$BUILDPLATFORM");
        throw error;
    }
}

void StageBuilder::look_around(const SandboxCommand& command) {
    SandboxCommand shell = command;
    shell.arguments = {"/bin/sh"};
    shell.terminal = true;
    static_cast<void>(run_in_sandbox(
        tree_->path(), shell, work_.services.confinement, [](Bytes) {}, run_));
}

std::string StageBuilder::located(const std::string& message) const {
    return trigger_ ? "ONBUILD " + oci::printable(instruction_->original) + ": " + message
                    : dockerfile_.error(*instruction_, message).what();
}

void StageBuilder::fail(StepReport& report, const SandboxResult& result, const SandboxCommand& command) {
    report.flush();
    std::string message = report.title() + ": exit status " + std::to_string(result.exit_status);
    if (result.signal != 0) {
        message += " (killed by signal " + std::to_string(result.signal) + ")";
    }
    std::string text = located(message);
    if (!report.tail().empty()) {
        text += "\nits last lines:";
        for (const std::string& line : report.tail()) {
            text += "\n    " + line;
        }
    }
    report.end(BuildObserver::End::Failed);
    if (work_.options.debug_shell) {
        look_around(command);
    }
    throw BuildFailed(text);
}

StageBuilder::Mounts StageBuilder::prepare_mounts(const RunInstruction& run) {
    std::vector<CacheMounts::Wanted> wanted;
    for (const RunMount& mount : run.mounts) {
        if (mount.type == RunMount::Type::Cache) {
            wanted.push_back(wanted_cache(mount));
        }
    }
    Mounts mounts;
    mounts.leases = work_.services.mounts.acquire_all(wanted, run_);
    auto lease = mounts.leases.begin();
    for (const RunMount& mount : run.mounts) {
        switch (mount.type) {
            case RunMount::Type::Bind:
                add_bind(mounts, mount);
                break;
            case RunMount::Type::Cache:
                add_cache(mounts, mount, **lease++);
                break;
            case RunMount::Type::Secret:
                add_secret(mounts, mount);
                break;
            case RunMount::Type::Ssh:
                add_ssh(mounts, mount);
                break;
            case RunMount::Type::Tmpfs:
                add_tmpfs(mounts, mount);
                break;
        }
    }
    return mounts;
}

CapturedLayer StageBuilder::run_command(const RunInstruction& run, StepReport& report) {
    const ImageBuildServices& services = work_.services;
    if (services.confinement.isolation == Isolation::None) {
        throw Error(ErrorCode::Unsupported,
                    "RUN needs a sandbox, and none works here: " + services.confinement.explanation);
    }
    check_platform();
    Mounts mounts = prepare_mounts(run);
    const StepSlots::Slot slot(work_.slots);
    RootTree& root = tree();
    SandboxCommand command;
    command.arguments = command_of(run, command.scripts);
    command.user = find_user(root.path(), state_.config.user);
    command.environment = variables_.run_environment();
    if (work_.epoch_given && !sets(command.environment, "SOURCE_DATE_EPOCH")) {
        command.environment.push_back("SOURCE_DATE_EPOCH=" + std::to_string(work_.epoch));
    }
    if (!sets(command.environment, "HOME")) {
        command.environment.push_back("HOME=" + command.user.home);
    }
    command.environment.insert(command.environment.end(), mounts.environment.begin(), mounts.environment.end());
    command.working_directory = absolute(".");
    command.mounts = std::move(mounts.mounts);
    command.network = has_network(run) ? SandboxCommand::Network::Host : SandboxCommand::Network::None;
    command.extra_hosts = work_.options.extra_hosts;
    try {
        const SandboxResult result = run_in_sandbox(
            root.path(), command, services.confinement, [&](Bytes chunk) { report.output(chunk); }, run_);
        if (result.exit_status != 0) {
            fail(report, result, command);
        }
    } catch (const Error& error) {
        if (error.code() != ErrorCode::NotFound) {
            throw;
        }
        BuildFailed failed(located(error.what()));  // no such program: as a shell would have failed
        failed.advise(error.advice());
        throw BuildFailed(failed);
    }
    return root.capture(capture_options(true), run_);
}

void StageBuilder::apply(const RunInstruction& run) {
    if (run.security == "insecure") {
        throw Error(ErrorCode::Unsupported,
                    "RUN --security=insecure: commands get no more rights than docker's default");
    }
    std::vector<std::pair<std::string, std::string>> scripts;
    const std::vector<std::string> words = command_of(run, scripts);
    const std::string history = run_history(variables_.declared_arguments(), words);
    StepReport report(work_.log, title(instruction_->original));
    try {
        StepKey key = step_key("run", true);
        key.add("command", words).add("environment", variables_.cached_environment());
        key.add("directory", state_.config.working_directory).add("user", state_.config.user);
        key.add("network", has_network(run) ? "host" : "none");
        key.add("scrub", work_.options.scrub);
        key.add("epoch given", work_.epoch_given ? "1" : "0");
        for (const auto& [path, content] : scripts) {
            key.add("script", path).add("content", content);
        }
        for (const auto& [name, address] : work_.options.extra_hosts) {
            key.add("host", name);
        }
        add_mounts_to_key(key, run);
        layer_step(report, {key.finish()}, history, [&](StepReport& step) { return run_command(run, step); });
    } catch (const Cancelled&) {
        report.stopped();
        throw;
    }
}

}  // namespace cooper::build
