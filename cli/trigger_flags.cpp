#include "trigger_flags.hpp"

#include "cooper/base/error.hpp"

namespace cooper::cli {

namespace {

bool parse_rebuild(std::string_view text) {
    if (text != "true" && text != "false" && !text.empty()) {
        throw Error(ErrorCode::InvalidInput, "\"" + std::string(text) + "\" is neither true nor false");
    }
    return text == "true";
}

}  // namespace

void TriggerFlags::declare_event(CommandLine& line) {
    line.value("--event", "EVENT", "GitHub's name of the trigger, or pull_request, tag, schedule, dispatch, rebuild",
               event);
}

void TriggerFlags::declare_rebuild(CommandLine& line) {
    line.parsed("--rebuild", "true|false", "a dispatch's input: build everything anew; empty means false", rebuild,
                parse_rebuild);
}

void TriggerFlags::declare_ref(CommandLine& line) {
    line.value("--ref", "REF", "refs/tags/v1.2.3, refs/heads/main, …; default: what CI or git says", ref);
}

build::GitFacts TriggerFlags::facts(const std::filesystem::path& directory, const Environment& environment,
                                    const Run& run) const {
    build::GitFacts known = build::find_git_facts(directory, environment, run);
    return ref.empty() ? known : build::with_ref(std::move(known), ref);
}

build::Trigger TriggerFlags::trigger(const std::filesystem::path& directory, const Environment& environment,
                                     const Run& run) const {
    return as_usage("--event", [&] {
        const bool asks_git = event == "push" && ref.empty();
        return build::trigger_of(event, asks_git ? facts(directory, environment, run).ref : ref, rebuild);
    });
}

}  // namespace cooper::cli
