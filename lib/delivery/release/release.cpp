#include "cooper/delivery/release.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/publish/delivery.hpp"
#include "delivery/publish/tarball_delivery.hpp"
#include "delivery/release/journal.hpp"
#include "delivery/release/naming.hpp"
#include "delivery/release/staging.hpp"

#include <algorithm>
#include <set>

namespace cooper::delivery {
namespace {

/// A journal of another commit that is older tells of a run that was cut; a younger one may be at work.
constexpr std::chrono::minutes kSurelyCut{15};
constexpr int kRounds = 3;  // against others who make the same release at the same time

bool may_pass(const Error& error) {
    return error.code() == ErrorCode::Unavailable;
}

void check_images(const std::vector<ReleaseImage>& images, const Place* place, const oci::RegistryClient* registry) {
    if (images.empty()) {
        throw Error(ErrorCode::InvalidInput, "there is no image to release");
    }
    for (const ReleaseImage& image : images) {
        image.image.image.check();
        if (!image.pushes.empty() && registry == nullptr) {
            throw Error(ErrorCode::InvalidInput, "a release that pushes needs a registry client");
        }
        if (image.pushes.empty() && place == nullptr) {
            throw Error(ErrorCode::InvalidInput, image.image.source + " would be released nowhere");
        }
    }
}

std::vector<PublishImage> to_publish(const std::vector<ReleaseImage>& images) {
    std::vector<PublishImage> plain;
    plain.reserve(images.size());
    for (const ReleaseImage& image : images) {
        plain.push_back(image.image);
    }
    return plain;
}

class Releaser {
public:
    Releaser(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place,
             oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run)
        : images_(images),
          plain_(to_publish(images)),
          build_(build),
          place_(place),
          registry_(registry),
          options_(options),
          run_(run),
          naming_run_(run.with_stop({})) {
        for (const ReleaseImage& image : images) {
            manifests_.insert({image.graph.root().digest, &image.graph.root()});
        }
    }

    Released release() {
        if (place_ == nullptr) {
            return release_tags();
        }
        for (int round = 1;; ++round) {
            settle_journals();
            if (auto released = release_once()) {
                return std::move(*released);
            }
            if (round == kRounds) {
                LostRace lost("somebody else makes this very release at the same time");
                lost.advise("run the command again when they are done: what is there then is found");
                throw lost;
            }
        }
    }

private:
    /// Half-done releases of this commit are brought to an end; those of others are told.
    void settle_journals() const {
        const std::string prefix = branch_key(build_.branch);
        for (const StoredJournal& stored : find_journals(*place_, prefix, "", run_)) {
            const Journal& journal = stored.journal;
            if (journal.entry.commit == check_commit(build_.commit) && journal.entry.repository == build_.repository) {
                settle(stored);
            } else if (run_.clock->now_seconds() - journal.begun > kSurelyCut) {
                run_.progress->notice(NoticeLevel::Warning,
                                      "the release of commit " + journal.entry.short_sha + " of " + build_.branch +
                                          ", begun " + format_changelog(journal.begun) +
                                          ", is half-done: run it again to finish it, or take it back with "
                                          "cooper release --undo");
            }
        }
    }

    void settle(const StoredJournal& stored) const {
        const Journal& journal = stored.journal;
        const std::string what = "the half-done release of " + format_changelog(journal.begun);
        run_.progress->notice(NoticeLevel::Info, (journal.undoing ? "taking back " : "finishing ") + what);
        in_context(what, [&] {
            if (journal.undoing) {
                undo_journal(stored, *place_, registry_, naming_run_);
                return;
            }
            try {
                Naming naming(journal, place_, registry_, options_.publish.key.get(), naming_run_);
                naming.give_names(find_manifest());
                naming.declare();
                remove_journal(*place_, stored.key, run_);
            } catch (const Error& error) {
                if (may_pass(error)) {
                    throw;
                }
                run_.progress->notice(NoticeLevel::Warning,
                                      what + " cannot be finished, so it is taken back: " + error.what());
                undo_journal(stored, *place_, registry_, naming_run_);
            }
        });
    }

    /// nullopt: another run of this very release wrote its journal first.
    std::optional<Released> release_once() {
        Delivery delivery(plain_, build_, *place_, options_.publish, run_);
        refuse_withdrawn(delivery.folder());
        Staging staging(images_, build_, place_, &delivery, registry_, options_, run_);
        staging.stage_all();
        Journal journal = staging.journal();
        journal.folder = delivery.folder();
        journal.entry = delivery.entry();
        journal.begun = delivery.entry().time;
        complete_record(journal);
        const bool names = !journal.tarballs.empty() || !journal.locks.empty() || !journal.tags.empty();
        if (names && !write_journal(*place_, journal, run_)) {
            for (const StoredJournal& stored :
                 find_journals(*place_, delivery.branch_prefix(), journal.entry.commit, naming_run_)) {
                staging.spare(stored.journal.tarballs);
            }
            return std::nullopt;
        }
        staging.keep();
        Released released = result_of(staging, journal);
        released.changed = names;
        if (names) {
            name(journal, released);
        } else {
            released.published.side_files =
                keep_side_files(*place_, journal.folder, released.published.images, options_.publish.key.get(), run_);
            Naming naming(journal, place_, registry_, nullptr, run_);
            naming.declare();
            released.published.changelog_changed = naming.changelog_changed();
        }
        released.changed |= released.published.changelog_changed;
        for (PublishedImage& image : released.published.images) {
            image.link = place_->link(image.key, options_.publish.expires, run_);
        }
        return released;
    }

    /// The names of one release, from its journal; a failure for good takes them back.
    void name(const Journal& journal, Released& released) const {
        const std::string key = journal_key(journal);
        Naming naming(journal, place_, registry_, options_.publish.key.get(), naming_run_);
        try {
            naming.give_names(find_manifest());
        } catch (Error& error) {
            if (may_pass(error)) {
                error.advise("run the same command again to finish the release, or take it back with --undo");
            } else {
                take_back_named(key, error);
            }
            throw;
        }
        naming.declare();
        released.published.changelog_changed = naming.changelog_changed();
        released.published.side_files = naming.side_files();
        remove_journal(*place_, key, naming_run_);
        naming.tell_races();
    }

    void take_back_named(const std::string& key, Error& error) const {
        try {
            const auto stored = find_journal(*place_, key, naming_run_);
            if (stored && undo_journal(*stored, *place_, registry_, naming_run_)) {
                error.add_context("the release was taken back");
            }
        } catch (const Error& second) {
            error.advise(std::string("the release is half-done, and could not be taken back: ") + second.what() +
                         "; run the same command again, or with --undo");
        }
    }

    /// Without a place there is no journal; what this run named is taken back all the same when it fails for good.
    Released release_tags() {
        Staging staging(images_, build_, nullptr, nullptr, registry_, options_, run_);
        staging.stage_all();
        const Journal journal = staging.journal();
        Released released = result_of(staging, journal);
        released.changed = !journal.tags.empty();
        Naming naming(journal, nullptr, registry_, nullptr, naming_run_);
        try {
            naming.give_names(find_manifest());
        } catch (const Error& error) {
            if (!may_pass(error)) {
                take_back(journal, nullptr, registry_, naming_run_);
            }
            throw;
        }
        naming.tell_races();
        return released;
    }

    void refuse_withdrawn(const std::string& folder) const {
        const auto there = find_release(*place_, folder, run_);
        if (there && there->withdrawn) {
            throw Error(ErrorCode::Conflict, place_->name() + "/" + folder + " was withdrawn on " +
                                                 format_changelog(there->withdrawn->time) + ": " +
                                                 there->withdrawn->reason)
                .advise("release another commit");
        }
    }

    void complete_record(Journal& journal) const {
        ReleaseRecord& record = journal.record;
        record.branch = build_.branch;
        record.version = options_.version;
        record.published = journal.entry.time;
        record.commits = {{build_.repository, journal.entry.commit, build_.subject, build_.build_url}};
        if (options_.publish.key != nullptr) {
            record.signed_by = options_.publish.key->fingerprint().text();
        }
    }

    [[nodiscard]] static Released result_of(Staging& staging, const Journal& journal) {
        Released released;
        if (!journal.folder.empty()) {
            released.published.images = std::move(staging.images());
            released.published.changelog_key = journal.branch_prefix() + "/CHANGELOG.md";
            released.record_key = journal.folder + "/" + std::string(kReleaseFile);
        }
        released.tags = staging.tags();
        released.gates = staging.gates();
        return released;
    }

    [[nodiscard]] FindManifest find_manifest() const {
        return [this](const Digest& digest) {
            const auto found = manifests_.find(digest);
            return found == manifests_.end() ? nullptr : found->second;
        };
    }

    const std::vector<ReleaseImage>& images_;
    std::vector<PublishImage> plain_;
    const BuildInfo& build_;
    Place* place_;
    oci::RegistryClient* registry_;
    const ReleaseOptions& options_;
    const Run& run_;
    Run naming_run_;  // half a release is worse than a slow Ctrl-C; a second one ends the process
    std::map<Digest, const oci::RawManifest*> manifests_;
};

}  // namespace

Released release(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place,
                 oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run) {
    check_images(images, place, registry);
    return Releaser(images, build, place, registry, options, run).release();
}

ReleasePlan plan_release(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place,
                         oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run) {
    check_images(images, place, registry);
    ReleasePlan plan;
    Staging staging(images, build, nullptr, nullptr, registry, options, run);
    staging.look_up();
    plan.tags = staging.tags();
    if (place != nullptr) {
        plan.images = plan_publish(to_publish(images), build, *place, options.publish, run);
    }
    return plan;
}

std::vector<UnfinishedRelease> unfinished_releases(Place& place, const std::string& branch, const Run& run) {
    std::vector<UnfinishedRelease> unfinished;
    for (const StoredJournal& stored : find_journals(place, branch_key(branch), "", run)) {
        UnfinishedRelease release;
        release.journal_key = stored.key;
        release.commit = stored.journal.entry.commit;
        release.repository = stored.journal.entry.repository;
        release.begun = stored.journal.begun;
        release.undoing = stored.journal.undoing;
        for (const ReleasedImage& image : stored.journal.record.images) {
            release.images.push_back(image.name + ":" + image.tag);
        }
        unfinished.push_back(std::move(release));
    }
    return unfinished;
}

std::size_t undo_release(Place& place, const std::string& branch, const std::string& commit,
                         oci::RegistryClient* registry, const Run& run) {
    const std::string prefix = branch_key(branch);
    std::size_t undone = 0;
    for (const StoredJournal& stored : find_journals(place, prefix, check_commit(commit), run)) {
        const auto changelog = place.find_text(prefix + "/CHANGELOG.md", run);
        if (changelog && contains_entry(changelog->text, stored.journal.entry)) {
            throw Error(ErrorCode::Conflict, "the release of " + stored.journal.entry.short_sha +
                                                 " is in the changelog: it is done, but for its journal")
                .advise("run it again to finish it; cooper withdraw marks it as one that must not be used");
        }
        if (undo_journal(stored, place, registry, run)) {
            ++undone;
        }
    }
    return undone;
}

}  // namespace cooper::delivery
