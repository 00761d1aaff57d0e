// A place that deliveries go to: a bucket or a directory, one contract for both.
#pragma once

#include "cooper/base/environment.hpp"
#include "cooper/delivery/reused_ranges.hpp"
#include "cooper/oci/archive_writer.hpp"
#include "cooper/s3/bucket.hpp"

#include <chrono>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// What is recorded about a tarball. Empty: not recorded.
struct TarballFacts {
    std::uint64_t size = 0;
    std::string sha256;     ///< hex
    std::string image_ids;  ///< config digests, comma separated
    std::string identity;   ///< of the archive plan, hex
    /// Hex digest over what the plan was made from (manifest, names, layer form): known before a layer had to be
    /// re-encoded, so that "publish again" pulls nothing.
    std::string inputs;
    std::string commit;  ///< whose build it is; two commits may have one short SHA
    bool operator==(const TarballFacts&) const = default;
};

/// How the bytes of a tarball came to its place.
struct Traffic {
    std::uint64_t sent = 0;
    std::uint64_t copied = 0;   ///< by the store, out of an older tarball
    std::uint64_t resumed = 0;  ///< sent by an earlier run that was cut
    bool operator==(const Traffic&) const = default;
};

/// A tarball that has arrived whole and is not visible: what any process needs to complete it. A value.
struct StagedTarball {
    std::string key;
    TarballFacts facts;
    std::string handle;  ///< the place's own words: an open upload with its parts, a hidden file
    bool operator==(const StagedTarball&) const = default;
};

/// A tarball on its way. Invisible until complete(); gone when dropped before, unless kept.
class TarballUpload : public oci::PartConsumer {
public:
    /// How the tarball must be cut for part(): all lengths, or none when they are of Place::part_size().
    [[nodiscard]] virtual std::vector<std::uint64_t> part_lengths() const { return {}; }
    [[nodiscard]] virtual Traffic traffic() const = 0;
    /// What has arrived stays, invisible, for a later upload of the same plan to go on with, where the place can do
    /// that.
    virtual void keep_for_later() noexcept {}
    /// Instead of complete(): all parts were given, and what has arrived waits, invisible, for
    /// Place::complete_staged(), in this process or another.
    [[nodiscard]] virtual StagedTarball stage(const TarballFacts& facts, const Run& run) = 0;
    /// Makes it visible with its facts, if no object has the key (Error{Conflict} otherwise). Error{Unavailable}: it is
    /// not known whether it was made visible. Once it is visible its facts can be found.
    virtual void complete(const TarballFacts& facts, const Run& run) = 0;
};

struct Link {
    std::string url;
    std::optional<TimePoint> expires;  ///< nullopt: does not expire (file://)
    std::string warning;               ///< why it ends earlier than asked; empty: it does not
};

/// Threads: methods may be called from several threads at once.
class Place {
public:
    virtual ~Place() = default;
    /// "s3://bucket" or "dir:/path".
    [[nodiscard]] virtual std::string name() const = 0;
    /// What lies under `key`; nullopt: nothing. Facts that are not recorded are empty.
    [[nodiscard]] virtual std::optional<TarballFacts> find_tarball(const std::string& key, const Run& run) = 0;
    /// `known` are the facts but for the sha256. With `reuse` (null: none; used during the call only) the place copies
    /// what an older tarball of its own has; whatever it does not get that way it takes from part(), so part() must be
    /// called for every part in any case.
    [[nodiscard]] virtual std::unique_ptr<TarballUpload> begin_tarball(const std::string& key,
                                                                       const TarballFacts& known, const Reuse* reuse,
                                                                       const Run& run) = 0;
    /// What pins the content of a tarball that ranges may be copied from; nullopt: it is not there, has other facts
    /// than these, or the place copies nothing.
    [[nodiscard]] virtual std::optional<std::string> copy_source(const std::string& /*key*/,
                                                                 const TarballFacts& /*expected*/, const Run& /*run*/) {
        return std::nullopt;
    }
    /// True: begin_tarball() makes use of `reuse`.
    [[nodiscard]] virtual bool copies_ranges() const noexcept { return false; }
    /// The lengths of all parts of an upload that makes use of `reuse`.
    [[nodiscard]] virtual std::vector<std::uint64_t> cut(std::uint64_t size, const Reuse& /*reuse*/) const {
        return {size};
    }
    [[nodiscard]] virtual std::uint64_t part_size(std::uint64_t size) const = 0;

    /// Makes it visible. The same tarball there already is as good. Throws Error{Conflict}: something else has the key;
    /// Error{NotFound}: what was staged is gone, and the key has nothing.
    virtual void complete_staged(const StagedTarball& staged, const Run& run) = 0;
    /// True: begin_tarball() of the same plan goes on with what was staged, in any process.
    [[nodiscard]] virtual bool goes_on_with(const StagedTarball& /*staged*/) const noexcept { return false; }
    /// Gives up what was staged; nothing there is no error.
    virtual void discard_staged(const StagedTarball& staged, const Run& run) = 0;
    /// Takes a tarball away that is visible and has this plan's identity and size; false: none such is there.
    virtual bool remove_tarball(const std::string& key, const TarballFacts& facts, const Run& run) = 0;
    /// Labels for people and life-cycle rules on what lies under `key`; others it has stay (S3 object tagging). False:
    /// the place has none.
    virtual bool label(const std::string& /*key*/, const std::map<std::string, std::string>& /*labels*/,
                       const Run& /*run*/) {
        return false;
    }

    /// Writes the facts of a tarball that is there without them; the caller made sure that they are true.
    virtual void record_facts(const std::string& key, const TarballFacts& facts, const Run& run) = 0;

    struct Text {
        std::string text;
        std::string etag;
    };
    [[nodiscard]] virtual std::optional<Text> find_text(const std::string& key, const Run& run) = 0;
    /// Conditional write of a small text: `etag` nullopt means "only if absent". False: lost the race. Throws
    /// Error{Unsupported} when the place cannot do it (see has_conditional_writes).
    virtual bool replace_text(const std::string& key, const std::string& text, const std::optional<std::string>& etag,
                              const Run& run) = 0;
    virtual void put_text(const std::string& key, const std::string& text, const Run& run) = 0;
    /// Nothing lies under `key` afterwards; nothing before is no error.
    virtual void remove_text(const std::string& key, const Run& run) = 0;
    [[nodiscard]] virtual bool has_conditional_writes(const Run& run) = 0;
    [[nodiscard]] virtual std::vector<std::string> list(const std::string& prefix, const Run& run) = 0;
    [[nodiscard]] virtual Link link(const std::string& key, std::chrono::seconds lifetime, const Run& run) = 0;
};

/// A directory tree with the bucket's layout. Facts lie beside a tarball in `.NAME:TAG.tar.json`, labels in
/// `.NAME:TAG.tar.labels.json`; writers in all processes exclude each other by flock(2) on `.cooper.lock` in the root
/// for the moment in which something becomes visible.
std::unique_ptr<Place> make_directory_place(std::filesystem::path root);

/// A bucket (borrowed). What is known of a tarball when its upload begins is metadata of the object
/// (x-amz-meta-cooper-*). Its SHA-256 is known only at the end, so it lies in BRANCH/SHORT_SHA/.facts/IDENTITY.json,
/// named by the plan's identity and written before the upload completes: every writer of that name writes the same, it
/// stays true whether or not the upload completes, and no tarball is ever visible without it.
std::unique_ptr<Place> make_bucket_place(s3::Bucket& bucket);

/// After an upload of `tarball_key` was aborted by somebody else than its publisher: removes the record by which a
/// later run would have gone on with it. No record is no error.
void forget_upload(s3::Bucket& bucket, const std::string& tarball_key, const std::string& upload_id, const Run& run);

}  // namespace cooper::delivery
