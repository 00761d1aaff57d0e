#include "delivery/release/naming.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/keys.hpp"
#include "cooper/delivery/side_files.hpp"

#include "base/workers.hpp"
#include "delivery/publish/older_tarball.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>

namespace cooper::delivery {
namespace {

constexpr std::size_t kAtOnce = 8;  // the time in which names appear should be short

std::string told(const std::optional<Digest>& manifest) {
    return manifest ? manifest->text() : "nothing";
}

}  // namespace

void for_all(std::size_t count, const std::function<void(std::size_t, const Run&)>& body, const Run& run) {
    Workers workers(run);
    std::atomic<std::size_t> next{0};
    for (std::size_t i = 0; i < std::min(count, kAtOnce); ++i) {
        workers.start([&, inner = workers.run()] {
            for (std::size_t each = next++; each < count; each = next++) {
                inner.check();
                body(each, inner);
            }
        });
    }
    workers.join();
}

void Naming::give_names(const FindManifest& find_manifest) {
    if (place_ != nullptr) {
        complete_tarballs();
        write_locks();
        side_files_.checksums_key = journal_.folder + "/" + std::string(kChecksumsFile);
        if (!journal_.tarballs.empty() || !journal_.locks.empty() || key_ != nullptr) {
            side_files_ = write_side_files(*place_, journal_.folder, key_, run_);
        }
    }
    give_tags(false, find_manifest);
    give_tags(true, find_manifest);
}

void Naming::complete_tarballs() {
    for_all(
        journal_.tarballs.size(),
        [&](std::size_t i, const Run& run) { place_->complete_staged(journal_.tarballs[i], run); }, run_);
    if (!place_->copies_ranges()) {
        return;
    }
    for (const ReleasedImage& image : journal_.record.images) {
        const bool ours = std::any_of(journal_.tarballs.begin(), journal_.tarballs.end(),
                                      [&](const StagedTarball& staged) { return staged.key == image.key; });
        if (ours) {
            remember_newest(*place_, journal_.branch_prefix(), image.name, image.key, run_);
        }
    }
}

void Naming::write_locks() {
    for_all(
        journal_.locks.size(),
        [&](std::size_t i, const Run& run) {
            place_->put_text(journal_.locks[i].first, journal_.locks[i].second, run);
        },
        run_);
}

void Naming::give_tags(bool moving, const FindManifest& find_manifest) {
    std::vector<const JournalTag*> tags;
    for (const JournalTag& tag : journal_.tags) {
        if (tag.moving == moving) {
            tags.push_back(&tag);
        }
    }
    if (!tags.empty() && registry_ == nullptr) {
        throw Error(ErrorCode::InvalidInput, "the release has tags to move, and no registry to talk to was given");
    }
    std::mutex mutex;
    std::vector<std::string> races;
    for_all(
        tags.size(),
        [&](std::size_t i, const Run& run) {
            if (!give_tag(*tags[i], find_manifest, run)) {
                const std::scoped_lock lock(mutex);
                races.push_back(tags[i]->reference);
            }
        },
        run_);
    std::sort(races.begin(), races.end());
    races_ = std::move(races);
    if (!moving) {
        tell_races();
    }
    for (const std::string& race : races_) {
        run_.progress->notice(NoticeLevel::Warning, race + " was moved by somebody else meanwhile, and is left");
    }
}

/// Registries cannot compare and set: the tag is looked at before and after. False: somebody else moved it.
bool Naming::give_tag(const JournalTag& tag, const FindManifest& find_manifest, const Run& run) const {
    const oci::Reference reference = oci::Reference::parse(tag.reference);
    const auto now = registry_->find_digest(reference, run);
    if (now == tag.manifest) {
        return true;
    }
    if (now != tag.before) {
        return false;
    }
    if (const oci::RawManifest* manifest = find_manifest ? find_manifest(tag.manifest) : nullptr) {
        registry_->put_manifest(reference, *manifest, run);
    } else {
        const oci::Reference by_digest = oci::Reference::parse(reference.repository()).with_digest(tag.manifest);
        registry_->put_manifest(reference, registry_->manifest(by_digest, run).raw, run);
    }
    return registry_->find_digest(reference, run) == tag.manifest;
}

void Naming::declare() {
    if (place_ == nullptr) {
        return;
    }
    write_release(*place_, journal_.folder, journal_.record, run_);
    changelog_changed_ = update_changelog(*place_, journal_.branch_prefix(), journal_.entry, run_);
}

void Naming::tell_races() const {
    if (races_.empty()) {
        return;
    }
    std::string text;
    for (const std::string& race : races_) {
        text += (text.empty() ? "" : ", ") + race;
    }
    LostRace lost(text + (races_.size() == 1 ? " was" : " were") +
                  " moved by somebody else while this release was being made");
    lost.advise("look who releases at the same time; run the command again when they are done");
    throw lost;
}

namespace {

/// Undoes one release; each step on its own, so that one that fails does not keep the others from being tried.
class TakingBack {
public:
    TakingBack(const Journal& journal, Place* place, oci::RegistryClient* registry, const Run& run)
        : journal_(journal), place_(place), registry_(registry), run_(run) {}

    void all() {
        for (auto tag = journal_.tags.rbegin(); tag != journal_.tags.rend(); ++tag) {
            attempt("tag " + tag->reference, [&] { take_back_tag(*tag); });
        }
        if (place_ == nullptr) {
            return;
        }
        bool removed = false;
        for (const StagedTarball& staged : journal_.tarballs) {
            attempt("tarball " + staged.key, [&] {
                place_->discard_staged(staged, run_);
                removed |= place_->remove_tarball(staged.key, staged.facts, run_);
            });
        }
        for (const auto& lock : journal_.locks) {
            attempt("lock " + lock.first, [&] { take_back_lock(lock.first, lock.second); });
        }
        attempt(std::string(kReleaseFile), [&] { take_back_record(); });
        if (removed) {
            attempt("the files beside the tarballs", [&] { keep_or_clear_side_files(); });
        }
    }

private:
    template <class F>
    void attempt(const std::string& what, F&& body) const {
        try {
            body();
        } catch (const Error& error) {
            if (error.code() == ErrorCode::Unavailable) {
                throw;
            }
            run_.progress->notice(NoticeLevel::Warning, what + " is not taken back: " + error.what());
        }
    }

    void take_back_tag(const JournalTag& tag) const {
        if (registry_ == nullptr) {
            throw Error(ErrorCode::InvalidInput, "no registry to talk to was given");
        }
        const oci::Reference reference = oci::Reference::parse(tag.reference);
        const auto now = registry_->find_digest(reference, run_);
        if (now != tag.manifest) {
            if (now != tag.before) {
                run_.progress->notice(NoticeLevel::Warning, tag.reference + " names " + told(now) +
                                                                " by now, which is neither ours nor what it named "
                                                                "before: it is left");
            }
            return;
        }
        if (!tag.before) {
            remove_tag(reference, tag.manifest);
            return;
        }
        const oci::Reference by_digest = oci::Reference::parse(reference.repository()).with_digest(*tag.before);
        registry_->put_manifest(reference, registry_->manifest(by_digest, run_).raw, run_);
    }

    /// Older registries delete manifests only, and with one all its tags: done when all of them are of this release.
    void remove_tag(const oci::Reference& reference, const Digest& manifest) const {
        try {
            registry_->remove(reference, run_);
        } catch (const Error& error) {
            const oci::Reference repository = oci::Reference::parse(reference.repository());
            if (error.code() != ErrorCode::Unsupported || !is_ours_alone(repository, manifest)) {
                throw;
            }
            registry_->remove(repository.with_digest(manifest), run_);
        }
    }

    [[nodiscard]] bool is_ours_alone(const oci::Reference& repository, const Digest& manifest) const {
        const std::vector<std::string> tags = registry_->tags_of(repository, manifest, run_);
        return std::all_of(tags.begin(), tags.end(), [&](const std::string& tag) {
            return std::any_of(journal_.tags.begin(), journal_.tags.end(), [&](const JournalTag& each) {
                return each.reference == repository.with_tag(tag).text() && !each.before;
            });
        });
    }

    /// Unless its tarball is still there, completed by somebody else.
    void take_back_lock(const std::string& key, const std::string& text) const {
        for (const ReleasedImage& image : journal_.record.images) {
            if (lock_key(image.key) == key && place_->find_tarball(image.key, run_)) {
                return;
            }
        }
        const auto there = place_->find_text(key, run_);
        if (there && there->text == text) {
            place_->remove_text(key, run_);
        }
    }

    /// One that holds other images too cannot be told what it was: images of ours stay in it, without tarballs.
    void take_back_record() const {
        const auto there = find_release(*place_, journal_.folder, run_);
        if (!there) {
            return;
        }
        const auto is_ours = [&](const ReleasedImage& image) {
            return std::any_of(
                journal_.record.images.begin(), journal_.record.images.end(),
                [&](const ReleasedImage& each) { return each.name == image.name && each.tag == image.tag; });
        };
        if (std::all_of(there->images.begin(), there->images.end(), is_ours)) {
            place_->remove_text(journal_.folder + "/" + std::string(kReleaseFile), run_);
        } else if (std::any_of(there->images.begin(), there->images.end(), is_ours)) {
            throw Error(ErrorCode::Conflict, "it names images of other releases as well");
        }
    }

    /// They name the folder's tarballs; where there are none left they go as well.
    void keep_or_clear_side_files() const {
        const std::vector<std::string> keys = place_->list(journal_.folder + "/", run_);
        if (std::any_of(keys.begin(), keys.end(), [](const std::string& key) { return key.ends_with(".tar"); })) {
            write_side_files(*place_, journal_.folder, nullptr, run_);
            return;
        }
        for (const std::string_view name : {kSignatureFile, kPublicKeyFile, kChecksumsFile, kVerifyFile, kLoadFile}) {
            const std::string key = journal_.folder + "/" + std::string(name);
            if (std::find(keys.begin(), keys.end(), key) != keys.end()) {
                place_->remove_text(key, run_);
            }
        }
    }

    const Journal& journal_;
    Place* place_;
    oci::RegistryClient* registry_;
    const Run& run_;
};

}  // namespace

void take_back(const Journal& journal, Place* place, oci::RegistryClient* registry, const Run& run) {
    TakingBack(journal, place, registry, run).all();
}

bool undo_journal(const StoredJournal& stored, Place& place, oci::RegistryClient* registry, const Run& run) {
    if (!mark_undoing(place, stored, run)) {
        return false;
    }
    take_back(stored.journal, &place, registry, run);
    remove_journal(place, stored.key, run);
    return true;
}

}  // namespace cooper::delivery
