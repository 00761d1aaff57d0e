#include "cooper/build/layer.hpp"

#include "build/layer/layer_contents.hpp"
#include "build/layer/layer_writer.hpp"
#include "build/layer/read_ahead.hpp"

#include <algorithm>

namespace cooper::build {

namespace {

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

BuiltLayer write_layer(const SourceTree& tree, std::map<std::string, Planned>& plan, const LayerOptions& options,
                       const std::filesystem::path& spool, const Run& run) {
    LayerWriter writer(spool, options.compression);
    TarWriter tar(writer);
    Filler filler(tree, plan, "layer from " + tree.shown(""), run);
    for (auto& [path, planned] : plan) {
        filler.write(tar, planned);
    }
    tar.finish();
    filler.finish();
    auto built = writer.take();
    built.target = options.target;
    built.files = static_cast<std::uint64_t>(std::count_if(
        plan.begin(), plan.end(), [](const auto& item) { return item.second.entry.type != TarType::Directory; }));
    return built;
}

BuiltLayer build_layer(const LayerOptions& options, BaseTree& base, const std::filesystem::path& spool,
                       const Run& run) {
    const SourceTree tree(options.directory);
    const auto files = tree.list(run);
    auto plan = plan_layer(files, options, base);
    auto built = write_layer(tree, plan, options, spool, run);
    for (const auto& [path, planned] : plan) {
        base.apply(planned.entry);
    }
    return built;
}

}  // namespace cooper::build
