// An archive as the body of one request: blobs are fetched ahead, several at once, and every one is verified before the
// archive's end is given out.
#pragma once

#include "cooper/base/ranged.hpp"
#include "cooper/base/run.hpp"
#include "cooper/oci/docker_archive.hpp"

#include <memory>
#include <string>

namespace cooper::oci {

/// Reading it throws IntegrityError when a blob is not what its digest says; its last 64 KiB are held back until all
/// blobs were right, so whoever receives it never has a whole archive with a wrong blob. Memory: some 8 MiB while it is
/// read. It opens at its beginning only (a request that is sent once more begins anew).
class VerifiedArchive final : public Ranged {
public:
    /// `deep`: layers are inflated and must have their diff IDs. `task` names progress events.
    VerifiedArchive(ArchivePlan plan, bool deep, std::string task, const Run& run)
        : plan_(std::move(plan)), deep_(deep), task_(std::move(task)), run_(run) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return plan_.size(); }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override;

private:
    ArchivePlan plan_;
    bool deep_;
    std::string task_;
    Run run_;
};

}  // namespace cooper::oci
