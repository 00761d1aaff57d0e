#include "cooper/base/digest.hpp"
#include "cooper/oci/archive_writer.hpp"

#include "oci/archive/blob_check.hpp"

namespace cooper::oci {

namespace {

/// Passes everything on and hashes it, when it is asked to.
class ArchiveSink {
public:
    ArchiveSink(Sink& to, const ArchiveWriteOptions& options, const Run& run) : to_(to), options_(options), run_(run) {
        if (options.checksum) {
            hasher_.emplace();
        }
    }

    void write(Bytes chunk) {
        run_.check();
        to_.write(chunk);
        if (hasher_) {
            hasher_->update(chunk);
        }
        run_.progress->advance(options_.task, written_ += chunk.size());
    }

    void write_blob(const Segment& segment) {
        const auto& blob = std::get<Segment::Blob>(segment.content);
        BlobCheck check(blob, options_.deep);
        const auto source = blob.blobs->open(blob.descriptor, 0, run_);
        std::uint64_t left = segment.length;
        while (const std::size_t count = source->read(buffer_)) {
            if (count > left) {
                throw IntegrityError("layer blob is too long", std::to_string(segment.length) + " bytes", "more");
            }
            const Bytes chunk = Bytes(buffer_).first(count);
            check.update(chunk);
            write(chunk);
            left -= count;
        }
        if (left > 0) {
            throw IntegrityError("layer blob is too short", std::to_string(segment.length) + " bytes",
                                 std::to_string(segment.length - left));
        }
        check.finish();
    }

    ArchiveWritten finish() {
        to_.finish();
        return {written_, hasher_ ? std::optional(hasher_->finish()) : std::nullopt, options_.deep};
    }

private:
    Sink& to_;
    const ArchiveWriteOptions& options_;
    const Run& run_;
    std::vector<std::byte> buffer_ = std::vector<std::byte>(kStreamStep);
    std::optional<Hasher> hasher_;
    std::uint64_t written_ = 0;
};

}  // namespace

ArchiveWritten write_archive(const ArchivePlan& plan, Sink& to, const ArchiveWriteOptions& options, const Run& run) {
    ArchiveSink sink(to, options, run);
    run.progress->begin(options.task, plan.size());
    for (const Segment& segment : plan.segments()) {
        if (const auto* literal = std::get_if<Segment::Literal>(&segment.content)) {
            sink.write(as_bytes(literal->bytes));
            continue;
        }
        in_context("layer " + std::get<Segment::Blob>(segment.content).descriptor.digest.shortened(),
                   [&] { sink.write_blob(segment); });
    }
    const ArchiveWritten written = sink.finish();
    run.progress->end(options.task);
    return written;
}

}  // namespace cooper::oci
