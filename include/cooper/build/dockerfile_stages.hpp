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
    std::vector<DockerfileWarning>
        warnings;  ///< UndefinedArgInFrom, InvalidDefaultArgInFrom, RedundantTargetPlatform …

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
    /// Of a stage that stands on an image: none of the ARGs are visible yet. `plan` gives global values and build-args.
    StageVariables(const StagePlan& plan, const StageOptions& options, std::string_view target_stage_name,
                   const oci::Platform& platform);

    /// ENV of the base image's config ("K=V").
    void set_environment(const std::vector<std::string>& environment);
    /// After expanded(). Precedence: build-arg, default in this line, global value, what the stage had before, unset.
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
    /// "A=1" of the declared arguments with values, once each, as `RUN |N A=1` shows them.
    [[nodiscard]] std::vector<std::string> declared_arguments() const;
    /// Build-args that no stage has declared so far, for the warning at the end; proxies and platform arguments left
    /// out.
    [[nodiscard]] const std::vector<std::string>& used_build_args() const { return used_; }

private:
    struct Entry {
        std::string name;
        std::optional<std::string> value;
        bool is_arg = false;
    };
    std::vector<Entry> entries_;
    std::vector<std::string> environment_;
    std::map<std::string, std::string, std::less<>> build_args_;
    std::map<std::string, std::string, std::less<>> global_;
    std::vector<std::string> used_;
};

}  // namespace cooper::build
