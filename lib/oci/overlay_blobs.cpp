#include "cooper/oci/overlay_blobs.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"

#include <mutex>
#include <set>

namespace cooper::oci {

namespace {

std::unique_ptr<Source> open_file(const std::filesystem::path& path, const Descriptor& blob, std::uint64_t offset) {
    const FileRanged file(path);
    if (file.size() != blob.size) {
        throw IntegrityError("size of " + path.string(), std::to_string(blob.size), std::to_string(file.size()));
    }
    return file.open(offset, file.size() - offset);
}

class OverlayBlobs final : public Blobs {
public:
    OverlayBlobs(std::map<Digest, std::filesystem::path> files, std::shared_ptr<const Blobs> base)
        : files_(std::move(files)), base_(std::move(base)) {}

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        if (const auto found = files_.find(blob.digest); found != files_.end()) {
            return open_file(found->second, blob, offset);
        }
        if (!base_) {
            throw Error(ErrorCode::NotFound, "blob " + blob.digest.text() + " is in none of the image's places");
        }
        return base_->open(blob, offset, run);
    }

private:
    std::map<Digest, std::filesystem::path> files_;
    std::shared_ptr<const Blobs> base_;
};

/// Where kept blobs lie. Shared by the Blobs and its Sources, which fill it.
class Keep {
public:
    explicit Keep(std::filesystem::path directory) : directory_(std::move(directory)) {}

    [[nodiscard]] std::filesystem::path path_of(const Digest& digest) const {
        return directory_ / ("kept-" + std::string(digest.hex()));
    }
    [[nodiscard]] bool has(const Digest& digest) {
        const std::scoped_lock lock(mutex_);
        return kept_.contains(digest);
    }
    void add(const Digest& digest) {
        const std::scoped_lock lock(mutex_);
        kept_.insert(digest);
    }

private:
    std::filesystem::path directory_;
    std::mutex mutex_;
    std::set<Digest> kept_;
};

/// Writes what is read from it to a file, which counts once all of the blob is in it.
class KeepingSource final : public Source {
public:
    KeepingSource(std::unique_ptr<Source> inner, const Descriptor& blob, std::shared_ptr<Keep> keep)
        : inner_(std::move(inner)),
          digest_(blob.digest),
          left_(blob.size),
          keep_(std::move(keep)),
          file_(std::make_unique<AtomicFile>(keep_->path_of(blob.digest))) {}

    std::size_t read(MutableBytes into) override {
        const std::size_t count = inner_->read(into);
        if (file_ && count > 0) {
            keep(into.first(count));
        }
        return count;
    }

private:
    void keep(Bytes chunk) {
        if (chunk.size() > left_) {  // longer than it says: whoever verifies it will refuse it
            file_.reset();
            return;
        }
        file_->write(chunk);
        left_ -= chunk.size();
        if (left_ == 0) {
            file_->commit();
            file_.reset();
            keep_->add(digest_);
        }
    }

    std::unique_ptr<Source> inner_;
    Digest digest_;
    std::uint64_t left_;
    std::shared_ptr<Keep> keep_;
    std::unique_ptr<AtomicFile> file_;
};

class KeptBlobs final : public Blobs {
public:
    KeptBlobs(std::shared_ptr<const Blobs> base, std::filesystem::path directory)
        : base_(std::move(base)), keep_(std::make_shared<Keep>(std::move(directory))) {}

    [[nodiscard]] std::unique_ptr<Source> open(const Descriptor& blob, std::uint64_t offset,
                                               const Run& run) const override {
        if (keep_->has(blob.digest)) {
            return open_file(keep_->path_of(blob.digest), blob, offset);
        }
        auto source = base_->open(blob, offset, run);
        if (offset > 0) {
            return source;
        }
        return std::make_unique<KeepingSource>(std::move(source), blob, keep_);
    }

private:
    std::shared_ptr<const Blobs> base_;
    std::shared_ptr<Keep> keep_;
};

}  // namespace

std::shared_ptr<const Blobs> kept_blobs(std::shared_ptr<const Blobs> base, std::filesystem::path directory) {
    return std::make_shared<KeptBlobs>(std::move(base), std::move(directory));
}

std::shared_ptr<const Blobs> overlay_blobs(std::map<Digest, std::filesystem::path> files,
                                           std::shared_ptr<const Blobs> base) {
    return std::make_shared<OverlayBlobs>(std::move(files), std::move(base));
}

}  // namespace cooper::oci
