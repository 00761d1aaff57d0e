// Which stages of a Dockerfile are built, on what, for which platform (`dockerfile.md` section 3).
#pragma once

#include "cooper/build/dockerfile.hpp"
#include "cooper/oci/platform.hpp"

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cooper::build {

struct StageOptions {
    std::string target;                                           ///< name in any case, or number; empty: the last
    std::vector<std::pair<std::string, std::string>> build_args;  ///< the last of equal names counts
    oci::Platform build_platform = oci::Platform::host();
    oci::Platform target_platform = oci::Platform::host();
};

/// What FROM comes to.
struct StageBase {
    enum class Kind { Scratch, Stage, Image };
    Kind kind = Kind::Scratch;
    std::size_t stage = 0;  ///< Stage
    std::string image;      ///< Image: the reference, expanded
    oci::Platform platform;
};

/// Dockerfile and options together; a value.
struct StagePlan {
    std::size_t target = 0;        ///< index of the stage that is wanted
    std::vector<StageBase> bases;  ///< of all stages; those that are not needed may be images that are not there
    std::vector<bool> needed;      ///< by index: reachable from the target without ONBUILD
    std::map<std::string, std::string, std::less<>>
        global_args;  ///< with build-args and platform arguments, as FROM sees them
    /// Of FROM lines, and of the instructions of stages that are needed: UndefinedArgInFrom, InvalidDefaultArgInFrom,
    /// RedundantTargetPlatform, FromPlatformFlagConstDisallowed; LegacyKeyValueFormat, SecretsUsedInArgOrEnv,
    /// JSONArgsRecommended, MultipleInstructionsDisallowed, WorkdirRelativePath.
    std::vector<DockerfileWarning> warnings;
    std::string check;  ///< Dockerfile::check, for what is found later

    /// Throws DockerfileError: an unknown target, a stage that refers to itself or to a later one, a FROM without an
    /// image after expansion.
    static StagePlan make(const Dockerfile& dockerfile, const StageOptions& options);
};

/// The stage that `name` means inside stage `current` (COPY --from, RUN --mount=from, FROM): by name the last one
/// above, by number any above. nullopt: no stage, so an image or a named context. Throws Error{InvalidInput} for
/// itself, a later one, or a number that there is not.
std::optional<std::size_t> find_stage(const Dockerfile& dockerfile, std::size_t current, std::string_view name);

/// The stages that `instruction` reads (COPY --from, RUN --mount=…,from=).
std::vector<std::string> stage_references(const Instruction& instruction);

/// ARG and ENV inside one stage: what expansion sees, what RUN gets, what history shows. Copies are cheap enough:
/// a child stage begins with its parent's.
class StageVariables {
public:
    /// Of a stage that stands on an image: none of the ARGs are visible yet. `plan` gives global values and those of the
    /// platforms, `options` the build-args.
    StageVariables(const StagePlan& plan, const StageOptions& options);

    /// ENV of the base image's config ("K=V").
    void set_environment(const std::vector<std::string>& environment);
    /// expanded() with the variables of this stage. ARG is filled in with the values that declare() will give, so that
    /// `ARG A=1 B=$A` sees a build-arg for A and a default that a build-arg replaces is not read. What BuildKit's
    /// checks say about it (UndefinedVar, ExposeProtoCasing, ExposeInvalidFormat) is added to `warnings`. Throws
    /// Error{InvalidInput}.
    [[nodiscard]] Instruction expand(const Instruction& instruction, char escape,
                                     std::vector<DockerfileWarning>* warnings = nullptr) const;
    /// After expand() or expanded(). Precedence: build-arg, default in this line, global value, what the stage had
    /// before, unset. Throws Error{InvalidInput} when the variables grow beyond what a program can be given.
    void declare(const ArgInstruction& arg);
    void set(const EnvInstruction& env);

    /// For expanded(). Borrows this.
    [[nodiscard]] VariableLookup lookup() const;
    /// config.Env, in order of first definition.
    [[nodiscard]] std::vector<std::string> environment() const;
    /// What RUN gets: config.Env and the declared arguments, the later one of equal names; proxies that were given as
    /// build-args in both cases, last.
    [[nodiscard]] std::vector<std::string> run_environment() const;
    /// The same without the undeclared proxies: what decides the result.
    [[nodiscard]] std::vector<std::string> cached_environment() const;
    /// "A=1" of the declared arguments, once each, as `RUN |N A=1` shows them; one without a value is "A=".
    [[nodiscard]] std::vector<std::string> declared_arguments() const;
    /// The build-args that the stage has declared so far: all others are for the warning at the end.
    [[nodiscard]] const std::vector<std::string>& used_build_args() const { return used_; }

private:
    using Values = std::map<std::string, std::string, std::less<>>;
    /// Names keep the place of their first definition.
    class OrderedValues {
    public:
        void set(const std::string& name, const std::string& value);
        [[nodiscard]] const std::string* find(std::string_view name) const;
        [[nodiscard]] std::vector<std::string> assignments() const;
        [[nodiscard]] const std::vector<std::pair<std::string, std::string>>& entries() const { return entries_; }
        [[nodiscard]] std::size_t bytes() const { return bytes_; }

    private:
        std::vector<std::pair<std::string, std::string>> entries_;
        std::map<std::string, std::size_t, std::less<>> places_;
        std::size_t bytes_ = 0;
    };
    [[nodiscard]] std::optional<std::string> value_of(const ArgInstruction::Declaration& declaration) const;
    [[nodiscard]] std::string nearest_name(const std::string& name) const;
    void check_size() const;

    OrderedValues environment_;  // config.Env
    OrderedValues scope_;        // ENV and ARG, the last one written
    OrderedValues declared_;     // names of ARG
    Values build_args_;
    Values global_;
    std::vector<std::pair<std::string, std::string>> proxies_;
    std::vector<std::string> used_;
    std::string check_;
};

}  // namespace cooper::build
