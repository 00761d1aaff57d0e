#include "delivery/lock/pile_place.hpp"

#include "cooper/base/error.hpp"
#include "cooper/oci/overlay_blobs.hpp"

#include <array>
#include <map>

namespace cooper::delivery {
namespace {

class StorePlace final : public PilePlace {
public:
    explicit StorePlace(const oci::Store& store)
        : store_(store), name_("the store " + store.path().string()), blobs_(store.through(nullptr)) {}

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& blob, const Run& /*run*/) override {
        const auto file = store_.find(blob);
        std::error_code gone;
        const std::uint64_t size = file ? std::filesystem::file_size(*file, gone) : 0;
        return file && !gone ? std::optional(size) : std::nullopt;
    }
    [[nodiscard]] std::shared_ptr<const oci::Blobs> blobs() override { return blobs_; }

private:
    const oci::Store& store_;
    std::string name_;
    std::shared_ptr<const oci::Blobs> blobs_;
};

class LayoutPlace final : public PilePlace {
public:
    explicit LayoutPlace(const std::filesystem::path& directory)
        : name_(directory.string()), layout_(oci::OciLayout::open(directory)), blobs_(layout_.blobs()) {}

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& blob, const Run& /*run*/) override {
        return layout_.find_size(blob);
    }
    [[nodiscard]] std::shared_ptr<const oci::Blobs> blobs() override { return blobs_; }

private:
    std::string name_;
    oci::OciLayout layout_;
    std::shared_ptr<const oci::Blobs> blobs_;
};

/// A layer that manifest.json lists.
struct ListedLayer {
    oci::Descriptor blob;
    Digest diff_id;
    std::shared_ptr<const oci::Blobs> blobs;
};

class ArchivedBlobs final : public oci::Blobs {
public:
    explicit ArchivedBlobs(std::shared_ptr<const oci::Blobs> by_digest) : by_digest_(std::move(by_digest)) {}

    [[nodiscard]] std::unique_ptr<Source> open(const oci::Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        const auto found = listed.find(blob.digest);
        return (found == listed.end() ? by_digest_ : found->second.blobs)->open(blob, offset, run);
    }

    std::map<Digest, ListedLayer> listed;

private:
    std::shared_ptr<const oci::Blobs> by_digest_;
};

/// Blobs at blobs/ALG/HEX, else the layers that manifest.json lists (docker save before 25, podman, skopeo): those are
/// hashed, once, when a blob is looked for that no place before has.
class ArchivePlace final : public PilePlace {
public:
    ArchivePlace(std::string name, oci::ArchiveFile file)
        : name_(std::move(name)), file_(std::move(file)), blobs_(std::make_shared<ArchivedBlobs>(file_.blobs())) {}

    [[nodiscard]] const std::string& name() const override { return name_; }

    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& blob, const Run& run) override {
        if (const auto size = file_.find_size(blob)) {
            return size;
        }
        look_at_images(run);
        const auto found = blobs_->listed.find(blob);
        return found == blobs_->listed.end() ? std::nullopt : std::optional(found->second.blob.size);
    }

    [[nodiscard]] std::vector<oci::Descriptor> forms_of(const Digest& diff_id, const Run& run) override {
        look_at_images(run);
        std::vector<oci::Descriptor> forms;
        for (const auto& [digest, layer] : blobs_->listed) {
            if (layer.diff_id == diff_id) {
                forms.push_back(layer.blob);
            }
        }
        return forms;
    }

    [[nodiscard]] std::shared_ptr<const oci::Blobs> blobs() override { return blobs_; }
    [[nodiscard]] const oci::ArchiveFile* archive() const override { return &file_; }

private:
    /// An image that cannot be read, damaged perhaps, is no reason to do without the others.
    void look_at_images(const Run& run) {
        for (; looked_at_ < file_.images().size(); ++looked_at_) {
            try {
                const oci::Image image = file_.image(looked_at_, run);
                for (std::size_t n = 0; n < image.manifest.layers.size(); ++n) {
                    const oci::Descriptor& layer = image.manifest.layers[n];
                    blobs_->listed.emplace(layer.digest, ListedLayer{layer, image.config.diff_ids[n], image.blobs});
                }
            } catch (const Error& error) {
                run.progress->notice(NoticeLevel::Warning, error.what());
            }
        }
    }

    std::string name_;
    oci::ArchiveFile file_;
    std::shared_ptr<ArchivedBlobs> blobs_;
    std::size_t looked_at_ = 0;
};

class RegistryPlace final : public PilePlace {
public:
    RegistryPlace(std::function<oci::RegistryClient&()> client, oci::Reference pinned)
        : client_(std::move(client)), pinned_(std::move(pinned)), name_(pinned_.repository()) {}

    [[nodiscard]] const std::string& name() const override { return name_; }

    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& blob, const Run& run) override {
        if (!manifest_ && !failed_) {
            read_manifest(run);
        }
        for (const oci::Descriptor& layer : manifest_ ? manifest_->layers : std::vector<oci::Descriptor>()) {
            if (layer.digest == blob) {
                return layer.size;
            }
        }
        return std::nullopt;
    }

    [[nodiscard]] std::shared_ptr<const oci::Blobs> blobs() override { return client_().blobs(pinned_); }
    [[nodiscard]] bool is_near() const noexcept override { return false; }

private:
    void read_manifest(const Run& run) {
        try {
            manifest_ = oci::Manifest::parse(client_().manifest(pinned_, run).raw);
        } catch (const Error& error) {
            failed_ = true;
            run.progress->notice(NoticeLevel::Warning, name_ + " cannot be asked: " + error.what());
        }
    }

    std::function<oci::RegistryClient&()> client_;
    oci::Reference pinned_;
    std::string name_;
    std::optional<oci::Manifest> manifest_;
    bool failed_ = false;
};

class FilePlace final : public PilePlace {
public:
    FilePlace(std::string name, const oci::Descriptor& blob, std::filesystem::path file)
        : name_(std::move(name)), blob_(blob), blobs_(oci::overlay_blobs({{blob.digest, std::move(file)}}, nullptr)) {}

    [[nodiscard]] const std::string& name() const override { return name_; }
    [[nodiscard]] std::optional<std::uint64_t> find_size(const Digest& blob, const Run& /*run*/) override {
        return blob == blob_.digest ? std::optional(blob_.size) : std::nullopt;
    }
    [[nodiscard]] std::shared_ptr<const oci::Blobs> blobs() override { return blobs_; }

private:
    std::string name_;
    oci::Descriptor blob_;
    std::shared_ptr<const oci::Blobs> blobs_;
};

std::filesystem::path without_transport(const std::string& place) {
    constexpr std::array<std::string_view, 3> kTransports = {"oci-archive:", "docker-archive:", "oci:"};
    std::error_code ignored;
    for (const std::string_view prefix : kTransports) {
        if (place.starts_with(prefix) && !std::filesystem::exists(place, ignored)) {
            return place.substr(prefix.size());
        }
    }
    return place;
}

}  // namespace

std::shared_ptr<PilePlace> place_of_store(const oci::Store& store) {
    return std::make_shared<StorePlace>(store);
}

std::shared_ptr<PilePlace> open_pile_place(const std::string& place, const std::filesystem::path& spool,
                                           const Run& run) {
    const std::filesystem::path path = without_transport(place);
    std::error_code ignored;
    if (std::filesystem::is_directory(path, ignored)) {
        return std::make_shared<LayoutPlace>(path);
    }
    return std::make_shared<ArchivePlace>(path.string(), oci::ArchiveFile::open(path, spool, run));
}

std::shared_ptr<PilePlace> place_of_registry(std::function<oci::RegistryClient&()> client, oci::Reference pinned) {
    return std::make_shared<RegistryPlace>(std::move(client), std::move(pinned));
}

std::shared_ptr<PilePlace> place_of_file(std::string name, const oci::Descriptor& blob, std::filesystem::path file) {
    return std::make_shared<FilePlace>(std::move(name), blob, std::move(file));
}

}  // namespace cooper::delivery
