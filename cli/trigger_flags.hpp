// --event EVENT [--rebuild true|false]: which row of the trigger table a run of a workflow is.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/base/run.hpp"
#include "cooper/build/trigger.hpp"

#include "command_line.hpp"

#include <filesystem>
#include <string>

namespace cooper::cli {

struct TriggerFlags {
    std::string event;     ///< empty: not given
    std::string ref;       ///< empty: what CI or git says
    bool rebuild = false;  ///< a workflow's input as text; empty counts as false

    void declare_event(CommandLine& line);
    void declare_rebuild(CommandLine& line);
    void declare_ref(CommandLine& line);

    /// The ref that was given, else the one that CI names or that is checked out in `directory`.
    [[nodiscard]] build::GitFacts facts(const std::filesystem::path& directory, const Environment& environment,
                                        const Run& run) const;
    /// Asks git for the ref only where it decides. Throws UsageError; Error{AccessDenied} for events that run foreign
    /// code with rights.
    [[nodiscard]] build::Trigger trigger(const std::filesystem::path& directory, const Environment& environment,
                                         const Run& run) const;
};

}  // namespace cooper::cli
