// Everything of a release brought to its destinations without a name, and looked at by the gates (private).
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/delivery/release.hpp"

#include "delivery/publish/delivery.hpp"
#include "delivery/publish/tarball_delivery.hpp"
#include "delivery/release/journal.hpp"

#include <map>
#include <memory>
#include <string>
#include <vector>

namespace cooper::delivery {

/// What was staged is given up when this goes, unless it was kept.
class Staging final : public TarballEnd {
public:
    /// `delivery` null: there is no place. Borrows all of it.
    Staging(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place, Delivery* delivery,
            oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run);
    Staging(const Staging&) = delete;
    Staging& operator=(const Staging&) = delete;
    ~Staging() override;

    /// Evidence and tags: what can be refused before a byte is sent.
    void look_up();
    /// look_up(), then everything else that release() does before anything is visible; throws as it does.
    void stage_all();
    /// What is going to be named; the times and the folder are the caller's to add.
    [[nodiscard]] Journal journal() const;
    /// From now on a journal knows of all of it.
    void keep() noexcept { kept_ = true; }
    /// What somebody else's journal knows of is theirs: two runs of one release may go on with the same upload.
    void spare(const std::vector<StagedTarball>& theirs);

    [[nodiscard]] std::vector<PublishedImage>& images() noexcept { return published_; }
    [[nodiscard]] const std::vector<ReleasedTag>& tags() const noexcept { return tags_; }
    [[nodiscard]] const std::vector<GateReport>& gates() const noexcept { return gates_; }

private:
    void check_tested() const;
    void look_up_tags();
    void add_tag(const ReleasedTag& wanted, bool first);
    void stage_one(std::size_t index);
    void push_unnamed(const ReleaseImage& image);
    void deliver(std::size_t index);
    void run_gates(std::size_t index);
    [[nodiscard]] bool gate_reads_tarball() const;
    [[nodiscard]] std::filesystem::path tarball_for_gates(std::size_t index);
    void drop_gate_file() noexcept;
    void describe(std::size_t index);

    oci::PartConsumer& consumer(TarballUpload& upload, const Target& target) override;
    void arrived(TarballUpload& upload, const TarballFacts& facts) override;
    void lock_made(const std::string& key, const std::string& text) override;

    const std::vector<ReleaseImage>& images_;
    Place* place_;
    Delivery* delivery_;
    oci::RegistryClient* registry_;
    const ReleaseOptions& options_;
    const Run& run_;
    std::unique_ptr<TarballDelivery> tarballs_;
    std::unique_ptr<oci::PartConsumer> tee_;  // of the tarball that is on its way
    std::filesystem::path gate_file_;         // its copy for the gates; empty: none was made
    std::vector<StagedTarball> staged_;
    std::vector<std::pair<std::string, std::string>> locks_;
    std::vector<PublishedImage> published_;
    std::vector<ReleasedImage> records_;
    std::vector<ReleasedTag> tags_;
    std::vector<GateReport> gates_;
    bool kept_ = false;
    bool goes_on_later_ = false;  // a failure that may pass: what the next run can go on with stays
};

}  // namespace cooper::delivery
