// The list of files is made layer by layer into files of their own, several at once, and put together in order: zstd
// frames follow one another as they like, so the bytes do not depend on who was ready first.
#include "cooper/base/compression.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/ranged.hpp"
#include "cooper/base/text.hpp"

#include "base/hashed_file.hpp"
#include "base/workers.hpp"
#include "build/layer/layer_stream.hpp"
#include "delivery/gate/file_list.hpp"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>

namespace cooper::delivery {

namespace {

constexpr unsigned kMaxReaders = 4;
constexpr std::string_view kTask = "listing files";
// Each layer's lines are compressed in its own thread.
const ZstdOptions& compression() {
    static constexpr ZstdOptions kOptions{.level = 3, .threads = 1};
    return kOptions;
}

/// Collects lines, so that the compressor is not called for each.
class LineWriter {
public:
    LineWriter(Sink& to, std::atomic<std::uint64_t>& total) : to_(to), total_(total) {}

    void add(std::string_view line) {
        lines_ += line;
        lines_ += '\n';
        if (lines_.size() >= kStreamStep) {
            flush();
        }
    }

    void flush() {
        if ((total_ += lines_.size()) > kMaxFileList) {
            Error error(ErrorCode::InvalidInput,
                        "the list of the image's files exceeds the limit of " + format_bytes(kMaxFileList));
            error.advise("--no-files writes the digests alone");
            throw error;
        }
        to_.write(as_bytes(lines_));
        lines_.clear();
    }

private:
    Sink& to_;
    std::atomic<std::uint64_t>& total_;
    std::string lines_;
};

/// Tells how much of all layers' blobs was read, by layer.
class LayersDone {
public:
    LayersDone(const oci::Image& image, const Run& run) : image_(image), run_(run) {
        std::uint64_t total = 0;
        for (const auto& layer : image.manifest.layers) {
            total += layer.size;
        }
        run.progress->begin(kTask, total);
    }
    LayersDone(const LayersDone&) = delete;
    LayersDone& operator=(const LayersDone&) = delete;
    ~LayersDone() { run_.progress->end(kTask); }

    void add(std::size_t index) {
        const std::scoped_lock lock(mutex_);
        run_.progress->advance(kTask, done_ += image_.manifest.layers[index].size);
    }

private:
    const oci::Image& image_;
    const Run& run_;
    std::mutex mutex_;
    std::uint64_t done_ = 0;
};

std::filesystem::path part_path(const std::filesystem::path& directory, std::size_t index) {
    return directory / std::to_string(index);
}

void write_part(const std::filesystem::path& path, const oci::Image& image, std::size_t index,
                std::atomic<std::uint64_t>& total, const Run& run) {
    AtomicFile file(path);
    const auto compressor = zstd_compressing(file, compression());
    LineWriter lines(*compressor, total);
    lines.add("layer " + image.config.diff_ids[index].text());
    std::uint64_t count = 0;
    list_layer_files(
        image, index,
        [&](const std::string& line) {
            lines.add(line);
            ++count;
        },
        run);
    lines.add("end " + std::to_string(count));
    lines.flush();
    compressor->finish();
}

/// A sink whose finish() waits for more.
class Unfinished final : public Sink {
public:
    explicit Unfinished(Sink& to) : to_(to) {}
    void write(Bytes chunk) override { to_.write(chunk); }
    void finish() override {}

private:
    Sink& to_;
};

void write_head(Sink& to, const oci::Image& image) {
    Unfinished inner(to);
    const auto compressor = zstd_compressing(inner, compression());
    const std::string head = "cooper.files/v1\nconfig " + std::to_string(image.config.raw.size()) + "\n";
    compressor->write(as_bytes(head));
    compressor->write(as_bytes(image.config.raw));
    compressor->write(as_bytes("\n"));
    compressor->finish();
}

}  // namespace

void list_layer_files(const oci::Image& image, std::size_t index, const std::function<void(const std::string&)>& each,
                      const Run& run) {
    in_context("reading " + build::layer_name(image, index), [&] {
        build::LayerStream tar(image, index, run);
        TarReader reader(tar);
        const auto buffer = std::make_unique_for_overwrite<std::byte[]>(kStreamStep);
        while (const auto entry = reader.next()) {
            run.check();
            std::optional<Digest> content;
            if (entry->type == TarType::File) {
                Hasher hasher;
                while (const auto count = reader.content().read({buffer.get(), kStreamStep})) {
                    hasher.update({buffer.get(), count});
                }
                content = hasher.finish();
            }
            each(file_line(*entry, content));
        }
        tar.finish();
    });
}

Digest write_file_list(const std::filesystem::path& path, const oci::Image& image, const Run& run) {
    image.check();
    const TempDirectory parts("cooper-files");
    const std::size_t layers = image.manifest.layers.size();
    {
        LayersDone done(image, run);
        std::atomic<std::size_t> next = 0;
        std::atomic<std::uint64_t> total = 0;
        Workers workers(run);
        const auto readers = std::clamp(std::thread::hardware_concurrency(), 1U, kMaxReaders);
        for (unsigned i = 0; i < std::min<std::size_t>(readers, layers); ++i) {
            workers.start([&, inner = workers.run()] {
                for (std::size_t index = 0; (index = next++) < layers;) {
                    write_part(part_path(parts.path(), index), image, index, total, inner);
                    done.add(index);
                }
            });
        }
        workers.join();
    }
    HashedFile list(path);
    write_head(list, image);
    for (std::size_t i = 0; i < layers; ++i) {
        const auto part = FileRanged(part_path(parts.path(), i)).open();
        copy(*part, list, run.stop);
    }
    list.finish();
    return list.digest();
}

}  // namespace cooper::delivery
