#include "cooper/base/compression.hpp"
#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/build/apply.hpp"

#include "base/workers.hpp"
#include "build/apply/layer_applier.hpp"
#include "build/apply/layer_pipe.hpp"
#include "build/apply/removal.hpp"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace cooper::build {

namespace {

FileDescriptor open_directory(const std::filesystem::path& path) {
    FileDescriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!directory.valid()) {
        throw SystemError("cannot open the directory " + path.string(), errno);
    }
    return directory;
}

/// A directory of our own (mode 0700) beside the one that it becomes; goes with all in it unless it is published.
class UnpackedTree {
public:
    explicit UnpackedTree(const std::filesystem::path& target) : target_(clean(target)) {
        check_target();
        parent_ = open_directory(target_.parent_path());
        std::string name =
            (target_.parent_path() / ("." + target_.filename().string().substr(0, 200) + ".XXXXXX")).string();
        if (mkdtemp(name.data()) == nullptr) {
            throw SystemError("cannot create a directory beside " + target_.string(), errno);
        }
        name_ = std::filesystem::path(name).filename().string();
    }
    UnpackedTree(const UnpackedTree&) = delete;
    UnpackedTree& operator=(const UnpackedTree&) = delete;
    ~UnpackedTree() {
        if (name_.empty()) {
            return;
        }
        try {
            remove_tree(parent_.get(), name_, name_);
        } catch (const std::exception&) {  // what cannot be removed stays behind under its hidden name
        }
    }

    [[nodiscard]] FileDescriptor open() const {
        FileDescriptor directory(openat(parent_.get(), name_.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!directory.valid()) {
            throw SystemError("cannot open " + name_, errno);
        }
        return directory;
    }

    /// An empty directory in its place is replaced; rename(2) refuses any other.
    void publish() {
        if (renameat(parent_.get(), name_.c_str(), parent_.get(), target_.filename().c_str()) != 0) {
            const int problem = errno;
            if (problem == ENOTEMPTY || problem == EEXIST || problem == ENOTDIR) {
                throw_occupied();
            }
            throw SystemError("cannot create " + target_.string(), problem);
        }
        name_.clear();
    }

private:
    static std::filesystem::path clean(const std::filesystem::path& target) {
        std::filesystem::path path = std::filesystem::absolute(target).lexically_normal();
        return path.has_filename() ? path : path.parent_path();  // "out/"
    }

    [[noreturn]] void throw_occupied() const {
        Error error(ErrorCode::Conflict, target_.string() + " exists already and is not replaced");
        error.advise("name a directory that is absent or empty");
        throw Error(error);
    }

    void check_target() const {
        const std::string name = target_.filename().string();
        if (name.empty() || name == "." || name == "..") {
            throw Error(ErrorCode::InvalidInput, "'" + target_.string() + "' names no directory to make");
        }
        struct stat status {};
        if (lstat(target_.c_str(), &status) != 0) {
            return;
        }
        std::error_code ignored;
        if (!S_ISDIR(status.st_mode) || !std::filesystem::is_empty(target_, ignored)) {
            throw_occupied();
        }
    }

    std::filesystem::path target_;
    FileDescriptor parent_;
    std::string name_;  // empty once it is published
};

/// Counts what is read, for the bar.
class CountedSource final : public Source {
public:
    CountedSource(std::unique_ptr<Source> inner, std::uint64_t& done, const std::string& task, const Run& run)
        : inner_(std::move(inner)), done_(done), task_(task), run_(run) {}
    std::size_t read(MutableBytes into) override {
        const std::size_t count = inner_->read(into);
        run_.progress->advance(task_, done_ += count);
        return count;
    }

private:
    std::unique_ptr<Source> inner_;
    std::uint64_t& done_;
    const std::string& task_;
    const Run& run_;
};

/// Three threads in a row: one fetches, checks and inflates the layers' blobs, one checks the diff IDs, one applies.
/// The blobs of the next layers are under way while one is applied, as far as the pipes hold them.
class Unpacking {
public:
    Unpacking(const oci::Image& image, const ApplyOptions& options) : image_(image), options_(options) {}

    Applied run(FileDescriptor root, const Run& run) {
        LayerApplier applier(std::move(root), options_);
        applier.describe_new_root();
        Workers workers(run);
        workers.start([this, inner = workers.run()] { for_each_layer("fetching", inner, &Unpacking::inflate); });
        workers.start([this, inner = workers.run()] { for_each_layer("checking", inner, &Unpacking::check_diff_id); });
        workers.start([this, &applier, inner = workers.run()] {
            applier_ = &applier;
            for_each_layer("unpacking", inner, &Unpacking::apply);
        });
        workers.join();
        return applier.finish(run);
    }

private:
    using Stage = void (Unpacking::*)(std::size_t layer, const Run& run);

    void for_each_layer(std::string_view action, const Run& run, Stage stage) {
        const std::size_t count = image_.manifest.layers.size();
        for (std::size_t layer = 0; layer < count; ++layer) {
            const std::string frame = std::string(action) + " layer " + std::to_string(layer + 1) + " of " +
                                      std::to_string(count) + " (" + image_.manifest.layers[layer].digest.shortened() +
                                      ")";
            in_context(frame, [&] { (this->*stage)(layer, run); });
        }
    }

    void inflate(std::size_t layer, const Run& run) {
        const oci::Descriptor& blob = image_.manifest.layers[layer];
        auto stored = image_.blobs->open(blob, 0, run);
        if (!image_.blobs->verifies()) {
            stored = verified(std::move(stored), blob.digest, blob.size, "the layer");
        }
        DecompressionLimits limits;
        limits.max_output = options_.max_layer_bytes;
        const auto tar = decompressed_by_magic(
            std::make_unique<CountedSource>(std::move(stored), fetched_, options_.task, run), limits);
        bool ended = false;
        while (!ended) {
            LayerChunk chunk{std::make_unique_for_overwrite<std::byte[]>(LayerPipe::kChunk)};
            chunk.size = read_full(*tar, {chunk.bytes.get(), LayerPipe::kChunk});
            ended = chunk.size == 0;
            inflated_.push(std::move(chunk), run.stop);
        }
    }

    void check_diff_id(std::size_t layer, const Run& run) {
        const Digest& expected = image_.config.diff_ids[layer];
        Hasher hasher(expected.algorithm());
        for (bool ended = false; !ended;) {
            LayerChunk chunk = inflated_.pop(run.stop);
            ended = chunk.size == 0;
            hasher.update(chunk.view());
            checked_.push(std::move(chunk), run.stop);
        }
        if (const Digest actual = hasher.finish(); actual != expected) {
            throw IntegrityError("diff ID", expected.text(), actual.text());
        }
    }

    void apply(std::size_t, const Run& run) {
        PipedLayer tar(checked_, run.stop);
        applier_->apply(tar, run);
    }

    const oci::Image& image_;
    const ApplyOptions& options_;
    LayerApplier* applier_ = nullptr;
    LayerPipe inflated_;
    LayerPipe checked_;
    std::uint64_t fetched_ = 0;
};

}  // namespace

Applied apply_layer(Source& tar, const std::filesystem::path& root, const ApplyOptions& options, const Run& run) {
    LayerApplier applier(open_directory(root), options);
    applier.apply(tar, run);
    return applier.finish(run);
}

Applied unpack(const oci::Image& image, const std::filesystem::path& directory, const ApplyOptions& options,
               const Run& run) {
    image.check();
    UnpackedTree tree(directory);
    std::uint64_t total = 0;
    for (const oci::Descriptor& layer : image.manifest.layers) {
        total += layer.size;
    }
    run.progress->begin(options.task, total);
    Applied applied = Unpacking(image, options).run(tree.open(), run);
    tree.publish();
    run.progress->end(options.task);
    return applied;
}

}  // namespace cooper::build
