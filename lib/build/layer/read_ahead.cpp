#include "build/layer/read_ahead.hpp"

#include "cooper/base/error.hpp"

#include "base/aligned.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cooper::build {

namespace {

constexpr std::size_t kMaxBuffered = 8 << 20;
constexpr std::size_t kMaxWhole = 1 << 20;  // files up to this size are read ahead; larger ones are only opened
constexpr std::size_t kMaxAhead = 256;      // files; each large one holds a descriptor
constexpr unsigned kThreads = 4;            // more than cores: on a cold cache they wait for the disk

std::size_t read_at(int descriptor, std::uint64_t offset, MutableBytes into, const SourceTree& tree,
                    const SourceFile& file) {
    for (;;) {
        const auto count = pread(descriptor, into.data(), into.size(), static_cast<off_t>(offset));
        if (count >= 0) {
            return static_cast<std::size_t>(count);
        }
        if (errno != EINTR) {
            throw SystemError("cannot read " + tree.shown(file.path), errno);
        }
    }
}

/// A file read whole.
class WholeFile final : public Source {
public:
    /// The file begins at the first cache line of `memory`.
    WholeFile(std::unique_ptr<std::byte[]> memory, std::size_t size)
        : memory_(std::move(memory)), rest_(cache_aligned(memory_.get()), size) {}
    std::size_t read(MutableBytes into) override {
        const auto count = std::min(into.size(), rest_.size());
        if (count > 0) {
            std::memcpy(into.data(), rest_.data(), count);
            rest_ = rest_.subspan(count);
        }
        return count;
    }

private:
    std::unique_ptr<std::byte[]> memory_;
    Bytes rest_;
};

/// A large file, read as it is needed; checked at its end.
class OpenFile final : public Source {
public:
    OpenFile(const SourceTree& tree, const SourceFile& file, FileDescriptor descriptor)
        : tree_(tree), file_(file), descriptor_(std::move(descriptor)) {
        posix_fadvise(descriptor_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    }
    std::size_t read(MutableBytes into) override {
        const auto wanted = std::min<std::uint64_t>(into.size(), file_.size - position_);
        const auto count = wanted == 0 ? 0 : read_at(descriptor_.get(), position_, into.first(wanted), tree_, file_);
        position_ += count;
        if (count == 0 || position_ == file_.size) {
            tree_.check_unchanged(descriptor_.get(), file_);
        }
        return count;
    }

private:
    const SourceTree& tree_;
    const SourceFile& file_;
    FileDescriptor descriptor_;
    std::uint64_t position_ = 0;
};

}  // namespace

ReadAhead::ReadAhead(const SourceTree& tree, std::vector<const SourceFile*> files)
    : tree_(tree), files_(std::move(files)), ring_(std::min(kMaxAhead, std::max<std::size_t>(files_.size(), 1))) {
    const auto threads = std::min<std::size_t>(kThreads, files_.size());
    for (std::size_t i = 0; i < threads; ++i) {
        threads_.emplace_back([this](const std::stop_token& stop) { work(stop); });
    }
}

ReadAhead::~ReadAhead() = default;

void ReadAhead::work(const std::stop_token& stop) {
    for (;;) {
        std::size_t index = 0;
        {
            std::unique_lock lock(mutex_);
            const bool go = room_.wait(lock, stop, [&] {
                const bool ready =
                    claimed_ == files_.size() || claimed_ == consumed_ || has_room(ring_.size(), kMaxBuffered);
                idle_ = idle_ || !ready;
                return ready;
            });
            if (!go || stop.stop_requested() || claimed_ == files_.size()) {
                return;
            }
            index = claimed_++;
            auto& slot = ring_[index % ring_.size()];
            slot.buffered = files_[index]->size <= kMaxWhole ? files_[index]->size : 0;
            buffered_ += slot.buffered;
        }
        auto& slot = ring_[index % ring_.size()];
        try {
            fill(slot, *files_[index]);
        } catch (...) {
            slot.failure = std::current_exception();
        }
        const std::scoped_lock lock(mutex_);
        slot.ready = true;
        if (index == consumed_) {
            ready_.notify_one();
        }
    }
}

/// Whether fewer than `files` and `bytes` are ahead of the consumer.
bool ReadAhead::has_room(std::size_t files, std::size_t bytes) const {
    return claimed_ - consumed_ < files && buffered_ < bytes;
}

void ReadAhead::fill(Slot& slot, const SourceFile& file) const {
    auto opened = tree_.open(file);
    slot.file.xattrs = tree_.read_xattrs(opened.get(), file);
    if (file.size > kMaxWhole) {
        tree_.check_unchanged(opened.get(), file);
        slot.file.content = std::make_unique<OpenFile>(tree_, file, std::move(opened));
        return;
    }
    auto memory = std::make_unique_for_overwrite<std::byte[]>(file.size + 1 + kCacheLine);
    std::byte* const bytes = cache_aligned(memory.get());
    std::size_t size = 0;
    // Room for a byte more than there should be: a file that grew is seen, and the end of one that did not costs no
    // call.
    while (size < file.size) {
        const auto count = read_at(opened.get(), size, {bytes + size, file.size + 1 - size}, tree_, file);
        if (count == 0) {
            break;
        }
        size += count;
    }
    tree_.check_unchanged(opened.get(), file);
    slot.file.content = std::make_unique<WholeFile>(std::move(memory), size);
}

FileContent ReadAhead::next() {
    std::unique_lock lock(mutex_);
    auto& slot = ring_[consumed_ % ring_.size()];
    ready_.wait(lock, [&] { return slot.ready; });
    auto taken = std::exchange(slot, {});
    ++consumed_;
    buffered_ -= taken.buffered;
    // Waking a thread costs more than reading a small file: only for half a ring of them.
    const bool wake = idle_ && (claimed_ == consumed_ || has_room(ring_.size() / 2, kMaxBuffered / 2));
    idle_ = idle_ && !wake;
    lock.unlock();
    if (wake) {
        room_.notify_all();
    }
    if (taken.failure) {
        std::rethrow_exception(taken.failure);
    }
    return std::move(taken.file);
}

}  // namespace cooper::build
