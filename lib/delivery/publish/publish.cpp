#include "cooper/delivery/publish.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/keys.hpp"

#include <algorithm>
#include <future>
#include <set>

namespace cooper::delivery {
namespace {

constexpr unsigned kMinBuffers = 2;  // one fills while one leaves
constexpr unsigned kMaxBuffers = 64;
constexpr unsigned kMaxUploads = 16;
constexpr std::size_t kLookups = 8;  // at once
constexpr int kUploadTries = 3;      // against others who write and remove the same key
constexpr std::size_t kFolderDigits[] = {7, 12, 40};

/// Takes parts when only the checksum of the archive is wanted.
class NoConsumer final : public oci::PartConsumer {
public:
    void part(std::uint32_t /*number*/, std::uint64_t /*offset*/, Bytes /*bytes*/) override {}
};

/// One tarball on its way through publish().
struct Target {
    const PublishImage* image = nullptr;
    std::string tarball;  ///< "openhands:latest.tar"
    std::string inputs;
    std::string key;
    std::optional<TarballFacts> found;
};

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

class Publisher {
public:
    Publisher(const BuildInfo& build, Place& place, const PublishOptions& options, const Run& run)
        : place_(place), options_(options), run_(run), prefix_(branch_key(build.branch)) {
        entry_.time = run.clock->now_seconds();
        entry_.commit = check_commit(build.commit);
        entry_.subject = build.subject;
        entry_.notes = build.notes;
        entry_.commit_url = build.commit_url;
        entry_.build_url = build.build_url;
        entry_.repository = build.repository;
    }

    Published publish(const std::vector<PublishImage>& images) {
        add_targets(images);
        choose_folder();
        Published published;
        for (std::size_t i = 0; i < targets_.size(); ++i) {
            try {
                published.images.push_back(publish_one(targets_[i]));
            } catch (Error& error) {
                error.add_context(progress_of(i));
                throw;
            }
        }
        published.changelog_key = prefix_ + "/CHANGELOG.md";
        published.changelog_changed = !in_changelog_ && update_changelog(place_, prefix_, entry_, run_);
        for (PublishedImage& image : published.images) {
            image.link = place_.link(image.key, options_.expires, run_);
        }
        return published;
    }

private:
    void add_targets(const std::vector<PublishImage>& images) {
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
            target.inputs = inputs_digest(image, options_);
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
    void choose_folder() {
        const auto changelog = place_.find_text(prefix_ + "/CHANGELOG.md", run_);
        const auto entries = parse_changelog(changelog ? std::string_view(changelog->text) : std::string_view());
        std::string taken;
        for (const std::string& folder : folder_names(entries)) {
            if (!taken.empty()) {
                run_.progress->notice(NoticeLevel::Info,
                                      "folder " + taken + " has the build of another commit: using " + folder);
            }
            entry_.short_sha = folder;
            if (is_free(entries) && find_tarballs()) {
                in_changelog_ = changelog && contains_entry(changelog->text, entry_);
                return;
            }
            taken = folder;
        }
        throw Error(ErrorCode::Conflict,
                    place_.name() + "/" + prefix_ + "/" + taken + " has the build of another commit")
            .advise("name the full commit with --commit");
    }

    /// In the order in which they are tried: where the changelog says that this build is, then the shortest.
    [[nodiscard]] std::vector<std::string> folder_names(const std::vector<ParsedEntry>& entries) const {
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

    [[nodiscard]] bool is_free(const std::vector<ParsedEntry>& entries) const {
        return std::none_of(entries.begin(), entries.end(), [&](const ParsedEntry& there) {
            return there.short_sha == entry_.short_sha && !is_same_build(there, entry_);
        });
    }

    /// Looks up all targets; false when one belongs to another commit.
    bool find_tarballs() {
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
            return target.found && !target.found->commit.empty() &&
                   !is_same_commit(target.found->commit, entry_.commit);
        });
    }

    PublishedImage publish_one(Target& target) {
        PublishedImage result = describe(target);
        if (is_same_inputs(target)) {
            fill_in(result, *target.found, true);
            return result;
        }
        std::optional<TempDirectory> spool;
        const oci::ArchivePlan plan = make_plan(target, spool);
        for (int tries = 1;; ++tries) {
            if (target.found) {
                reuse(target, plan, result);
                return result;
            }
            try {
                upload(target, plan, result);
                return result;
            } catch (const Error& error) {
                // Another publisher was faster: the same bytes are as good as ours.
                if (error.code() != ErrorCode::Conflict || tries == kUploadTries) {
                    throw;
                }
            }
            target.found = place_.find_tarball(target.key, run_);
        }
    }

    [[nodiscard]] static bool is_same_inputs(const Target& target) {
        return target.found && !target.found->sha256.empty() && target.found->inputs == target.inputs;
    }

    [[nodiscard]] PublishedImage describe(const Target& target) const {
        PublishedImage result;
        result.name = target.image->name;
        result.tag = target.image->tag;
        result.key = target.key;
        result.file = safe_file_name(target.tarball);
        result.image_id = target.image->image.manifest.config.digest.text();
        return result;
    }

    static void fill_in(PublishedImage& result, const TarballFacts& facts, bool already_there) {
        result.size = facts.size;
        result.sha256 = facts.sha256;
        result.already_there = already_there;
    }

    [[nodiscard]] oci::ArchivePlan make_plan(const Target& target, std::optional<TempDirectory>& spool) const {
        oci::Image image = target.image->image;
        if (oci::needs_conversion(image, options_.layers)) {
            spool.emplace("cooper-publish");
            image = oci::convert_layers(image, options_.layers, spool->path(), run_);
        }
        return oci::ArchivePlan::make({{std::move(image), target.image->repo_tags}}, options_.format);
    }

    [[nodiscard]] TarballFacts known_facts(const Target& target, const oci::ArchivePlan& plan) const {
        TarballFacts facts;
        facts.size = plan.size();
        facts.image_ids = target.image->image.manifest.config.digest.text();
        facts.identity = plan.identity().hex();
        facts.inputs = target.inputs;
        facts.commit = entry_.commit;
        return facts;
    }

    oci::ArchiveWritten stream(const Target& target, const oci::ArchivePlan& plan, oci::PartConsumer& consumer) const {
        oci::ArchiveStreamOptions stream;
        stream.part_size = place_.part_size(plan.size());
        stream.buffers = static_cast<unsigned>(
            std::clamp<std::uint64_t>(options_.memory / stream.part_size, kMinBuffers, kMaxBuffers));
        stream.uploads = std::clamp(stream.buffers - kMinBuffers, 1U, kMaxUploads);
        stream.connections = options_.connections;
        stream.deep = options_.deep;
        stream.task = target.tarball;
        return oci::stream_archive(plan, consumer, stream, run_);
    }

    void upload(const Target& target, const oci::ArchivePlan& plan, PublishedImage& result) {
        TarballFacts facts = known_facts(target, plan);
        const auto consumer = place_.begin_tarball(target.key, facts, run_);
        const oci::ArchiveWritten written = stream(target, plan, *consumer);
        facts.sha256 = written.sha256.value().hex();
        consumer->complete(facts, run_);
        fill_in(result, facts, false);
        result.diff_ids_checked = written.diff_ids_checked;
    }

    /// Something has the key: fine if it is what we would write.
    void reuse(const Target& target, const oci::ArchivePlan& plan, PublishedImage& result) {
        const TarballFacts& found = *target.found;
        const TarballFacts wanted = known_facts(target, plan);
        const bool same_plan = found.identity == wanted.identity;
        if (found.size != wanted.size || (!found.identity.empty() && !same_plan)) {
            refuse(target, wanted);
        }
        if (same_plan && !found.sha256.empty()) {
            fill_in(result, found, true);
            return;
        }
        if (!same_plan && found.sha256.empty()) {
            throw DifferentBytes(place_.name() + "/" + target.key +
                                 " is there already, and cooper has no record of what it is");
        }
        repair(target, plan, wanted, result);
    }

    /// The record is incomplete: what the plan makes is hashed, not written, and the record is completed if it agrees.
    void repair(const Target& target, const oci::ArchivePlan& plan, TarballFacts wanted, PublishedImage& result) {
        NoConsumer consumer;
        const oci::ArchiveWritten hashed = stream(target, plan, consumer);
        wanted.sha256 = hashed.sha256.value().hex();
        if (!target.found->sha256.empty() && target.found->sha256 != wanted.sha256) {
            refuse(target, wanted);
        }
        place_.record_facts(target.key, wanted, run_);
        fill_in(result, wanted, true);
        result.diff_ids_checked = hashed.diff_ids_checked;
    }

    [[noreturn]] void refuse(const Target& target, const TarballFacts& wanted) const {
        const TarballFacts& found = *target.found;
        const auto told = [](const TarballFacts& facts) {
            return std::to_string(facts.size) + " bytes" +
                   (facts.image_ids.empty() ? "" : ", image " + facts.image_ids);
        };
        throw DifferentBytes(place_.name() + "/" + target.key + " has other bytes for commit " + entry_.short_sha +
                             ": there are " + told(found) + (found.sha256.empty() ? "" : ", sha256 " + found.sha256) +
                             "; " + target.image->source + " makes " + told(wanted));
    }

    [[nodiscard]] std::string progress_of(std::size_t failed) const {
        std::string text = "publishing " + targets_[failed].image->name + ":" + targets_[failed].image->tag;
        if (targets_.size() > 1) {
            text += " (" + std::to_string(failed + 1) + " of " + std::to_string(targets_.size());
            for (std::size_t i = 0; i < failed; ++i) {
                text += (i == 0 ? "; complete: " : ", ") + targets_[i].tarball;
            }
            text += "; the changelog was not written)";
        }
        return text;
    }

    Place& place_;
    const PublishOptions& options_;
    const Run& run_;
    std::string prefix_;
    ChangelogEntry entry_;
    bool in_changelog_ = false;
    std::vector<Target> targets_;
};

}  // namespace

DifferentBytes::DifferentBytes(const std::string& message) : Error(ErrorCode::Conflict, message) {
    advise(
        "what was delivered for a commit is never overwritten: publish under another tag, or remove the tarball first");
}
DifferentBytes::~DifferentBytes() = default;

Published publish(const std::vector<PublishImage>& images, const BuildInfo& build, Place& place,
                  const PublishOptions& options, const Run& run) {
    return Publisher(build, place, options, run).publish(images);
}

}  // namespace cooper::delivery
