#include "cooper/build/layer.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/text.hpp"

#include "base/hashed_file.hpp"
#include "build/layer/placement.hpp"
#include "build/layer/read_ahead.hpp"
#include "build/layer/source_tree.hpp"

#include <cerrno>
#include <cstdio>
#include <random>

namespace cooper::build {

namespace {

/// Gives a spooled layer the name that its digest makes, so that layers in one spool cannot meet.
std::filesystem::path rename_to_digest(const std::filesystem::path& path, const Digest& digest) {
    auto named = path.parent_path() / (std::string(digest.hex()) + ".tar.gz");
    if (std::rename(path.c_str(), named.c_str()) != 0) {
        throw SystemError("cannot rename '" + path.string() + "'", errno);
    }
    return named;
}

/// Hashes and counts the tar on its way to the compressor.
class TarNamer final : public Sink {
public:
    explicit TarNamer(Sink& to) : to_(to) {}
    void write(Bytes chunk) override {
        hasher_.update(chunk);
        size_ += chunk.size();
        to_.write(chunk);
    }
    void finish() override { to_.finish(); }
    [[nodiscard]] Digest diff_id() { return hasher_.finish(); }
    [[nodiscard]] std::uint64_t size() const { return size_; }

private:
    Sink& to_;
    Hasher hasher_;
    std::uint64_t size_ = 0;
};

std::filesystem::path unused_name(const std::filesystem::path& spool) {
    std::random_device random;
    return spool / ("layer-" + std::to_string(random()) + "-" + std::to_string(random()));
}

/// Content of the layer's files, and how far we are with it.
class Filler {
public:
    Filler(const SourceTree& tree, const std::map<std::string, Planned>& plan, std::string task, const Run& run)
        : ahead_(tree, files_of(plan)), task_(std::move(task)), run_(run) {
        std::uint64_t total = 0;
        for (const auto& [path, planned] : plan) {
            total += planned.entry.size;
        }
        run_.progress->begin(task_, total);
    }

    void write(TarWriter& tar, Planned& planned) {
        run_.check();
        if (planned.entry.type != TarType::File) {
            tar.add(planned.entry);
            return;
        }
        auto file = ahead_.next();
        planned.entry.xattrs = std::move(file.xattrs);
        tar.add(planned.entry, *file.content, run_.stop);
        run_.progress->advance(task_, done_ += planned.entry.size);
    }
    void finish() { run_.progress->end(task_); }

private:
    static std::vector<const SourceFile*> files_of(const std::map<std::string, Planned>& plan) {
        std::vector<const SourceFile*> files;
        for (const auto& [path, planned] : plan) {
            if (planned.entry.type == TarType::File) {
                files.push_back(planned.source);
            }
        }
        return files;
    }

    ReadAhead ahead_;
    std::string task_;
    const Run& run_;
    std::uint64_t done_ = 0;
};

}  // namespace

BuiltLayer build_layer(const LayerOptions& options, BaseTree& base, const std::filesystem::path& spool,
                       const Run& run) {
    const SourceTree tree(options.directory);
    const auto files = tree.list(run);
    auto plan = plan_layer(files, options, base);

    const auto file = unused_name(spool);
    HashedFile blob(file);
    const auto compressor = gzip_compressing(blob, options.gzip);
    TarNamer namer(*compressor);
    TarWriter tar(namer);
    Filler filler(tree, plan, "layer from " + tree.shown(""), run);
    for (auto& [path, planned] : plan) {
        filler.write(tar, planned);
    }
    tar.finish();
    filler.finish();

    oci::Descriptor descriptor{std::string(oci::media_type::kOciLayerGzip), blob.digest(), blob.size(), {}, {}, {}, {}};
    BuiltLayer built{std::move(descriptor), namer.diff_id(), rename_to_digest(file, blob.digest()), options.target, 0,
                     namer.size()};
    for (const auto& [path, planned] : plan) {
        built.files += planned.entry.type == TarType::Directory ? 0U : 1U;
        base.apply(planned.entry);
    }
    return built;
}

}  // namespace cooper::build
