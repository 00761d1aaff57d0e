// One stage, instruction by instruction (private).
#pragma once

#include "cooper/build/copy_files.hpp"
#include "cooper/build/dockerfile.hpp"

#include "build/image/platform_build.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::build {

/// One thread.
class StageBuilder {
public:
    StageBuilder(PlatformBuild& build, std::size_t stage);
    [[nodiscard]] StageResult build();

private:
    /// A file system to read from: another stage's, an image's, or a context's.
    struct Origin {
        const ContextTree* context = nullptr;
        std::optional<ImageState> image;
        std::string digest;  ///< of all of it: the chain of layers; empty for a context
    };
    /// A mount of RUN, ready, and what it adds to the step's key.
    struct Mounts;
    using Execute = std::function<CapturedLayer(StepReport&)>;

    [[nodiscard]] ImageState begin_from();
    [[nodiscard]] ImageState begin_from_image(const std::string& image_name, const std::string* context);
    void run_triggers();
    void dispatch(const Instruction& instruction);
    /// `instruction` with its variables; tells what the checks say about them.
    Instruction fill_in(const Instruction& instruction);

    // Metadata.
    void apply(const ArgInstruction& arg);
    void apply(const EnvInstruction& env);
    void apply(const LabelInstruction& label);
    void apply(const MaintainerInstruction& maintainer);
    void apply(const CmdInstruction& cmd);
    void apply(const EntrypointInstruction& entrypoint);
    void apply(const ShellInstruction& shell);
    void apply(const UserInstruction& user);
    void apply(const ExposeInstruction& expose);
    void apply(const VolumeInstruction& volume);
    void apply(const StopSignalInstruction& signal);
    void apply(const HealthcheckInstruction& check);
    void apply(const OnbuildInstruction& onbuild);
    // Layers.
    void apply(const WorkdirInstruction& workdir);
    void apply(const CopyInstruction& copy);
    void apply(const RunInstruction& run);

    void note(const std::string& created_by, bool empty_layer = true);
    [[nodiscard]] std::vector<std::string> with_shell(const CommandWords& command) const;

    /// The layer of a step: from the cache by the first key that is known, else made. `found` keys are remembered.
    void layer_step(StepReport& report, const std::vector<Digest>& keys, const std::string& history,
                    const Execute& make);
    [[nodiscard]] std::optional<StepRecord> find_cached(const std::vector<Digest>& keys);
    void push_layer(const StepRecord& record);
    [[nodiscard]] StepKey step_key(std::string_view kind, bool with_parent) const;
    [[nodiscard]] bool uses_cache() const;
    [[nodiscard]] std::string title(const std::string& what);
    [[nodiscard]] CaptureOptions capture_options(bool command) const;

    [[nodiscard]] RootTree& tree();
    [[nodiscard]] std::pair<std::uint32_t, std::uint32_t> working_directory_owner(const RootTree& root) const;
    void unpack(const ImageState& image);

    // COPY and ADD.
    [[nodiscard]] Origin find_origin(const std::string& from);
    [[nodiscard]] const std::filesystem::path& root_of(const Origin& origin, const RootTree*& tree);
    [[nodiscard]] CopyInputs inputs_of(const Origin& origin);
    void fetch_sources(const CopyInstruction& copy, CopyInputs& inputs);
    [[nodiscard]] StepKey copy_key(const CopyInstruction& copy) const;
    [[nodiscard]] CapturedLayer write_copy(const CopyInstruction& copy, const CopySelection& selection);

    // RUN.
    [[nodiscard]] CapturedLayer run_command(const RunInstruction& run, StepReport& report);
    [[nodiscard]] std::vector<std::string> command_of(const RunInstruction& run,
                                                      std::vector<std::pair<std::string, std::string>>& scripts) const;
    [[nodiscard]] bool has_network(const RunInstruction& run) const;
    void add_mounts_to_key(StepKey& key, const RunInstruction& run);
    void add_bind(Mounts& mounts, const RunMount& mount);
    [[nodiscard]] CacheMounts::Wanted wanted_cache(const RunMount& mount);
    void add_cache(Mounts& mounts, const RunMount& mount, const CacheMounts::Lease& lease);
    void add_tmpfs(Mounts& mounts, const RunMount& mount) const;
    [[nodiscard]] Mounts prepare_mounts(const RunInstruction& run);
    void add_secret(Mounts& mounts, const RunMount& mount);
    void add_ssh(Mounts& mounts, const RunMount& mount);
    [[nodiscard]] std::string absolute(const std::string& path) const;
    [[nodiscard]] CopyInstruction bind_selection(const RunMount& mount) const;
    [[nodiscard]] std::string located(const std::string& message) const;
    void fail(StepReport& report, const SandboxResult& result, const SandboxCommand& command);
    void look_around(const SandboxCommand& command);
    void check_platform() const;

    PlatformBuild& build_;
    const BuildWork& work_;
    const Dockerfile& dockerfile_;
    const DockerfileStage& stage_;
    std::size_t index_;
    Run run_;
    ImageState state_;
    StageVariables variables_;
    const Instruction* instruction_ = nullptr;  // at which we are
    bool trigger_ = false;                      // it stands in an image's config, not in the Dockerfile
    bool cmd_set_ = false;                      // in this stage
    std::size_t number_ = 1;                    // of the step, FROM being the first
    std::size_t steps_;                         // FROM, and those that make layers
    std::unique_ptr<RootTree> tree_;
    std::map<std::string, std::unique_ptr<RootTree>> read_trees_;  // by chain ID
};

}  // namespace cooper::build
