#include "delivery/publish/delivery.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/changelog/markdown.hpp"

#include <algorithm>
#include <future>
#include <set>

namespace cooper::delivery {
namespace {

constexpr std::size_t kLookups = 8;  // at once
constexpr std::size_t kMaxShown = 300;
constexpr std::size_t kFolderDigits[] = {7, 12, 40};

/// Equal inputs make equal tarballs, as long as the same compressor re-encodes.
std::string inputs_digest(const PublishImage& image, const PublishOptions& options) {
    std::string text = "cooper.inputs/v1\n";
    text += std::to_string(oci::kArchiveFormatVersion) + "\n";
    text += options.format == oci::ArchiveFormat::Hybrid ? "hybrid\n" : "docker\n";
    text += options.layers == oci::LayerForm::Keep ? "keep\n" : "uncompressed\n";
    text += image.image.manifest.raw.digest.text() + "\n" + image.image.manifest.config.digest.text() + "\n";
    if (options.layers == oci::LayerForm::Keep && oci::needs_conversion(image.image, options.layers)) {
        text += gzip_fingerprint() + "\n";
    }
    for (const std::string& tag : std::set<std::string>(image.repo_tags.begin(), image.repo_tags.end())) {
        text += tag + "\n";
    }
    return std::string(sha256(text).hex());
}

/// One may be an abbreviation of the other.
bool is_same_commit(std::string_view a, std::string_view b) {
    return a.starts_with(b) || b.starts_with(a);
}

}  // namespace

Delivery::Delivery(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
                   const PublishOptions& options, const Run& run)
    : place_(place), run_(run), prefix_(branch_key(build.branch)) {
    entry_.time = run.clock->now_seconds();
    entry_.commit = check_commit(build.commit);
    entry_.subject = build.subject;
    entry_.notes = build.notes;
    entry_.commit_url = build.commit_url;
    entry_.build_url = build.build_url;
    entry_.repository = build.repository;
    add_targets(images, options);
    choose_folder();
}

void Delivery::add_targets(const std::vector<PublishImage>& images, const PublishOptions& options) {
    if (images.empty()) {
        throw Error(ErrorCode::InvalidInput, "there is no image to publish");
    }
    std::set<std::string> tarballs;
    std::set<std::string> names;
    for (const PublishImage& image : images) {
        image.image.check();
        Target target;
        target.image = &image;
        target.tarball = tarball_name(image.name, image.tag);
        target.inputs = inputs_digest(image, options);
        if (!tarballs.insert(target.tarball).second) {
            throw Error(ErrorCode::InvalidInput, "two images would be delivered as " + image.name + ":" + image.tag)
                .advise("give one of them another name with =NAME:TAG");
        }
        names.insert(image.name);
        targets_.push_back(std::move(target));
    }
    entry_.images.assign(names.begin(), names.end());
}

/// The short SHA, or more digits of it when another commit's build has that folder.
void Delivery::choose_folder() {
    const auto changelog = place_.find_text(prefix_ + "/CHANGELOG.md", run_);
    const auto entries = parse_changelog(changelog ? std::string_view(changelog->text) : std::string_view());
    std::string taken;
    for (const std::string& folder : folder_names(entries)) {
        if (!taken.empty()) {
            run_.progress->notice(NoticeLevel::Info,
                                  "folder " + taken + " has the build of another commit: using " + folder);
        }
        entry_.short_sha = folder;
        refuse_withdrawn(entries);
        if (is_free(entries) && find_tarballs()) {
            in_changelog_ = changelog && contains_entry(changelog->text, entry_);
            return;
        }
        taken = folder;
    }
    throw Error(ErrorCode::Conflict, place_.name() + "/" + prefix_ + "/" + taken + " has the build of another commit")
        .advise("name the full commit with --commit");
}

/// In the order in which they are tried: where the changelog says that this build is, then the shortest.
std::vector<std::string> Delivery::folder_names(const std::vector<ParsedEntry>& entries) const {
    std::vector<std::string> names;
    const auto own = std::find_if(entries.begin(), entries.end(), [&](const ParsedEntry& there) {
        return there.commit == entry_.commit && is_same_build(there, entry_);
    });
    if (own != entries.end()) {
        names.push_back(own->short_sha);
    }
    for (const std::size_t digits : kFolderDigits) {
        std::string name = entry_.commit.substr(0, digits);
        if (std::find(names.begin(), names.end(), name) == names.end()) {
            names.push_back(std::move(name));
        }
    }
    return names;
}

/// Customers must not get new links to what they were told not to use.
void Delivery::refuse_withdrawn(const std::vector<ParsedEntry>& entries) const {
    for (const ParsedEntry& there : entries) {
        if (is_same_build(there, entry_) && withdrawal_of(there.status)) {
            throw Error(ErrorCode::Conflict, place_.name() + "/" + prefix_ + "/" + there.short_sha + " is " +
                                                 plain_line(there.status, kMaxShown))
                .advise("deliver another commit: a withdrawn build stays withdrawn");
        }
    }
}

bool Delivery::is_free(const std::vector<ParsedEntry>& entries) const {
    return std::none_of(entries.begin(), entries.end(), [&](const ParsedEntry& there) {
        return there.short_sha == entry_.short_sha && !is_same_build(there, entry_);
    });
}

/// Looks up all targets; false when one belongs to another commit.
bool Delivery::find_tarballs() {
    for (std::size_t begin = 0; begin < targets_.size(); begin += kLookups) {
        const std::size_t end = std::min(begin + kLookups, targets_.size());
        std::vector<std::future<void>> lookups;
        for (std::size_t i = begin; i < end; ++i) {
            Target& target = targets_[i];
            target.key = prefix_ + "/" + entry_.short_sha + "/" + target.tarball;
            const auto policy = i + 1 < end ? std::launch::async : std::launch::deferred;
            lookups.push_back(std::async(policy, [&] { target.found = place_.find_tarball(target.key, run_); }));
        }
        for (auto lookup = lookups.rbegin(); lookup != lookups.rend(); ++lookup) {
            lookup->get();
        }
    }
    return std::none_of(targets_.begin(), targets_.end(), [&](const Target& target) {
        return target.found && !target.found->commit.empty() && !is_same_commit(target.found->commit, entry_.commit);
    });
}

TargetPlan plan_of_target(const Target& target, const PublishOptions& options, const Run& run) {
    const PublishImage& wanted = *target.image;
    std::unique_ptr<TempDirectory> spool;
    oci::Image image = wanted.image;
    LayerMakers makers = wanted.makers;
    if (oci::needs_conversion(image, options.layers)) {
        spool = std::make_unique<TempDirectory>("cooper-publish");
        image = oci::convert_layers(wanted.image, options.layers, spool->path(), run);
        note_conversion(wanted.image, image, options.layers, makers);
    }
    oci::ArchivePlan plan = oci::ArchivePlan::make({{image, wanted.repo_tags}}, options.format);
    return {std::move(spool), std::move(image), std::move(makers), std::move(plan)};
}

TarballFacts facts_of_target(const Target& target, const oci::ArchivePlan& plan, const std::string& commit) {
    TarballFacts facts;
    facts.size = plan.size();
    facts.image_ids = target.image->image.manifest.config.digest.text();
    facts.identity = plan.identity().hex();
    facts.inputs = target.inputs;
    facts.commit = commit;
    return facts;
}

}  // namespace cooper::delivery
