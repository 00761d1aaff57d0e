// What publish() works on: the tarballs, the folder that they go to, and what is there already (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/publish.hpp"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// One tarball on its way through publish().
struct Target {
    const PublishImage* image = nullptr;
    std::string tarball;  ///< "openhands:latest.tar"
    std::string inputs;
    std::string key;
    std::optional<TarballFacts> found;
};

/// The images of one build with their place in the branch. Looked up when it is made; nothing is written.
class Delivery {
public:
    /// Throws Error: InvalidInput (no image, two of one name), Conflict (every folder has another commit's build, or
    /// this one was withdrawn).
    Delivery(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
             const PublishOptions& options, const Run& run);

    [[nodiscard]] std::vector<Target>& targets() noexcept { return targets_; }
    [[nodiscard]] const ChangelogEntry& entry() const noexcept { return entry_; }
    /// The changelog has this entry.
    [[nodiscard]] bool in_changelog() const noexcept { return in_changelog_; }
    /// "jps/x".
    [[nodiscard]] const std::string& branch_prefix() const noexcept { return prefix_; }
    /// "jps/x/abc1234".
    [[nodiscard]] std::string folder() const { return prefix_ + "/" + entry_.short_sha; }

private:
    void add_targets(const std::vector<PublishImage>& images, const PublishOptions& options);
    void choose_folder();
    [[nodiscard]] std::vector<std::string> folder_names(const std::vector<ParsedEntry>& entries) const;
    void refuse_withdrawn(const std::vector<ParsedEntry>& entries) const;
    [[nodiscard]] bool is_free(const std::vector<ParsedEntry>& entries) const;
    bool find_tarballs();

    Place& place_;
    const Run& run_;
    std::string prefix_;
    ChangelogEntry entry_;
    bool in_changelog_ = false;
    std::vector<Target> targets_;
};

/// A target's plan with what it stands on.
struct TargetPlan {
    std::unique_ptr<TempDirectory> spool;  ///< of layers that were re-encoded
    oci::Image image;                      ///< what the plan holds
    LayerMakers makers;
    oci::ArchivePlan plan;
};
TargetPlan plan_of_target(const Target& target, const PublishOptions& options, const Run& run);

/// What is known of a tarball before its bytes are.
TarballFacts facts_of_target(const Target& target, const oci::ArchivePlan& plan, const std::string& commit);

}  // namespace cooper::delivery
