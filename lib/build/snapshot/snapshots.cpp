#include "cooper/build/snapshots.hpp"

#include "cooper/base/error.hpp"

#include "base/workers.hpp"
#include "build/apply/layer_pipe.hpp"
#include "build/layer/layer_stream.hpp"
#include "build/layer/layer_writer.hpp"
#include "build/snapshot/layer_stack.hpp"
#include "build/snapshot/layer_unpacker.hpp"
#include "build/snapshot/member_list.hpp"
#include "build/snapshot/root_trees.hpp"
#include "build/snapshot/snapshot_directory.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <thread>

namespace cooper::build {

namespace {

constexpr unsigned kMaxUnpackers = 4;  // inflating takes a core each, the disk is one

/// Fetches, inflates and checks a layer while another thread writes its files.
void feed(LayerPipe& pipe, const oci::Image& image, std::size_t index, const Run& run) {
    LayerStream tar(image, index, run);
    for (bool ended = false; !ended;) {
        LayerChunk chunk{std::make_unique_for_overwrite<std::byte[]>(LayerPipe::kChunk)};
        chunk.size = read_full(tar, {chunk.bytes.get(), LayerPipe::kChunk});
        ended = chunk.size == 0;
        if (ended) {
            tar.finish();
        }
        pipe.push(std::move(chunk), run.stop);
    }
}

}  // namespace

struct Snapshots::State {
    State(const std::filesystem::path& path, const Confinement& how)
        : directory(std::make_shared<SnapshotDirectory>(path, disk_form(how))) {}

    LayerStack stack(const std::vector<Digest>& layers) const {
        std::vector<LayerHandle> handles;
        handles.reserve(layers.size());
        for (const Digest& layer : layers) {
            handles.push_back(directory->get(layer));
        }
        return {directory, std::move(handles)};
    }

    std::shared_ptr<SnapshotDirectory> directory;
};

Snapshots::Snapshots(std::filesystem::path directory, Confinement how)
    : state_(std::make_unique<State>(directory, how)) {}

Snapshots::~Snapshots() = default;

bool Snapshots::has(const Digest& diff_id) const {
    return state_->directory->has(diff_id);
}

void Snapshots::add(const oci::Image& image, std::size_t index, const Run& run) {
    image.check();
    const Digest& diff_id = image.config.diff_ids.at(index);
    const auto work = state_->directory->claim(diff_id, run);
    if (!work) {
        return;
    }
    const FindBelow below = [&](const std::string& path) -> std::optional<FoundBelow> {
        const std::vector<Digest> lower(image.config.diff_ids.begin(),
                                        image.config.diff_ids.begin() + static_cast<std::ptrdiff_t>(index));
        for (std::size_t i = 0; i < index; ++i) {
            add(image, i, run);
        }
        LayerStack stack = state_->stack(lower);
        const auto found = stack.find(path);
        return found ? std::optional(FoundBelow{stack.layers()[found->layer]->tree(), path}) : std::nullopt;
    };
    const auto layer = work->path() / "layer";
    if (mkdir(layer.c_str(), 0700) != 0 || mkdir((layer / "tree").c_str(), 0700) != 0) {
        throw SystemError("cannot make a directory in " + work->path().string(), errno);
    }
    in_context("unpacking " + layer_name(image, index), [&] {
        LayerIndex layer_index;
        LayerPipe pipe;
        Workers workers(run);
        workers.start([&, inner = workers.run()] { feed(pipe, image, index, inner); });
        workers.start([&, inner = workers.run()] {
            PipedLayer tar(pipe, inner.stop);
            layer_index = unpack_layer(tar, layer / "tree", state_->directory->form(), below, inner);
            skip(tar, UINT64_MAX);
        });
        workers.join();
        state_->directory->publish(layer, diff_id, layer_index);
    });
}

void Snapshots::add_all(const oci::Image& image, const Run& run) {
    image.check();
    const std::size_t count = image.config.diff_ids.size();
    std::atomic<std::size_t> next{0};
    const auto body = [&](const Run& inner) {
        for (std::size_t index = next++; index < count; index = next++) {
            add(image, index, inner);
        }
    };
    const auto missing = static_cast<unsigned>(std::count_if(image.config.diff_ids.begin(), image.config.diff_ids.end(),
                                                             [this](const Digest& layer) { return !has(layer); }));
    const unsigned threads = std::min({missing, kMaxUnpackers, std::max(std::thread::hardware_concurrency(), 1U)});
    if (threads < 2) {
        return body(run);
    }
    Workers workers(run);
    for (unsigned i = 0; i < threads; ++i) {
        workers.start([&, inner = workers.run()] { body(inner); });
    }
    workers.join();
}

std::unique_ptr<RootTree> Snapshots::open(const std::vector<Digest>& layers, const Run& run) {
    return state_->directory->form().overlay ? open_overlay_tree(state_->directory, state_->stack(layers), run)
                                             : open_copied_tree(state_->directory, state_->stack(layers), run);
}

std::unique_ptr<RootTree> Snapshots::open_to_read(const std::vector<Digest>& layers, const Run& run) {
    return state_->directory->form().overlay ? open_overlay_view(state_->directory, state_->stack(layers), run)
                                             : open_copied_tree(state_->directory, state_->stack(layers), run);
}

BuiltLayer Snapshots::blob(const Digest& diff_id, const LayerCompression& compression,
                           const std::filesystem::path& spool, const Run& run) const {
    const LayerHandle layer = state_->directory->get(diff_id);
    if (!layer->index.captured) {
        throw Error(ErrorCode::Unsupported, "the layer " + diff_id.shortened() + " was not made here");
    }
    return in_context("writing the layer " + diff_id.shortened(), [&] {
        TreeRoot tree(layer->tree());
        LayerWriter writer(spool, compression);
        const WrittenTar written = write_tar(layer->members(), tree, writer, run);
        BuiltLayer built = writer.take();
        if (built.diff_id != diff_id) {
            throw IntegrityError("diff ID of an unpacked layer, which was changed", diff_id.text(),
                                 built.diff_id.text());
        }
        built.files = written.files;
        return built;
    });
}

}  // namespace cooper::build
