#include "delivery/release/staging.hpp"

#include "cooper/base/error.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/release/naming.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>

namespace cooper::delivery {
namespace {

/// Gives each part to two consumers: the place, and a file that a gate will read. So the gate sees what was sent.
class Tee final : public oci::PartConsumer {
public:
    Tee(oci::PartConsumer& first, const std::filesystem::path& path)
        : first_(first),
          path_(path),
          file_(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600)) {
        if (!file_.valid()) {
            throw SystemError("cannot create " + path.string(), errno);
        }
    }
    void part(std::uint32_t number, std::uint64_t offset, Bytes bytes) override {
        write_all_at(file_.get(), offset, bytes, path_);
        first_.part(number, offset, bytes);
    }

private:
    oci::PartConsumer& first_;
    std::filesystem::path path_;
    FileDescriptor file_;
};

/// "ghcr.io/acme/app:v1".
std::string tagged(const oci::Reference& repository, const std::string& tag) {
    return repository.with_tag(tag).text();
}

std::string label_of(const ReleaseImage& image) {
    return image.image.name + ":" + image.image.tag;
}

/// Under its whole name, else under NAME:TAG.
const EvidenceSet::Item& evidence_of_image(const EvidenceSet& evidence, const ReleaseImage& image) {
    for (const std::string& name : image.image.repo_tags) {
        if (const auto* item = evidence.find(oci::Reference::parse(name).familiar())) {
            return *item;
        }
    }
    return evidence.of(label_of(image));
}

/// By which an engine would run this very image.
const std::string& runnable_name(const PublishImage& image) {
    if (!image.origin.pinned.empty()) {
        return image.origin.pinned;
    }
    return image.repo_tags.empty() ? image.source : image.repo_tags.front();
}

std::optional<Digest> digest_of_hex(const std::string& hex) {
    return hex.empty() ? std::nullopt : std::optional(Digest::parse("sha256:" + hex));
}

}  // namespace

Staging::Staging(const std::vector<ReleaseImage>& images, const BuildInfo& build, Place* place, Delivery* delivery,
                 oci::RegistryClient* registry, const ReleaseOptions& options, const Run& run)
    : images_(images), place_(place), delivery_(delivery), registry_(registry), options_(options), run_(run) {
    if (delivery_ != nullptr) {
        tarballs_ = std::make_unique<TarballDelivery>(*place, options.publish, build, *delivery, *this, run);
    }
}

Staging::~Staging() {
    const Run run = run_.with_stop({});
    for (const StagedTarball& staged : staged_) {
        if (kept_ || (goes_on_later_ && place_->goes_on_with(staged))) {
            continue;
        }
        try {
            place_->discard_staged(staged, run);
        } catch (const std::exception& error) {
            run.progress->notice(NoticeLevel::Warning,
                                 "what was staged for " + staged.key + " is left behind: " + error.what());
        }
    }
    drop_gate_file();
}

void Staging::spare(const std::vector<StagedTarball>& theirs) {
    std::erase_if(staged_, [&](const StagedTarball& staged) {
        return std::find(theirs.begin(), theirs.end(), staged) != theirs.end();
    });
}

void Staging::look_up() {
    check_tested();
    look_up_tags();
}

void Staging::stage_all() {
    look_up();
    published_.resize(images_.size());
    records_.resize(images_.size());
    for (std::size_t i = 0; i < images_.size(); ++i) {
        run_.check();
        try {
            stage_one(i);
        } catch (Error& error) {
            goes_on_later_ = error.code() == ErrorCode::Unavailable;
            error.add_context("releasing " + label_of(images_[i]) + " (" + std::to_string(i + 1) + " of " +
                              std::to_string(images_.size()) + "; nothing of the release is visible)");
            throw;
        }
    }
}

/// Before a byte is sent; the tarball, which is made on the way, is compared when it is there.
void Staging::check_tested() const {
    if (options_.evidence == nullptr) {
        return;
    }
    for (const ReleaseImage& image : images_) {
        check_evidence(evidence_of_image(*options_.evidence, image), image.image.image, std::nullopt,
                       image.has_own_manifest, run_);
    }
}

void Staging::look_up_tags() {
    std::map<std::string, std::string> sources;  // of the images that want them, for messages
    for (const bool moving : {false, true}) {
        for (const ReleaseImage& image : images_) {
            for (const ReleasePush& push : image.pushes) {
                for (const std::string& tag : moving ? push.moving_tags : push.tags) {
                    const ReleasedTag wanted{tagged(push.repository, tag), image.graph.root().digest, {}, moving};
                    add_tag(wanted, sources.emplace(wanted.reference, image.image.source).second);
                }
            }
        }
    }
    for_all(
        tags_.size(),
        [&](std::size_t i, const Run& run) {
            tags_[i].before = registry_->find_digest(oci::Reference::parse(tags_[i].reference), run);
        },
        run_);
    for (const ReleasedTag& tag : tags_) {
        if (tag.before && tag.changed() && !tag.moving && !options_.replace_tags) {
            DifferentBytes taken(tag.reference + " names " + tag.before->text() + " already; " +
                                 sources.at(tag.reference) + " is " + tag.manifest.text());
            taken.advise("release under another tag, or move this one with --replace-tags");
            throw taken;
        }
    }
}

/// `first`: no other image wants this tag so far.
void Staging::add_tag(const ReleasedTag& wanted, bool first) {
    if (first) {
        tags_.push_back(wanted);
        return;
    }
    const bool same = std::any_of(tags_.begin(), tags_.end(), [&](const ReleasedTag& tag) {
        return tag.reference == wanted.reference && tag.manifest == wanted.manifest;
    });
    if (!same) {
        throw Error(ErrorCode::InvalidInput, "two images of the release would be named " + wanted.reference)
            .advise("give one of them another name with =NAME:TAG");
    }
}

void Staging::stage_one(std::size_t index) {
    push_unnamed(images_[index]);
    if (place_ != nullptr) {
        deliver(index);
    }
    run_gates(index);
    describe(index);
}

void Staging::push_unnamed(const ReleaseImage& image) {
    oci::PushOptions options = options_.push;
    options.mount_from.insert(options.mount_from.end(), image.mount_from.begin(), image.mount_from.end());
    options.task = label_of(image);
    for (const ReleasePush& push : image.pushes) {
        registry_->push(push.repository.with_digest(image.graph.root().digest), image.graph, options, run_);
        options.mount_from.push_back(push.repository);
    }
}

void Staging::deliver(std::size_t index) {
    Target& target = delivery_->targets()[index];
    published_[index] = tarballs_->deliver(target);
    const PublishedImage& result = published_[index];
    if (result.already_there) {
        drop_gate_file();  // somebody else sent it while this run did
    }
    if (options_.evidence != nullptr) {
        check_evidence(evidence_of_image(*options_.evidence, images_[index]), images_[index].image.image,
                       digest_of_hex(result.sha256), images_[index].has_own_manifest, run_);
    }
}

bool Staging::gate_reads_tarball() const {
    return std::any_of(options_.gates.begin(), options_.gates.end(),
                       [](const GateCommand& gate) { return gate.needs_tarball(); });
}

/// What was sent, when it was sent now; else made once more, and it must come out the same.
std::filesystem::path Staging::tarball_for_gates(std::size_t index) {
    if (!gate_file_.empty()) {
        return gate_file_;
    }
    const PublishImage& image = images_[index].image;
    gate_file_ = options_.spool() / safe_file_name(tarball_name(image.name, image.tag));
    Target target;
    target.image = &image;
    const TargetPlan planned = plan_of_target(target, options_.publish, run_);
    oci::ArchiveWriteOptions write;
    write.connections = options_.publish.connections;
    write.checksum = true;
    write.task = label_of(images_[index]);
    write.expected = place_ == nullptr ? std::nullopt : digest_of_hex(published_[index].sha256);
    const auto written = oci::write_archive(planned.plan, gate_file_, write, run_);
    published_[index].sha256 = written.sha256->hex();
    return gate_file_;
}

void Staging::run_gates(std::size_t index) {
    const PublishImage& image = images_[index].image;
    GateSubject subject{image.name,
                        image.tag,
                        runnable_name(image),
                        image.image.manifest.config.digest.text(),
                        image.image.manifest.raw.digest.text(),
                        {},
                        std::nullopt};
    if (gate_reads_tarball()) {
        subject.tarball = tarball_for_gates(index);
        subject.sha256 = digest_of_hex(published_[index].sha256);
    }
    for (const GateCommand& gate : options_.gates) {
        gates_.push_back(run_gate(gate, subject, options_.logs, true, options_.environment, run_));
        records_[index].gates.push_back(gates_.back().passed);
    }
    drop_gate_file();
}

void Staging::drop_gate_file() noexcept {
    std::error_code ignored;
    if (!gate_file_.empty()) {
        std::filesystem::remove(gate_file_, ignored);
        gate_file_.clear();
    }
}

void Staging::describe(std::size_t index) {
    const ReleaseImage& image = images_[index];
    const PublishedImage& result = published_[index];
    ReleasedImage& record = records_[index];
    record.name = image.image.name;
    record.tag = image.image.tag;
    record.key = result.key;
    record.file = result.file;
    record.size = result.size;
    record.sha256 = place_ == nullptr ? "" : result.sha256;
    record.image_id = image.image.image.manifest.config.digest.text();
    record.manifest = image.image.image.manifest.raw.digest.text();
    record.platform = image.image.image.config.platform.text();
    record.lock_sha256 = result.lock.empty() ? "" : std::string(sha256(result.lock).hex());
    for (const ReleasePush& push : image.pushes) {
        for (const auto& tags : {push.tags, push.moving_tags}) {
            for (const std::string& tag : tags) {
                record.pushed.push_back(tagged(push.repository, tag));
            }
        }
    }
    if (options_.evidence != nullptr) {
        record.gates.insert(record.gates.begin(), PassedGate{"digest", "", record.manifest});
    }
}

Journal Staging::journal() const {
    Journal journal;
    journal.tarballs = staged_;
    journal.locks = locks_;
    for (const ReleasedTag& tag : tags_) {
        if (tag.changed()) {
            journal.tags.push_back({tag.reference, tag.manifest, tag.before, tag.moving});
        }
    }
    journal.record.images = records_;
    return journal;
}

oci::PartConsumer& Staging::consumer(TarballUpload& upload, const Target& target) {
    if (!gate_reads_tarball()) {
        return upload;
    }
    gate_file_ = options_.spool() / safe_file_name(target.tarball);
    tee_ = std::make_unique<Tee>(upload, gate_file_);
    return *tee_;
}

void Staging::arrived(TarballUpload& upload, const TarballFacts& facts) {
    tee_.reset();
    staged_.push_back(upload.stage(facts, run_));
}

void Staging::lock_made(const std::string& key, const std::string& text) {
    locks_.emplace_back(key, text);
}

}  // namespace cooper::delivery
