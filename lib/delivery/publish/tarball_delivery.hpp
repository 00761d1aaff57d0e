// One tarball on its way to its place: found there, or sent; and its lock (private). publish() completes what arrived
// at once, release() later.
#pragma once

#include "cooper/delivery/lock.hpp"
#include "cooper/delivery/place.hpp"
#include "cooper/delivery/publish.hpp"

#include "delivery/publish/delivery.hpp"

#include <optional>
#include <string>
#include <vector>

namespace cooper::delivery {

/// What becomes of a tarball whose bytes have all arrived, and of a lock.
class TarballEnd {
public:
    virtual ~TarballEnd() = default;
    /// Where the parts go: the upload, or something that gives it each part.
    virtual oci::PartConsumer& consumer(TarballUpload& upload, const Target& /*target*/) { return upload; }
    /// Throws Error{Conflict} when the key was taken meanwhile: it is looked up again then.
    virtual void arrived(TarballUpload& upload, const TarballFacts& facts) = 0;
    virtual void lock_made(const std::string& key, const std::string& text) = 0;
};

class TarballDelivery {
public:
    /// Borrows all of it.
    TarballDelivery(Place& place, const PublishOptions& options, const BuildInfo& build, const Delivery& delivery,
                    TarballEnd& end, const Run& run);

    /// Throws as publish() does. The result has no link yet.
    PublishedImage deliver(Target& target);

private:
    void bring(Target& target, const oci::ArchivePlan& plan, PublishedImage& result);
    void upload(const Target& target, const oci::ArchivePlan& plan, PublishedImage& result);
    void upload_once(const Target& target, const oci::ArchivePlan& plan, const Reuse* older, PublishedImage& result);
    void keep_lock(const Target& target, std::optional<TargetPlan> planned, PublishedImage& result);
    void reuse(const Target& target, const oci::ArchivePlan& plan, PublishedImage& result);
    void repair(const Target& target, const oci::ArchivePlan& plan, TarballFacts wanted, PublishedImage& result);
    [[nodiscard]] oci::ArchiveWritten stream(const Target& target, const oci::ArchivePlan& plan,
                                             oci::PartConsumer& consumer, std::vector<std::uint64_t> parts) const;
    [[nodiscard]] bool is_lock_of(const std::string& text, const PublishedImage& result) const;
    [[noreturn]] void refuse(const Target& target, const TarballFacts& wanted) const;

    Place& place_;
    const PublishOptions& options_;
    const Delivery& delivery_;
    TarballEnd& end_;
    const Run& run_;
    LockedSource source_;
};

/// "publishing app:1 (2 of 3; complete: …; the changelog was not written)" for an error on the way.
std::string progress_of(const std::vector<Target>& targets, std::size_t failed, std::string_view doing);

/// The files for customers in `folder`, which name all of `images`: written unless they stand already (nothing was
/// delivered, and SHA256SUMS, the last of them, has a line for each).
SideFilesResult keep_side_files(Place& place, const std::string& folder, const std::vector<PublishedImage>& images,
                                const SigningKey* key, const Run& run);

}  // namespace cooper::delivery
