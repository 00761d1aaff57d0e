#include "oci/store/arriving_blob.hpp"

#include "cooper/base/error.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace cooper::oci {

namespace {

/// An ingest file may be renamed or removed between its opening and its locking, but not for ever.
constexpr int kOpenTries = 100;

class Judge final : public Source {
public:
    Judge(std::unique_ptr<JudgedSource> inner, const Descriptor& blob)
        : judged_(*inner),
          size_(blob.size),
          verified_(verified(std::move(inner), blob.digest, blob.size, "blob " + blob.digest.shortened())) {}

    std::size_t read(MutableBytes into) override {
        std::size_t count = 0;
        try {
            count = verified_->read(into);
        } catch (IntegrityError& error) {
            if (std::string advice = judged_.reject(); !advice.empty()) {
                error.advise(std::move(advice));
            }
            throw;
        }
        done_ += count;
        if (done_ == size_ && !into.empty() && !accepted_) {
            accepted_ = true;
            judged_.accept();
        }
        return count;
    }

private:
    JudgedSource& judged_;
    std::uint64_t size_;
    std::unique_ptr<Source> verified_;
    std::uint64_t done_ = 0;
    bool accepted_ = false;
};

}  // namespace

std::unique_ptr<Source> judged(std::unique_ptr<JudgedSource> inner, const Descriptor& blob) {
    return std::make_unique<Judge>(std::move(inner), blob);
}

ArrivingBlob::ArrivingBlob(std::shared_ptr<const StoreDirectory> directory, std::shared_ptr<const Blobs> base,
                           Store::WhenFull when_full, const Descriptor& blob, const Run& run)
    : directory_(std::move(directory)),
      base_(std::move(base)),
      when_full_(when_full),
      blob_(blob),
      run_(run),
      path_(directory_->ingest_file(blob.digest)) {}

ArrivingBlob::~ArrivingBlob() {
    if (role_ == Role::Writes && position_ == 0 && continued_ == 0 && file_is_in_place()) {
        unlink(path_.c_str());  // nothing came
    }
}

std::unique_ptr<ArrivingBlob> ArrivingBlob::open(std::shared_ptr<const StoreDirectory> directory,
                                                 std::shared_ptr<const Blobs> base, Store::WhenFull when_full,
                                                 const Descriptor& blob, const Run& run) {
    auto arriving = std::make_unique<ArrivingBlob>(std::move(directory), std::move(base), when_full, blob, run);
    try {
        if (!arriving->directory_->why_read_only().empty()) {
            throw Error(ErrorCode::System, arriving->directory_->why_read_only());
        }
        if (!arriving->open_file()) {
            return nullptr;
        }
    } catch (const Error& error) {
        arriving->stop_keeping(error);
    }
    if (arriving->continued_ == 0 && arriving->role_ != Role::Follows) {
        arriving->rest_ = arriving->base_->open(blob, 0, run);  // that there is no such blob is said here
    }
    return arriving;
}

/// Finds the role to begin with. False: the blob was published meanwhile.
bool ArrivingBlob::open_file() {
    for (int tries = 0; tries < kOpenTries; ++tries) {
        file_ = FileDescriptor(::open(path_.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0666));
        if (!file_.valid()) {
            throw SystemError("cannot open " + path_.string(), errno);
        }
        if (!try_flock(file_.get(), path_)) {
            role_ = Role::Follows;
            return true;
        }
        const auto published = directory_->use(blob_.digest);
        const bool is_there = published && static_cast<std::uint64_t>(published->st_size) == blob_.size;
        if (!file_is_in_place()) {
            if (is_there) {
                return false;
            }
            continue;
        }
        if (is_there) {
            unlink(path_.c_str());
            return false;
        }
        if (!can_write()) {
            throw SystemError("cannot write " + path_.string(), errno);
        }
        role_ = Role::Writes;
        return true;
    }
    throw Error(ErrorCode::Unavailable, path_.string() + " does not stay where it is");
}

/// With the lock held: true when what is read from now on can be kept behind what the file has.
bool ArrivingBlob::can_write() {
    FileStatus status{};
    if (!file_is_in_place() || fstat(file_.get(), &status) != 0) {
        return false;
    }
    continued_ = static_cast<std::uint64_t>(status.st_size);
    if (continued_ > blob_.size) {
        // Of a descriptor that told another size.
        if (position_ > 0 || ftruncate(file_.get(), 0) != 0) {
            return false;
        }
        continued_ = 0;
    }
    return true;
}

bool ArrivingBlob::file_is_in_place() const {
    FileStatus ours{};
    FileStatus there{};
    return fstat(file_.get(), &ours) == 0 && lstat(path_.c_str(), &there) == 0 && is_same_file(ours, there);
}

std::size_t ArrivingBlob::read(MutableBytes into) {
    if (into.empty()) {
        return 0;
    }
    while (true) {
        run_.check();
        if (role_ != Role::Passes && !file_ended_) {
            if (const std::size_t count = read_file(into); count > 0) {
                return count;
            }
        }
        if (role_ != Role::Follows) {
            return read_base(into);
        }
        if (position_ == blob_.size) {
            return 0;
        }
        wait_for_writer();
    }
}

/// What is in the file behind our position; 0: nothing yet.
std::size_t ArrivingBlob::read_file(MutableBytes into) {
    const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), blob_.size - position_));
    ssize_t count = 0;
    do {
        count = pread(file_.get(), into.data(), wanted, static_cast<off_t>(position_));
    } while (count < 0 && errno == EINTR);
    if (count < 0) {
        stop_keeping(SystemError("cannot read " + path_.string(), errno));
        return 0;
    }
    if (count == 0) {
        file_ended_ = role_ == Role::Writes;
        return 0;
    }
    position_ += static_cast<std::uint64_t>(count);
    stood_still_ = {};
    return static_cast<std::size_t>(count);
}

std::size_t ArrivingBlob::read_base(MutableBytes into) {
    if (!rest_) {
        if (position_ == blob_.size) {
            return 0;
        }
        rest_ = base_->open(blob_, position_, run_);
    }
    const std::size_t count = rest_->read(into);
    if (count > blob_.size - position_) {
        return count;  // more than there may be: whoever verifies it says so
    }
    if (role_ == Role::Writes) {
        keep(into.first(count));
    }
    position_ += count;
    return count;
}

void ArrivingBlob::keep(Bytes chunk) {
    try {
        write_all_at(file_.get(), position_, chunk, path_);
    } catch (const SystemError& error) {
        stop_keeping(error);
    }
}

/// What cannot grow is of no use to the next run, and on a full disk its space is needed.
void ArrivingBlob::stop_keeping(const Error& why) {
    if (role_ == Role::Writes && file_is_in_place()) {
        unlink(path_.c_str());
    }
    role_ = Role::Passes;
    file_ = FileDescriptor();
    if (when_full_ == Store::WhenFull::GoOn) {
        return directory_->warn(run_, why.what());
    }
    if (const auto* system = dynamic_cast<const SystemError*>(&why)) {
        throw SystemError(*system);
    }
    throw Error(why);
}

void ArrivingBlob::wait_for_writer() {
    if (try_flock(file_.get(), path_)) {
        FileStatus status{};
        if (can_write()) {
            role_ = Role::Writes;
        } else if (fstat(file_.get(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) <= position_) {
            role_ = Role::Passes;  // the writer gave up and removed it
        }                          // else it was published, and the rest is in it
        return;
    }
    if (stood_still_ >= kStandstill) {
        role_ = Role::Passes;
        return;
    }
    run_.clock->sleep_for(kPause, run_.stop);
    stood_still_ += kPause;
}

void ArrivingBlob::accept() {
    if (role_ == Role::Passes) {
        if (when_full_ == Store::WhenFull::Fail && !directory_->use(blob_.digest)) {
            throw Error(ErrorCode::Unavailable, "another process holds " + path_.string() + " and does not go on");
        }
        return;
    }
    try {
        const bool may_publish = role_ == Role::Writes || try_flock(file_.get(), path_);
        if (may_publish && file_is_in_place()) {
            directory_->publish(file_.get(), path_, blob_.digest);
        }
    } catch (const Error& error) {
        stop_keeping(error);
    }
}

std::string ArrivingBlob::reject() {
    if (role_ == Role::Writes && file_is_in_place() && ftruncate(file_.get(), 0) == 0) {  // followers see it
        unlink(path_.c_str());
    }
    return continued_ > 0 ? "again: what an earlier run had kept of it was damaged and is dropped" : "";
}

}  // namespace cooper::oci
