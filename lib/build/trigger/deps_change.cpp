#include "cooper/build/ignore.hpp"
#include "cooper/build/trigger.hpp"

#include "build/git.hpp"
#include "oci/printable.hpp"

#include <algorithm>
#include <iterator>

namespace cooper::build {

namespace {

DepsChange not_known(std::string why) {
    return {true, {}, std::move(why)};
}

}  // namespace

DepsChange find_deps_change(const std::filesystem::path& directory, const std::vector<std::string>& deps,
                            const Environment& environment, const Run& run) {
    const Dockerignore patterns(deps);
    if (patterns.patterns().empty()) {
        return not_known("no files were named that dependencies stand in");
    }
    const Git git(directory, environment);
    if (!git.in_repository(run)) {
        return not_known(git.installed(run) ? "'" + oci::printable(directory.string()) + "' is in no git repository"
                                            : "git is not installed");
    }
    const auto head = git.commit("HEAD", run);
    const auto parents = head ? git.parents(*head, run) : std::nullopt;
    if (!parents) {
        return not_known("there is no commit yet");
    }
    if (parents->empty()) {
        return not_known("HEAD is the first commit");
    }
    const std::string& before = parents->front();
    if (!git.commit(before, run)) {
        return not_known("HEAD's parent is not in this clone, which is shallow (fetch-depth: 2 has it)");
    }
    const auto changed = git.changed_files(before, *head, run);
    if (!changed) {
        return not_known("git could not compare HEAD with its parent");
    }
    DepsChange change;
    std::copy_if(changed->begin(), changed->end(), std::back_inserter(change.files),
                 [&](const std::string& path) { return patterns.excludes(path); });
    change.changed = !change.files.empty();
    return change;
}

}  // namespace cooper::build
