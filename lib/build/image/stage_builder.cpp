#include "build/image/stage_builder.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/reference.hpp"

#include "base/json.hpp"
#include "build/image/history_text.hpp"
#include "oci/printable.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <variant>

namespace cooper::build {

namespace {

constexpr std::size_t kLongestTitle = 300;

bool makes_layer(const Instruction& instruction) {
    return std::holds_alternative<RunInstruction>(instruction.kind) ||
           std::holds_alternative<CopyInstruction>(instruction.kind) ||
           std::holds_alternative<WorkdirInstruction>(instruction.kind);
}

std::size_t count_layers(const std::vector<Instruction>& instructions) {
    return static_cast<std::size_t>(std::count_if(instructions.begin(), instructions.end(), makes_layer));
}

/// One line that fits in a title.
std::string one_line(std::string_view text) {
    std::string out;
    for (const char c : text) {
        const bool blank = c == '\n' || c == '\r' || c == '\t' || c == ' ';
        if (!blank || (!out.empty() && out.back() != ' ')) {
            out += blank ? ' ' : c;
        }
        if (out.size() >= kLongestTitle) {
            return out + "…";
        }
    }
    return out;
}

}  // namespace

StageBuilder::StageBuilder(PlatformBuild& build, std::size_t stage)
    : build_(build),
      work_(build.work()),
      dockerfile_(work_.dockerfile),
      stage_(dockerfile_.stages[stage]),
      index_(stage),
      run_(build.run()),
      variables_(build.plan(), build.stage_options()),
      steps_(1 + count_layers(stage_.instructions)) {}

StageResult StageBuilder::build() {
    state_ = begin_from();
    run_triggers();
    for (const Instruction& instruction : stage_.instructions) {
        dispatch(instruction);
    }
    for (const std::string& name : variables_.used_build_args()) {
        work_.book.used_build_arg(name);
    }
    return {std::move(state_), std::move(variables_)};
}

std::string StageBuilder::title(const std::string& what) {
    std::string name = stage_.name;
    if (name.empty() && dockerfile_.stages.size() > 1) {
        name = "stage-" + std::to_string(index_);
    }
    if (build_.stage_options().target_platform != build_.stage_options().build_platform) {
        name = state_.platform.text() + (name.empty() ? "" : " ") + name;
    }
    return "[" + name + (name.empty() ? "" : " ") + std::to_string(number_++) + "/" + std::to_string(steps_) + "] " +
           one_line(what);
}

// --- FROM ------------------------------------------------------------------------------------------------------------

ImageState StageBuilder::begin_from_image(const std::string& image_name, const std::string* context) {
    const oci::Platform& platform = build_.plan().bases[index_].platform;
    StepReport report(work_.log, title("FROM " + oci::printable(context == nullptr ? image_name : *context)));
    try {
        ImageState image = context == nullptr ? work_.images.find(image_name, platform, run_)
                                              : work_.images.find_place(*context, platform, run_);
        image.platform = platform.normalised();
        report.end(BuildObserver::End::Done);
        return image;
    } catch (Error& error) {
        error.add_context(work_.dockerfile.file + ":" + std::to_string(stage_.position.line));
        throw;
    } catch (const Cancelled&) {
        report.stopped();
        throw;
    }
}

ImageState StageBuilder::begin_from() {
    const StageBase& base = build_.plan().bases[index_];
    state_.platform = base.platform;
    if (base.kind == StageBase::Kind::Scratch) {
        ImageState scratch = ImageState::scratch(base.platform);
        variables_.set_environment(scratch.config.environment);
        return scratch;
    }
    if (base.kind == StageBase::Kind::Stage) {
        const StageResult& parent = build_.stage(base.stage);
        variables_ = parent.variables;
        return parent.image;
    }
    const std::string* const context = build_.named_context(base.image);
    if (context != nullptr && !is_image_context(*context)) {
        throw Error(ErrorCode::Unsupported, "FROM " + oci::printable(base.image) + ": the named context is no image")
            .advise("FROM scratch and COPY --from=" + oci::printable(base.image) + " . / begin with its files");
    }
    ImageState image = begin_from_image(base.image, context);
    variables_.set_environment(image.config.environment);
    return image;
}

void StageBuilder::run_triggers() {
    const std::vector<std::string> triggers = std::move(state_.config.onbuild);
    state_.config.onbuild.clear();
    std::vector<Instruction> instructions;
    for (const std::string& trigger : triggers) {
        instructions.push_back(in_context("ONBUILD of the base image", [&] { return parse_onbuild(trigger); }));
    }
    steps_ += count_layers(instructions);
    trigger_ = true;
    for (const Instruction& instruction : instructions) {
        dispatch(instruction);
    }
    trigger_ = false;
}

// --- instructions ----------------------------------------------------------------------------------------------------

void StageBuilder::dispatch(const Instruction& instruction) {
    run_.check();
    instruction_ = &instruction;
    try {
        const Instruction now = fill_in(instruction);
        std::visit([this](const auto& kind) { apply(kind); }, now.kind);
    } catch (const BuildFailed&) {
        throw;
    } catch (const DockerfileError&) {
        throw;
    } catch (Error& error) {
        if (trigger_) {
            error.add_context("ONBUILD " + oci::printable(instruction.original));
            throw;
        }
        if (error.code() != ErrorCode::InvalidInput && error.code() != ErrorCode::NotFound) {
            error.add_context(dockerfile_.file + ":" + std::to_string(instruction.position.line));
            throw;
        }
        DockerfileError located = dockerfile_.error(instruction, error.what());
        located.advise(error.advice());
        throw located;
    }
}

Instruction StageBuilder::fill_in(const Instruction& instruction) {
    if (trigger_) {
        return variables_.expand(instruction, '\\');
    }
    std::vector<DockerfileWarning> warnings;
    Instruction now = variables_.expand(instruction, dockerfile_.escape, &warnings);
    for (const DockerfileWarning& warning : warnings) {
        work_.log.warn(warning, dockerfile_.file);
    }
    if (!warnings.empty() && dockerfile_.warnings_are_errors) {
        throw dockerfile_.error(instruction, warnings[0].message + " (check=error=true)");
    }
    return now;
}

void StageBuilder::note(const std::string& created_by, bool empty_layer) {
    state_.add_history(created_by, work_.epoch, empty_layer);
}

std::vector<std::string> StageBuilder::with_shell(const CommandWords& command) const {
    if (!command.shell) {
        return command.words;
    }
    std::vector<std::string> words = state_.config.shell;
    if (words.empty()) {
        words = {"/bin/sh", "-c"};
    }
    words.push_back(joined(command.words, " "));
    return words;
}

void StageBuilder::apply(const ArgInstruction& arg) {
    variables_.declare(arg);
    std::string text = "ARG";
    const VariableLookup lookup = variables_.lookup();
    const auto& given = build_.stage_options().build_args;
    for (const auto& declaration : arg.declarations) {
        const std::string& name = declaration.name;
        const bool has_value =
            declaration.value || build_.plan().global_args.contains(name) ||
            std::any_of(given.begin(), given.end(), [&](const auto& each) { return each.first == name; });
        const auto value = has_value ? lookup(name) : std::nullopt;  // not what an earlier line gave it
        text += " " + declaration.name + (value ? "=" + *value : "");
    }
    note(text);
}

void StageBuilder::apply(const EnvInstruction& env) {
    variables_.set(env);
    state_.config.environment = variables_.environment();
    note(pairs_history("ENV", env.variables));
}

void StageBuilder::apply(const LabelInstruction& label) {
    for (const KeyValue& pair : label.labels) {
        state_.config.labels[pair.key] = pair.value;
    }
    note(pairs_history("LABEL", label.labels));
}

void StageBuilder::apply(const MaintainerInstruction& maintainer) {
    state_.author = maintainer.name;
    note("MAINTAINER " + maintainer.name);
}

void StageBuilder::apply(const CmdInstruction& cmd) {
    state_.config.cmd = with_shell(cmd.command);
    cmd_set_ = true;
    note("CMD " + quoted_list(*state_.config.cmd));
}

void StageBuilder::apply(const EntrypointInstruction& entrypoint) {
    state_.config.entrypoint = with_shell(entrypoint.command);
    if (!cmd_set_) {
        state_.config.cmd.reset();  // the base image's would be arguments of another program
    }
    note("ENTRYPOINT " + quoted_list(*state_.config.entrypoint));
}

void StageBuilder::apply(const ShellInstruction& shell) {
    state_.config.shell = shell.shell;
    note("SHELL [" + joined(shell.shell, " ") + "]");
}

void StageBuilder::apply(const UserInstruction& user) {
    state_.config.user = user.user;
    note("USER " + user.user);
}

void StageBuilder::apply(const ExposeInstruction& expose) {
    state_.config.ports.insert(expose.ports.begin(), expose.ports.end());
    note("EXPOSE [" + joined(expose.ports, " ") + "]");
}

void StageBuilder::apply(const VolumeInstruction& volume) {
    state_.config.volumes.insert(volume.paths.begin(), volume.paths.end());
    note("VOLUME [" + joined(volume.paths, " ") + "]");
}

void StageBuilder::apply(const StopSignalInstruction& signal) {
    state_.config.stop_signal = signal.signal;
    note("STOPSIGNAL " + signal.signal);
}

void StageBuilder::apply(const HealthcheckInstruction& check) {
    json::Value document = {{"Test", check.test}};
    const auto add = [&](const char* name, const std::optional<std::chrono::nanoseconds>& value) {
        if (value && value->count() != 0) {
            document[name] = value->count();
        }
    };
    add("Interval", check.interval);
    add("Timeout", check.timeout);
    add("StartPeriod", check.start_period);
    add("StartInterval", check.start_interval);
    if (check.retries && *check.retries != 0) {
        document["Retries"] = *check.retries;
    }
    state_.config.healthcheck = json::write(document);
    note(healthcheck_history(check));
}

void StageBuilder::apply(const OnbuildInstruction& onbuild) {
    state_.config.onbuild.push_back(onbuild.trigger);
}

// --- layers ----------------------------------------------------------------------------------------------------------

bool StageBuilder::uses_cache() const {
    const auto& filter = work_.options.no_cache_stages;
    return !work_.options.no_cache && std::find(filter.begin(), filter.end(), stage_.name) == filter.end();
}

/// What package managers leave is left by commands: what is copied is meant.
CaptureOptions StageBuilder::capture_options(bool command) const {
    return {work_.epoch, command ? work_.options.scrub : std::vector<std::string>()};
}

/// Modes that cannot give files their owners, or have no /proc, may make other layers of the same step.
StepKey StageBuilder::step_key(std::string_view kind, bool with_parent) const {
    StepKey key(kind);
    const Confinement& how = work_.services.confinement;
    key.add("mode", how.isolation == Isolation::Chroot ? "chroot" : how.owners ? "owners" : "one owner");
    key.add("platform", state_.platform.text());
    key.add("epoch", std::to_string(work_.epoch));
    key.add("parent", with_parent ? chain_id(state_.diff_ids()).text() : "none");
    return key;
}

std::optional<StepRecord> StageBuilder::find_cached(const std::vector<Digest>& keys) {
    if (!uses_cache()) {
        return std::nullopt;
    }
    for (const Digest& key : keys) {
        auto record = work_.services.cache.find(key);
        if (record && (work_.services.snapshots.has(record->diff_id) || record->blob)) {
            return record;
        }
    }
    return std::nullopt;
}

void StageBuilder::push_layer(const StepRecord& record) {
    LayerState layer{record.diff_id, record.blob, nullptr, record};
    if (record.blob) {
        layer.source = work_.services.cache.blobs();
    }
    if (!work_.options.cache_only && build_.is_in_result(index_)) {
        work_.blobs.begin(layer);
    }
    state_.layers.push_back(std::move(layer));
    work_.book.step({stage_.name.empty() ? std::to_string(index_) : stage_.name, state_.platform.text(),
                     instruction_->original, record.key, record.diff_id});
}

void StageBuilder::layer_step(StepReport& report, const std::vector<Digest>& keys, const std::string& history,
                              const Execute& make) {
    auto record = find_cached(keys);
    const bool cached = record.has_value();
    if (!cached) {
        try {
            const CapturedLayer layer = make(report);
            record = StepRecord{
                keys.front(), layer.diff_id, layer.tar_size, oci::printable(instruction_->original), std::nullopt, {}};
        } catch (const Cancelled&) {
            report.stopped();
            throw;
        } catch (...) {
            tree_.reset();
            throw;
        }
    }
    // What others exported is remembered once its layer was read and is right.
    const bool checked = !cached || work_.services.snapshots.has(record->diff_id);
    if (!work_.options.cache_read_only && checked && (!cached || keys.size() > 1)) {
        for (const Digest& key : keys) {
            record->key = key;
            work_.services.cache.remember(*record);
        }
    }
    record->key = keys.front();
    push_layer(*record);
    note(history, false);
    report.end(cached ? BuildObserver::End::Cached : BuildObserver::End::Done);
}

void StageBuilder::unpack(const ImageState& image) {
    work_.services.snapshots.add_all(image.unpackable(), run_);
}

RootTree& StageBuilder::tree() {
    const std::vector<Digest> layers = state_.diff_ids();
    if (!tree_ || tree_->layers() != layers) {
        tree_.reset();
        unpack(state_);
        tree_ = work_.services.snapshots.open(layers, run_);
    }
    return *tree_;
}

std::string StageBuilder::absolute(const std::string& path) const {
    if (path.starts_with('/')) {
        return clean_file_path(path);
    }
    const std::string& base = state_.config.working_directory;
    return clean_file_path((base.empty() ? "/" : base) + "/" + path);
}

/// USER may name somebody whom a later RUN adds: until then directories are root's, as BuildKit makes them.
std::pair<std::uint32_t, std::uint32_t> StageBuilder::working_directory_owner(const RootTree& root) const {
    try {
        const SandboxUser user = find_user(root.path(), state_.config.user);
        return {user.uid, user.gid};
    } catch (const Error& error) {
        if (error.code() != ErrorCode::InvalidInput) {
            throw;
        }
        run_.progress->notice(NoticeLevel::Warning, std::string(error.what()) + ": the directory is root's");
        return {0, 0};
    }
}

void StageBuilder::apply(const WorkdirInstruction& workdir) {
    const std::string path = workdir.path.starts_with('/') ? workdir.path : absolute(workdir.path);
    const std::string cleaned = clean_file_path(path);
    state_.config.working_directory = path;
    if (cleaned == "/") {
        note("WORKDIR " + path);
        return;
    }
    StepReport report(work_.log, title("WORKDIR " + path));
    StepKey key = step_key("workdir", true);
    key.add("path", cleaned).add("user", state_.config.user);
    layer_step(report, {key.finish()}, "WORKDIR " + path, [&](StepReport&) {
        const StepSlots::Slot slot(work_.slots);
        RootTree& root = tree();
        make_working_directory(root, cleaned, working_directory_owner(root), work_.epoch);
        return root.capture(capture_options(false), run_);
    });
}

}  // namespace cooper::build
