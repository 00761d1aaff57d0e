#include "delivery/publish/tarball_delivery.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/publish/older_tarball.hpp"

#include <algorithm>

namespace cooper::delivery {
namespace {

constexpr unsigned kMinBuffers = 2;  // one fills while one leaves
constexpr unsigned kMaxBuffers = 64;
constexpr unsigned kMaxUploads = 16;
constexpr int kUploadTries = 3;  // against others who write and remove the same key

/// Takes parts when only the checksum of the archive is wanted.
class NoConsumer final : public oci::PartConsumer {
public:
    void part(std::uint32_t /*number*/, std::uint64_t /*offset*/, Bytes /*bytes*/) override {}
};

bool is_same_inputs(const Target& target) {
    return target.found && !target.found->sha256.empty() && target.found->inputs == target.inputs;
}

PublishedImage describe(const Target& target) {
    PublishedImage result;
    result.name = target.image->name;
    result.tag = target.image->tag;
    result.key = target.key;
    result.file = safe_file_name(target.tarball);
    result.image_id = target.image->image.manifest.config.digest.text();
    return result;
}

void fill_in(PublishedImage& result, const TarballFacts& facts, bool already_there) {
    result.size = facts.size;
    result.sha256 = facts.sha256;
    result.already_there = already_there;
}

/// Nothing of a delivery was written and SHA256SUMS, which is written last of the files beside it, names all of it:
/// what a publisher that changed nothing asks instead of looking at each of them.
bool checksums_stand(Place& place, const std::string& key, const std::vector<PublishedImage>& images, const Run& run) {
    const auto text = place.find_text(key, run);
    const std::string there = text ? text->text : "";
    return std::all_of(images.begin(), images.end(), [&](const PublishedImage& image) {
        const auto line = [](const std::string& hex, const std::string& name) { return hex + "  " + name + "\n"; };
        return there.find(line(image.sha256, image.file)) != std::string::npos &&
               there.find(line(std::string(sha256(image.lock).hex()), image.file + ".lock.json")) != std::string::npos;
    });
}

}  // namespace

TarballDelivery::TarballDelivery(Place& place, const PublishOptions& options, const BuildInfo& build,
                                 const Delivery& delivery, TarballEnd& end, const Run& run)
    : place_(place),
      options_(options),
      delivery_(delivery),
      end_(end),
      run_(run),
      source_{build.repository, build.branch, delivery.entry().commit, build.tree} {}

PublishedImage TarballDelivery::deliver(Target& target) {
    PublishedImage result = describe(target);
    std::optional<TargetPlan> planned;
    if (is_same_inputs(target)) {
        fill_in(result, *target.found, true);
    } else {
        planned = plan_of_target(target, options_, run_);
        bring(target, planned->plan, result);
    }
    keep_lock(target, std::move(planned), result);
    return result;
}

/// Makes sure that the tarball is there, by sending it or finding it.
void TarballDelivery::bring(Target& target, const oci::ArchivePlan& plan, PublishedImage& result) {
    for (int tries = 1;; ++tries) {
        if (target.found) {
            reuse(target, plan, result);
            return;
        }
        try {
            upload(target, plan, result);
            return;
        } catch (const Error& error) {
            // Another publisher was faster: the same bytes are as good as ours.
            if (error.code() != ErrorCode::Conflict || tries == kUploadTries) {
                throw;
            }
        }
        target.found = place_.find_tarball(target.key, run_);
    }
}

oci::ArchiveWritten TarballDelivery::stream(const Target& target, const oci::ArchivePlan& plan,
                                            oci::PartConsumer& consumer, std::vector<std::uint64_t> parts) const {
    oci::ArchiveStreamOptions stream;
    stream.part_size = place_.part_size(plan.size());
    stream.parts = std::move(parts);
    const std::uint64_t largest =
        stream.parts.empty() ? stream.part_size : *std::max_element(stream.parts.begin(), stream.parts.end());
    stream.buffers =
        static_cast<unsigned>(std::clamp<std::uint64_t>(options_.memory / largest, kMinBuffers, kMaxBuffers));
    stream.uploads = std::clamp(stream.buffers - kMinBuffers, 1U, kMaxUploads);
    stream.connections = options_.connections;
    stream.deep = options_.deep;
    stream.task = target.tarball;
    return oci::stream_archive(plan, consumer, stream, run_);
}

/// Copies what an older tarball has where the place can, goes on with what an earlier run left there, and sends the
/// rest; all of it, when the store will not put the pieces together (parts of several lengths, or checksums of
/// another kind than today's).
void TarballDelivery::upload(const Target& target, const oci::ArchivePlan& plan, PublishedImage& result) {
    const std::optional<Reuse> older =
        options_.reuse
            ? find_older_tarball(place_, delivery_.branch_prefix(), target.image->name, locked_segments(plan), run_)
            : std::nullopt;
    try {
        upload_once(target, plan, older ? &*older : nullptr, result);
        return;
    } catch (const Error& error) {
        const bool refused = error.code() == ErrorCode::InvalidInput || error.code() == ErrorCode::Unsupported;
        if (!refused || (!older && result.traffic.resumed == 0)) {
            throw;
        }
        run_.progress->notice(NoticeLevel::Info, place_.name() +
                                                     " does not join what it has with what is sent, so all of " +
                                                     target.tarball + " is sent: " + error.what());
    }
    upload_once(target, plan, nullptr, result);
}

void TarballDelivery::upload_once(const Target& target, const oci::ArchivePlan& plan, const Reuse* older,
                                  PublishedImage& result) {
    TarballFacts facts = facts_of_target(target, plan, delivery_.entry().commit);
    const auto upload = place_.begin_tarball(target.key, facts, older, run_);
    try {
        const oci::ArchiveWritten written =
            stream(target, plan, end_.consumer(*upload, target), upload->part_lengths());
        result.traffic = upload->traffic();
        facts.sha256 = written.sha256.value().hex();
        end_.arrived(*upload, facts);
        result.diff_ids_checked = written.diff_ids_checked;
    } catch (const Error& error) {
        if (error.code() == ErrorCode::Unavailable) {
            upload->keep_for_later();
        }
        throw;
    }
    fill_in(result, facts, false);
}

/// The tarball's lock beside it: the one that is there if it is right, else a new one.
void TarballDelivery::keep_lock(const Target& target, std::optional<TargetPlan> planned, PublishedImage& result) {
    result.lock_key = lock_key(target.key);
    if (result.already_there) {
        const auto there = place_.find_text(result.lock_key, run_);
        if (there && is_lock_of(there->text, result)) {
            result.lock = there->text;
            return;
        }
    }
    if (!planned) {
        planned = plan_of_target(target, options_, run_);
    }
    const std::vector<oci::ArchiveImage> images{{planned->image, target.image->repo_tags}};
    result.lock = lock_to_json(make_lock({.plan = planned->plan,
                                          .images = images,
                                          .origins = {target.image->origin},
                                          .format = options_.format,
                                          .makers = planned->makers,
                                          .source = source_,
                                          .name = result.file,
                                          .sha256 = Digest::parse("sha256:" + result.sha256),
                                          .tool_version = options_.tool_version}));
    end_.lock_made(result.lock_key, result.lock);
}

bool TarballDelivery::is_lock_of(const std::string& text, const PublishedImage& result) const {
    try {
        const Lock lock = lock_from_json(text, result.lock_key);
        return lock.output.sha256.hex() == result.sha256 && lock.output.size == result.size;
    } catch (const Error& error) {
        run_.progress->notice(NoticeLevel::Warning, std::string(error.what()) + "; it is written anew");
        return false;
    }
}

/// Something has the key: fine if it is what we would write.
void TarballDelivery::reuse(const Target& target, const oci::ArchivePlan& plan, PublishedImage& result) {
    const TarballFacts& found = *target.found;
    const TarballFacts wanted = facts_of_target(target, plan, delivery_.entry().commit);
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
void TarballDelivery::repair(const Target& target, const oci::ArchivePlan& plan, TarballFacts wanted,
                             PublishedImage& result) {
    NoConsumer consumer;
    const oci::ArchiveWritten hashed = stream(target, plan, consumer, {});
    wanted.sha256 = hashed.sha256.value().hex();
    if (!target.found->sha256.empty() && target.found->sha256 != wanted.sha256) {
        refuse(target, wanted);
    }
    place_.record_facts(target.key, wanted, run_);
    fill_in(result, wanted, true);
    result.diff_ids_checked = hashed.diff_ids_checked;
}

void TarballDelivery::refuse(const Target& target, const TarballFacts& wanted) const {
    const TarballFacts& found = *target.found;
    const auto told = [](const TarballFacts& facts) {
        return std::to_string(facts.size) + " bytes" + (facts.image_ids.empty() ? "" : ", image " + facts.image_ids);
    };
    throw DifferentBytes(place_.name() + "/" + target.key + " has other bytes for commit " +
                         delivery_.entry().short_sha + ": there are " + told(found) +
                         (found.sha256.empty() ? "" : ", sha256 " + found.sha256) + "; " + target.image->source +
                         " makes " + told(wanted));
}

std::string progress_of(const std::vector<Target>& targets, std::size_t failed, std::string_view doing) {
    std::string text = std::string(doing) + " " + targets[failed].image->name + ":" + targets[failed].image->tag;
    if (targets.size() > 1) {
        text += " (" + std::to_string(failed + 1) + " of " + std::to_string(targets.size());
        for (std::size_t i = 0; i < failed; ++i) {
            text += (i == 0 ? "; complete: " : ", ") + targets[i].tarball;
        }
        text += "; the changelog was not written)";
    }
    return text;
}

SideFilesResult keep_side_files(Place& place, const std::string& folder, const std::vector<PublishedImage>& images,
                                const SigningKey* key, const Run& run) {
    SideFilesResult result;
    result.checksums_key = folder + "/" + std::string(kChecksumsFile);
    return key == nullptr && checksums_stand(place, result.checksums_key, images, run)
               ? result
               : write_side_files(place, folder, key, run);
}

}  // namespace cooper::delivery
