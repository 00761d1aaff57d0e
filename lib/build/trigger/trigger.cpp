#include "cooper/build/trigger.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/nearest.hpp"

#include "build/matrix/matrix_text.hpp"
#include "build/tags/semver.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::build {

namespace {

constexpr std::array kTable = {
    TriggerRow{
        Trigger::PullRequest, true, CacheWrite::Never, false, false, true,
        "a pull request is not trusted yet: it is built from the base images alone, leaves nothing for others to "
        "build on, and is not published"},
    TriggerRow{Trigger::Tag, false, CacheWrite::IfDepsChanged, true, true, false,
               "a version tag is a release: it builds on what exists, and latest may move to it"},
    TriggerRow{Trigger::Schedule, true, CacheWrite::Always, true, false, false,
               "a schedule brings new base layers and security updates: everything is built anew, and the same "
               "version's tags get it"},
    TriggerRow{Trigger::Dispatch, false, CacheWrite::IfDepsChanged, true, false, false,
               "started by hand: it builds on what exists, as a release does, and latest stays"},
    TriggerRow{Trigger::DispatchRebuild, true, CacheWrite::Always, true, false, false,
               "started by hand with a rebuild: everything is built anew, as on a schedule, and latest stays"},
};

struct EventWord {
    std::string_view word;
    Trigger trigger;
};

// "push" is the one event that is not decided by its name.
constexpr std::string_view kPush = "push";
constexpr std::array kWords = {
    EventWord{"pull_request", Trigger::PullRequest},
    EventWord{"merge_group", Trigger::PullRequest},
    EventWord{kPush, Trigger::Tag},
    EventWord{"tag", Trigger::Tag},
    EventWord{"schedule", Trigger::Schedule},
    EventWord{"workflow_dispatch", Trigger::Dispatch},
    EventWord{"dispatch", Trigger::Dispatch},
    EventWord{"rebuild", Trigger::DispatchRebuild},
};

constexpr std::array<std::string_view, 2> kForeignCodeWithRights = {"pull_request_target", "workflow_run"};

[[noreturn]] void refuse_event(std::string_view event) {
    if (std::find(kForeignCodeWithRights.begin(), kForeignCodeWithRights.end(), event) !=
        kForeignCodeWithRights.end()) {
        Error error(ErrorCode::AccessDenied,
                    "the event " + std::string(event) + " runs code of strangers with this repository's rights");
        throw error.advise("use pull_request, which has none, and publish from tags, schedules and dispatches");
    }
    std::vector<std::string_view> words;
    std::string all;
    for (const EventWord& known : kWords) {
        words.push_back(known.word);
        all += (all.empty() ? "" : ", ") + std::string(known.word);
    }
    const auto near = nearest(event, words);
    throw Error(ErrorCode::InvalidInput, "there is no trigger " + quoted_text(event) +
                                             (near ? "; did you mean " + quoted_text(*near) + "?" : ""))
        .advise("one of " + all);
}

void check_pushed_ref(std::string_view ref) {
    constexpr std::string_view kTags = "refs/tags/";
    if (!ref.starts_with(kTags) || !find_version(ref.substr(kTags.size()))) {
        throw Error(ErrorCode::InvalidInput,
                    ref.empty() ? std::string("a push is a release only when its ref is a version tag, and the ref is "
                                              "not known")
                                : "a push of " + quoted_text(ref) + " is no release: that is no version tag")
            .advise("start the workflow on tags v*.*.* alone, and check branches by pull_request");
    }
}

}  // namespace

std::string_view to_string(Trigger trigger) noexcept {
    constexpr std::array<std::string_view, kTable.size()> kNames = {"pull_request", "tag", "schedule", "dispatch",
                                                                    "rebuild"};
    return kNames[static_cast<std::size_t>(trigger)];
}

std::string_view to_string(CacheWrite write) noexcept {
    constexpr std::array<std::string_view, 3> kNames = {"never", "if-deps-changed", "always"};
    return kNames[static_cast<std::size_t>(write)];
}

std::span<const TriggerRow> trigger_table() noexcept {
    return kTable;
}

const TriggerRow& row_of(Trigger trigger) noexcept {
    return kTable[static_cast<std::size_t>(trigger)];
}

CacheManner cache_manner(const TriggerRow& row) noexcept {
    return {.no_cache = row.fresh, .read_only = row.cache_write == CacheWrite::Never};
}

Trigger trigger_of(std::string_view event, std::string_view ref, bool rebuild) {
    const auto* const found =
        std::find_if(kWords.begin(), kWords.end(), [event](const EventWord& known) { return known.word == event; });
    if (found == kWords.end()) {
        refuse_event(event);
    }
    if (event == kPush) {
        check_pushed_ref(ref);
    }
    if (!rebuild) {
        return found->trigger;
    }
    if (found->trigger != Trigger::Dispatch && found->trigger != Trigger::DispatchRebuild) {
        throw Error(ErrorCode::InvalidInput, "a rebuild is asked for by hand, and the event is " + std::string(event))
            .advise("workflow_dispatch with an input for it");
    }
    return Trigger::DispatchRebuild;
}

}  // namespace cooper::build
