#include "oci/layout/layout_writer.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "base/workers.hpp"
#include "oci/layout/entries.hpp"
#include "oci/layout/layout_blobs.hpp"

#include <algorithm>
#include <atomic>

namespace cooper::oci {

namespace {

namespace fs = std::filesystem;

/// blobs/ALG below the layout. What is unpacked from elsewhere may have symlinks there; nothing is written through
/// them.
void make_blob_directory(const fs::path& layout, const Digest& digest) {
    fs::path directory = layout;
    for (const auto& step : fs::path(blob_path(digest)).parent_path()) {
        directory /= step;
        std::error_code error;
        fs::create_directory(directory, error);
        const auto type = fs::symlink_status(directory, error).type();
        if (type == fs::file_type::symlink) {
            throw Error(ErrorCode::InvalidInput, directory.string() + " is a symbolic link, which is not followed");
        }
        if (type != fs::file_type::directory) {
            throw SystemError("cannot make the directory " + directory.string(), error ? error.value() : ENOTDIR);
        }
    }
}

class LayoutWriter {
public:
    LayoutWriter(const fs::path& layout, const Graph& graph, const OciLayout::WriteOptions& options)
        : layout_(layout), graph_(graph), options_(options), present_(layout) {
        for (const Descriptor& blob : graph.blobs) {
            if (!is_foreign_layer(blob.media_type)) {
                blobs_.push_back(&blob);
                total_ += blob.size;
            }
        }
        std::stable_sort(blobs_.begin(), blobs_.end(),
                         [](const Descriptor* a, const Descriptor* b) { return a->size > b->size; });
    }

    OciLayout::Written run_all(const Run& run) {
        for (const Descriptor* blob : blobs_) {
            make_blob_directory(layout_, blob->digest);
        }
        run.progress->begin(options_.task, total_);
        Workers workers(run);
        const std::size_t count = std::min<std::size_t>(std::max(1U, options_.connections), blobs_.size());
        for (std::size_t i = 0; i < count; ++i) {
            workers.start([this, worker_run = workers.run()] {
                for (std::size_t index = next_++; index < blobs_.size(); index = next_++) {
                    take(*blobs_[index], worker_run);
                }
            });
        }
        workers.join();
        for (const RawManifest& manifest : graph_.manifests) {
            write_manifest(manifest);
        }
        run.progress->end(options_.task);
        return {written_, reused_};
    }

private:
    void take(const Descriptor& blob, const Run& run) {
        run.check();
        if (present_.find_size(blob.digest) == blob.size) {
            reused_ += blob.size;
            run.progress->advance(options_.task, done_ += blob.size);
            return;
        }
        in_context("blob " + blob.digest.shortened(), [&] { write_blob(blob, run); });
        written_ += blob.size;
    }

    void write_blob(const Descriptor& blob, const Run& run) {
        AtomicFile file(layout_ / blob_path(blob.digest));
        file.reserve(blob.size);
        const Blobs& source = *graph_.source;
        auto bytes = source.open(blob, 0, run);
        if (!source.verifies()) {
            bytes = verified(std::move(bytes), blob.digest, blob.size, "its content");
        }
        std::vector<std::byte> buffer(kStreamStep);
        while (const std::size_t count = bytes->read(buffer)) {
            run.check();
            file.write(Bytes(buffer).first(count));
            run.progress->advance(options_.task, done_ += count);
        }
        file.commit();
    }

    void write_manifest(const RawManifest& manifest) {
        const std::string path = blob_path(manifest.digest);
        make_blob_directory(layout_, manifest.digest);
        if (find_file_beneath(layout_, path, kMaxDocument) != manifest.bytes) {
            write_file(layout_ / path, manifest.bytes);
        }
    }

    const fs::path& layout_;
    const Graph& graph_;
    const OciLayout::WriteOptions& options_;
    LayoutBlobs present_;
    std::vector<const Descriptor*> blobs_;
    std::uint64_t total_ = 0;
    std::atomic<std::size_t> next_{0};
    std::atomic<std::uint64_t> done_{0};
    std::atomic<std::uint64_t> written_{0};
    std::atomic<std::uint64_t> reused_{0};
};

}  // namespace

OciLayout::Written write_blobs(const fs::path& layout, const Graph& graph, const OciLayout::WriteOptions& options,
                               const Run& run) {
    return LayoutWriter(layout, graph, options).run_all(run);
}

}  // namespace cooper::oci
