// The archive through memory: fetch, verify, hash and hand out at the same time, in a ring of part buffers.
//
//   fetchers (one blob each, in order)  ->  ring of parts  ->  hasher (the whole file, in order)
//                                                          ->  uploaders (the consumer, several parts at once)
//
// A blob's digest is computed by its fetcher on bytes that have just arrived; the archive's own SHA-256 is a chain over
// all parts and has a thread of its own. So two cores carry the two hashes, which are most of the work. A part's buffer
// is used again when it was hashed and taken.
#include "cooper/oci/archive_writer.hpp"

#include "base/workers.hpp"
#include "oci/archive/blob_check.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstring>
#include <limits>
#include <mutex>

namespace cooper::oci {

namespace {

/// Page-aligned memory that is given back to the system when it goes.
class Buffer {
public:
    explicit Buffer(std::size_t size) : size_(size) {
        void* const memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (memory == MAP_FAILED) {
            throw SystemError("allocating a part buffer", errno);
        }
        memory_ = static_cast<std::byte*>(memory);
    }
    Buffer(Buffer&& other) noexcept : memory_(std::exchange(other.memory_, nullptr)), size_(other.size_) {}
    Buffer& operator=(Buffer&&) = delete;
    ~Buffer() {
        if (memory_ != nullptr) {
            ::munmap(memory_, size_);
        }
    }
    [[nodiscard]] MutableBytes bytes() const noexcept { return {memory_, size_}; }

private:
    std::byte* memory_ = nullptr;
    std::size_t size_;
};

/// The parts of the archive and which of them are in memory. Part i uses slot i % buffers, so it can be filled once
/// part i - buffers was released.
class PartRing {
public:
    /// `offsets`: where each part begins, and the archive's size at the end.
    PartRing(const ArchivePlan& plan, std::vector<std::uint64_t> offsets, unsigned buffers)
        : plan_(plan), offsets_(std::move(offsets)), slots_(std::min<std::uint64_t>(buffers, count())) {
        std::uint64_t largest = 0;
        for (std::uint64_t part = 0; part < count(); ++part) {
            largest = std::max(largest, length(part));
        }
        buffers_.reserve(slots_.size());
        for (std::size_t i = 0; i < slots_.size(); ++i) {
            buffers_.emplace_back(largest);
            open(i);
        }
    }

    [[nodiscard]] std::uint64_t count() const noexcept { return offsets_.size() - 1; }
    [[nodiscard]] std::uint64_t offset(std::uint64_t part) const noexcept { return offsets_[part]; }
    [[nodiscard]] std::uint64_t length(std::uint64_t part) const noexcept {
        return offsets_[part + 1] - offsets_[part];
    }

    /// The place for bytes of the archive from `offset` on, up to the part's end; waits until it is free.
    MutableBytes place(std::uint64_t offset_in_archive, const Run& run) {
        const std::uint64_t part = part_at(offset_in_archive);
        std::unique_lock lock(mutex_);
        wait(lock, run, [&] { return slot(part).part == part; });
        const std::uint64_t begin = offset_in_archive - offset(part);
        return bytes(part).subspan(begin);
    }

    /// `count` bytes at `offset` are there.
    void filled(std::uint64_t offset_in_archive, std::uint64_t count) {
        const std::scoped_lock lock(mutex_);
        add_filled(part_at(offset_in_archive), count);
    }

    /// Waits until the part is complete and returns its bytes, valid until release() was called twice for it.
    Bytes await(std::uint64_t part, const Run& run) {
        std::unique_lock lock(mutex_);
        wait(lock, run, [&] { return slot(part).part == part && slot(part).filled == length(part); });
        return bytes(part);
    }

    /// Called once by the hasher and once by an uploader: after both the buffer takes the next part.
    void release(std::uint64_t part) {
        const std::scoped_lock lock(mutex_);
        if (++slot(part).releases == 2) {
            const std::uint64_t next = part + slots_.size();
            slot(part) = {};
            if (next < count()) {
                open(next);
            }
        }
    }

private:
    static constexpr std::uint64_t kNone = std::numeric_limits<std::uint64_t>::max();
    struct Slot {
        std::uint64_t part = kNone;
        std::uint64_t filled = 0;
        int releases = 0;
    };

    [[nodiscard]] std::uint64_t part_at(std::uint64_t offset_in_archive) const {
        const auto next = std::upper_bound(offsets_.begin(), offsets_.end(), offset_in_archive);
        return static_cast<std::uint64_t>(next - offsets_.begin()) - 1;
    }

    Slot& slot(std::uint64_t part) { return slots_[part % slots_.size()]; }
    MutableBytes bytes(std::uint64_t part) { return buffers_[part % slots_.size()].bytes().first(length(part)); }

    template <class Condition>
    void wait(std::unique_lock<std::mutex>& lock, const Run& run, Condition condition) {
        if (!changed_.wait(lock, run.stop, condition)) {
            throw Cancelled();
        }
    }

    void add_filled(std::uint64_t part, std::uint64_t count) {
        slot(part).filled += count;
        if (slot(part).filled == length(part)) {
            changed_.notify_all();
        }
    }

    /// Gives the part its slot and writes the literals that lie in it.
    void open(std::uint64_t part) {
        slot(part) = {part, 0, 0};
        const std::uint64_t begin = offset(part);
        const std::uint64_t end = begin + length(part);
        const std::vector<Segment>& segments = plan_.segments();
        auto segment = std::upper_bound(segments.begin(), segments.end(), begin,
                                        [](std::uint64_t at, const Segment& other) { return at < other.offset; });
        for (--segment; segment != segments.end() && segment->offset < end; ++segment) {
            if (const auto* literal = std::get_if<Segment::Literal>(&segment->content)) {
                const std::uint64_t from = std::max(begin, segment->offset);
                const std::uint64_t to = std::min(end, segment->offset + segment->length);
                std::memcpy(bytes(part).data() + (from - begin), literal->bytes.data() + (from - segment->offset),
                            to - from);
                slot(part).filled += to - from;
            }
        }
        changed_.notify_all();
    }

    const ArchivePlan& plan_;
    std::vector<std::uint64_t> offsets_;
    std::vector<Slot> slots_;
    std::vector<Buffer> buffers_;
    std::mutex mutex_;
    std::condition_variable_any changed_;
};

/// Where the parts begin, and the end. Throws Error{InvalidInput} when the lengths do not make the archive.
std::vector<std::uint64_t> part_offsets(const ArchivePlan& plan, const ArchiveStreamOptions& options) {
    std::vector<std::uint64_t> offsets{0};
    if (options.parts.empty()) {
        while (offsets.back() < plan.size()) {
            offsets.push_back(std::min(plan.size(), offsets.back() + options.part_size));
        }
        return offsets;
    }
    for (const std::uint64_t length : options.parts) {
        if (length == 0 || length > plan.size() - offsets.back()) {
            throw Error(ErrorCode::InvalidInput, "the parts do not fit into the archive");
        }
        offsets.push_back(offsets.back() + length);
    }
    if (offsets.back() != plan.size()) {
        throw Error(ErrorCode::InvalidInput, "the parts do not reach the end of the archive");
    }
    return offsets;
}

/// The three kinds of thread over one ring.
class ArchiveStream {
public:
    ArchiveStream(const ArchivePlan& plan, PartConsumer& consumer, const ArchiveStreamOptions& options)
        : consumer_(consumer),
          options_(options),
          ring_(plan, part_offsets(plan, options), std::max(2U, options.buffers)) {
        for (const Segment& segment : plan.segments()) {
            if (std::holds_alternative<Segment::Blob>(segment.content)) {
                blobs_.push_back(&segment);
            }
        }
    }

    Digest run_all(const Run& outer) {
        Workers workers(outer);
        const Run run = workers.run();
        const std::size_t fetchers = std::min<std::size_t>(std::max(1U, options_.connections), blobs_.size());
        for (std::size_t i = 0; i < fetchers; ++i) {
            workers.start([this, run] { fetch_blobs(run); });
        }
        const std::uint64_t uploaders = std::min<std::uint64_t>(std::max(1U, options_.uploads), ring_.count());
        for (std::uint64_t i = 0; i < uploaders; ++i) {
            workers.start([this, run] { hand_out_parts(run); });
        }
        workers.start([this, run] { hash_parts(run); });
        workers.join();
        return hasher_.finish();
    }

private:
    void fetch_blobs(const Run& run) {
        for (std::size_t index = next_blob_++; index < blobs_.size(); index = next_blob_++) {
            fetch(*blobs_[index], run);
        }
    }

    void hand_out_parts(const Run& run) {
        for (std::uint64_t part = next_upload_++; part < ring_.count(); part = next_upload_++) {
            const Bytes bytes = ring_.await(part, run);
            consumer_.part(static_cast<std::uint32_t>(part + 1), ring_.offset(part), bytes);
            ring_.release(part);
        }
    }

    void hash_parts(const Run& run) {
        for (std::uint64_t part = 0; part < ring_.count(); ++part) {
            hasher_.update(ring_.await(part, run));
            ring_.release(part);
        }
    }

    /// A blob from its first byte to its last, read straight into the parts.
    void fetch(const Segment& segment, const Run& run) {
        const auto& blob = std::get<Segment::Blob>(segment.content);
        in_context("layer " + blob.descriptor.digest.shortened(), [&] {
            BlobCheck check(blob, options_.deep);
            MutableBytes place =
                ring_.place(segment.offset, run);  // before the request: no idle connection while waiting
            const auto source = blob.blobs->open(blob.descriptor, 0, run);
            std::uint64_t done = 0;
            while (done < segment.length) {
                if (place.empty()) {
                    place = ring_.place(segment.offset + done, run);
                }
                const std::size_t wanted = std::min<std::uint64_t>({place.size(), segment.length - done, kStreamStep});
                const std::size_t count = source->read(place.first(wanted));
                if (count == 0) {
                    throw IntegrityError("layer blob is too short", std::to_string(segment.length) + " bytes",
                                         std::to_string(done));
                }
                check.update(place.first(count));
                ring_.filled(segment.offset + done, count);
                place = place.subspan(count);
                done += count;
                run.progress->advance(options_.task, fetched_ += count);
            }
            std::byte beyond{};
            if (source->read(MutableBytes(&beyond, 1)) != 0) {
                throw IntegrityError("layer blob is too long", std::to_string(segment.length) + " bytes", "more");
            }
            check.finish();
        });
    }

    PartConsumer& consumer_;
    const ArchiveStreamOptions& options_;
    std::vector<const Segment*> blobs_;
    std::atomic<std::size_t> next_blob_{0};
    std::atomic<std::uint64_t> next_upload_{0};
    std::atomic<std::uint64_t> fetched_{0};
    Hasher hasher_;
    PartRing ring_;
};

}  // namespace

ArchiveWritten stream_archive(const ArchivePlan& plan, PartConsumer& consumer, const ArchiveStreamOptions& options,
                              const Run& run) {
    run.progress->begin(options.task, plan.size());
    const Digest sha256 = ArchiveStream(plan, consumer, options).run_all(run);
    run.progress->end(options.task);
    return {plan.size(), sha256, options.deep};
}

}  // namespace cooper::oci
