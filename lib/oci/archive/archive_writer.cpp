#include "cooper/oci/archive_writer.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "base/workers.hpp"
#include "oci/archive/blob_check.hpp"

#include <algorithm>
#include <atomic>

namespace cooper::oci {

namespace {

/// A pull with a checksum goes through the part stream: parts this small keep memory near that of a plain pull.
constexpr std::uint64_t kFilePart = 512ULL << 10;
constexpr unsigned kFileBuffers = 8;

class FilePartWriter final : public PartConsumer {
public:
    explicit FilePartWriter(AtomicFile& file) : file_(file) {}
    void part(std::uint32_t /*number*/, std::uint64_t offset, Bytes bytes) override { file_.write_at(offset, bytes); }

private:
    AtomicFile& file_;
};

/// Blobs land at their places in the file, several at once, the largest first.
class ParallelWrite {
public:
    ParallelWrite(const ArchivePlan& plan, AtomicFile& file, const ArchiveWriteOptions& options)
        : file_(file), options_(options) {
        for (const Segment& segment : plan.segments()) {
            if (std::holds_alternative<Segment::Blob>(segment.content)) {
                blobs_.push_back(&segment);
            } else {
                file_.write_at(segment.offset, as_bytes(std::get<Segment::Literal>(segment.content).bytes));
                done_ += segment.length;
            }
        }
        std::stable_sort(blobs_.begin(), blobs_.end(),
                         [](const Segment* a, const Segment* b) { return a->length > b->length; });
    }

    void run_all(const Run& run) {
        Workers workers(run);
        const std::size_t count = std::min<std::size_t>(std::max(1U, options_.connections), blobs_.size());
        for (std::size_t i = 0; i < count; ++i) {
            workers.start([this, worker_run = workers.run()] {
                for (std::size_t index = next_++; index < blobs_.size(); index = next_++) {
                    write_blob(*blobs_[index], worker_run);
                }
            });
        }
        workers.join();
    }

private:
    void write_blob(const Segment& segment, const Run& run) {
        const auto& blob = std::get<Segment::Blob>(segment.content);
        in_context("layer " + blob.descriptor.digest.shortened(), [&] {
            BlobCheck check(blob, options_.deep);
            const auto source = blob.blobs->open(blob.descriptor, 0, run);
            std::vector<std::byte> buffer(std::min<std::uint64_t>(kStreamStep, segment.length));
            std::uint64_t written = 0;
            while (const std::size_t count = source->read(buffer)) {
                run.check();
                if (count > segment.length - written) {
                    throw IntegrityError("layer blob is too long", std::to_string(segment.length) + " bytes", "more");
                }
                const Bytes chunk = Bytes(buffer).first(count);
                check.update(chunk);
                file_.write_at(segment.offset + written, chunk);
                written += count;
                run.progress->advance(options_.task, done_ += count);
            }
            if (written != segment.length) {
                throw IntegrityError("layer blob is too short", std::to_string(segment.length) + " bytes",
                                     std::to_string(written));
            }
            check.finish();
        });
    }

    AtomicFile& file_;
    const ArchiveWriteOptions& options_;
    std::vector<const Segment*> blobs_;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::uint64_t> done_{0};
};

}  // namespace

ArchiveWritten write_archive(const ArchivePlan& plan, const std::filesystem::path& path,
                             const ArchiveWriteOptions& options, const Run& run) {
    AtomicFile file(path);
    file.reserve(plan.size());
    ArchiveWritten written;
    if (options.checksum || options.expected) {
        FilePartWriter writer(file);
        ArchiveStreamOptions stream;
        stream.part_size = kFilePart;
        stream.buffers = kFileBuffers;
        stream.connections = options.connections;
        stream.uploads = 1;
        stream.deep = options.deep;
        stream.task = options.task;
        written = stream_archive(plan, writer, stream, run);
    } else {
        run.progress->begin(options.task, plan.size());
        ParallelWrite(plan, file, options).run_all(run);
        run.progress->end(options.task);
        written.size = plan.size();
        written.diff_ids_checked = options.deep;
    }
    if (options.expected && written.sha256 != options.expected) {
        throw IntegrityError("SHA-256 of " + path.filename().string(), options.expected->text(),
                             written.sha256.value().text());
    }
    file.commit();
    return written;
}

}  // namespace cooper::oci
