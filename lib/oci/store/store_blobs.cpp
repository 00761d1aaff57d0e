#include "oci/store/store_blobs.hpp"

#include "cooper/base/error.hpp"

#include "oci/store/arriving_blob.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cooper::oci {

namespace {

constexpr const char* kVerifyAdvice =
    "again: it is dropped from the store and will be fetched. `cooper store verify --remove-damaged` finds what else "
    "is damaged";

/// A blob's file. Where it cannot be read (a bad sector) the rest comes from `base`.
class StoredBlob final : public JudgedSource {
public:
    StoredBlob(std::shared_ptr<const StoreDirectory> directory, FileDescriptor file, std::shared_ptr<const Blobs> base,
               const Descriptor& blob, std::uint64_t offset, const Run& run)
        : directory_(std::move(directory)),
          file_(std::move(file)),
          base_(std::move(base)),
          blob_(blob),
          position_(offset),
          run_(run) {}

    std::size_t read(MutableBytes into) override {
        run_.check();
        if (rest_) {
            return rest_->read(into);
        }
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), blob_.size - position_));
        ssize_t count = 0;
        do {
            count = pread(file_.get(), into.data(), wanted, static_cast<off_t>(position_));
        } while (count < 0 && errno == EINTR);
        if (count < 0) {
            read_on_from_base(errno);
            return rest_->read(into);
        }
        position_ += static_cast<std::uint64_t>(count);
        return static_cast<std::size_t>(count);
    }

    void accept() override {}

    std::string reject() override {
        FileStatus ours{};
        try {
            if (fstat(file_.get(), &ours) == 0) {
                directory_->remove(directory_->blob_file(blob_.digest),
                                   [&](const FileStatus& there) { return is_same_file(ours, there); });
            }
        } catch (const Error&) {
            return "cooper store verify --remove-damaged";
        }
        return kVerifyAdvice;
    }

private:
    void read_on_from_base(int error_number) {
        const SystemError error("cannot read " + directory_->blob_file(blob_.digest).string(), error_number);
        if (!base_) {
            throw error;
        }
        run_.progress->notice(NoticeLevel::Warning, error.what());
        rest_ = base_->open(blob_, position_, run_);
    }

    std::shared_ptr<const StoreDirectory> directory_;
    FileDescriptor file_;
    std::shared_ptr<const Blobs> base_;
    Descriptor blob_;
    std::uint64_t position_;
    Run run_;
    std::unique_ptr<Source> rest_;
};

}  // namespace

std::shared_ptr<const Blobs> StoreBlobs::without_store(std::shared_ptr<const Blobs> blobs,
                                                       const StoreDirectory& directory) {
    const auto* stored = dynamic_cast<const StoreBlobs*>(blobs.get());
    return stored != nullptr && stored->directory_.get() == &directory ? stored->base_ : blobs;
}

/// What is in the store; nullptr when it has to come from the base.
std::unique_ptr<Source> StoreBlobs::open_stored(const Descriptor& blob, std::uint64_t offset, const Run& run) const {
    FileDescriptor file = directory_->open(blob.digest);
    FileStatus status{};
    if (!file.valid() || fstat(file.get(), &status) != 0) {
        return nullptr;
    }
    if (static_cast<std::uint64_t>(status.st_size) != blob.size) {
        if (base_) {
            return nullptr;  // what comes from there replaces the file if it is right
        }
        IntegrityError error("size of " + directory_->blob_file(blob.digest).string(),
                             std::to_string(blob.size) + " bytes", std::to_string(status.st_size));
        error.advise("cooper store verify --remove-damaged tells whether it is damaged");
        throw error;
    }
    auto stored = std::make_unique<StoredBlob>(directory_, std::move(file), base_, blob, offset, run);
    if (offset > 0) {
        return stored;
    }
    return judged(std::move(stored), blob);
}

std::unique_ptr<Source> StoreBlobs::open(const Descriptor& blob, std::uint64_t offset, const Run& run) const {
    if (offset > blob.size) {
        throw Error(ErrorCode::InvalidInput, "blob " + blob.digest.shortened() + " has " + std::to_string(blob.size) +
                                                 " bytes, it cannot be read from " + std::to_string(offset));
    }
    try {
        if (auto stored = open_stored(blob, offset, run)) {
            return stored;
        }
    } catch (const Error& error) {
        if (!base_) {
            throw;
        }
        directory_->warn(run, error.what());
    }
    if (!base_) {
        throw Error(ErrorCode::NotFound,
                    "blob " + blob.digest.text() + " is not in the store " + directory_->path().string());
    }
    if (offset > 0) {
        return base_->open(blob, offset, run);
    }
    if (auto arriving = ArrivingBlob::open(directory_, base_, when_full_, blob, run)) {
        return judged(std::move(arriving), blob);
    }
    if (auto stored = open_stored(blob, offset, run)) {
        return stored;
    }
    return verified(base_->open(blob, 0, run), blob.digest, blob.size, "blob " + blob.digest.shortened());
}

}  // namespace cooper::oci
