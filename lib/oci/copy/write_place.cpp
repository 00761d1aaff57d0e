#include "cooper/base/error.hpp"
#include "cooper/oci/copy.hpp"

#include "base/workers.hpp"
#include "oci/copy/access.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>

namespace cooper::oci {

namespace {

using Kind = PlaceName::Kind;

std::string no_image(const OpenedPlace& from, const PlaceName& place, std::size_t images) {
    return place.text() + " holds images, not indexes: " + from.text + " is an index of " + std::to_string(images) +
           " platforms";
}

const OpenedPlace& only(const std::vector<OpenedPlace>& from, const PlaceName& place) {
    if (from.size() != 1) {
        throw Error(ErrorCode::InvalidInput,
                    place.text() + " is one image: " + std::to_string(from.size()) + " cannot go there");
    }
    return from[0];
}

/// The image that an archive or an engine takes.
Image single_image(const OpenedPlace& from, const PlaceName& place, const Run& run) {
    std::vector<Image> images = in_context(from.text, [&] { return images_of(from.graph, run); });
    if (images.size() != 1) {
        throw Error(ErrorCode::InvalidInput, no_image(from, place, images.size()))
            .advise("--platform chooses one; an oci-archive: or a registry takes them all");
    }
    return std::move(images[0]);
}

std::vector<std::string> texts(const std::vector<Reference>& names) {
    std::vector<std::string> texts;
    for (const Reference& name : names) {
        texts.push_back(name.with_tag(name.effective_tag().value_or("latest")).text());
    }
    return texts;
}

/// The names that image `index` gets: those asked for, else (archives keep names) its own.
std::vector<Reference> names_for(const PlaceName& place, const OpenedPlace& from, const WriteOptions& options) {
    std::vector<Reference> names = options.names;
    if (place.reference) {
        names.insert(names.begin(), *place.reference);
    }
    return names.empty() ? from.names : names;
}

struct ArchiveContent {
    std::vector<ArchiveImage> images;
    std::vector<Image> originals;
};

ArchiveContent archive_images(const PlaceName& place, const std::vector<OpenedPlace>& from, const WriteOptions& options,
                              const PlaceAccess& access, const Run& run) {
    if (from.size() > 1 && (place.reference || !options.names.empty())) {
        throw Error(ErrorCode::InvalidInput, "one name cannot stand for " + std::to_string(from.size()) + " images");
    }
    ArchiveContent content;
    for (const OpenedPlace& each : from) {
        Image image = single_image(each, place, run);
        content.originals.push_back(image);
        if (needs_conversion(image, options.layers)) {
            image = convert_layers(image, options.layers, spool_for(place, access), run);
        }
        content.images.push_back({std::move(image), texts(names_for(place, each, options))});
    }
    return content;
}

WrittenPlace written_file(const ArchivePlan& plan, const PlaceName& place, const WriteOptions& options,
                          const PlaceAccess& access, Digest manifest, const Run& run) {
    const ArchiveWriteOptions how{
        .connections = options.connections, .checksum = options.checksum, .deep = options.deep, .task = options.task};
    const ArchiveWritten written = place.is_stream() ? write_archive(plan, output_for(place, access), how, run)
                                                     : write_archive(plan, place.path, how, run);
    return {.manifest = std::move(manifest),
            .image_id = std::nullopt,
            .bytes_sent = written.size,
            .bytes_reused = 0,
            .size = written.size,
            .sha256 = written.sha256};
}

WrittenPlace write_docker_archive(const PlaceName& place, const std::vector<OpenedPlace>& from,
                                  const WriteOptions& options, const PlaceAccess& access, const Run& run) {
    auto content = archive_images(place, from, options, access, run);
    auto plan = ArchivePlan::make(content.images, options.format);
    const Image& image = content.images[0].image;
    WrittenPlace written = written_file(plan, place, options, access, image.manifest.raw.digest, run);
    written.image_id = image.config.image_id();
    written.archive = std::make_shared<const WrittenArchive>(
        WrittenArchive{std::move(plan), std::move(content.images), std::move(content.originals)});
    return written;
}

WrittenPlace write_engine(const PlaceName& place, const std::vector<OpenedPlace>& from, const WriteOptions& options,
                          const PlaceAccess& access, const Run& run) {
    const auto images = archive_images(place, from, options, access, run).images;
    const auto plan = ArchivePlan::make(images, options.format);
    engine_for(place, access).load(images, plan, options.task, run);
    const Image& image = images[0].image;
    return {.manifest = image.manifest.raw.digest,
            .image_id = image.config.image_id(),
            .bytes_sent = plan.size(),
            .bytes_reused = 0,
            .size = plan.size(),
            .sha256 = std::nullopt};
}

/// The image's ID; nullopt for indexes and artifacts.
std::optional<Digest> image_id_of(const Graph& graph) {
    return graph.kind == ManifestKind::Image ? std::optional(graph.blobs.at(0).digest) : std::nullopt;
}

/// A name in a layout as the place says it, else the source's own in full.
std::vector<std::string> layout_names(const PlaceName& place, const OpenedPlace& from, const WriteOptions& options) {
    std::vector<std::string> names = texts(options.names);
    if (!place.which.empty()) {
        names.insert(names.begin(), place.which);
    }
    return names.empty() ? texts(from.names) : names;
}

WrittenPlace write_oci_archive(const PlaceName& place, const std::vector<OpenedPlace>& from,
                               const WriteOptions& options, const PlaceAccess& access, const Run& run) {
    std::vector<ArchivePlan::NamedGraph> graphs;
    for (const OpenedPlace& each : from) {
        graphs.push_back({each.graph, layout_names(place, each, options)});
    }
    const auto plan = ArchivePlan::make_oci(graphs);
    WrittenPlace written = written_file(plan, place, options, access, from[0].graph.root().digest, run);
    written.image_id = image_id_of(from[0].graph);
    return written;
}

WrittenPlace write_layout(const PlaceName& place, const OpenedPlace& from, const WriteOptions& options,
                          const Run& run) {
    const OciLayout layout = OciLayout::open_or_create(place.path);
    const auto written = layout.write(from.graph, layout_names(place, from, options),
                                      {.connections = options.connections, .task = options.task}, run);
    return {.manifest = from.graph.root().digest,
            .image_id = image_id_of(from.graph),
            .bytes_sent = written.bytes_written,
            .bytes_reused = written.bytes_reused,
            .size = 0,
            .sha256 = std::nullopt};
}

WrittenPlace write_registry(const PlaceName& place, const OpenedPlace& from, const WriteOptions& options,
                            const PlaceAccess& access, const Run& run) {
    PushOptions push;
    push.connections = options.connections;
    push.task = options.task;
    push.sessions = access.upload_sessions;
    for (const Reference& repository : from.repositories) {
        if (repository.domain() == place.reference->domain() && repository.path() != place.reference->path()) {
            push.mount_from.push_back(repository);
        }
    }
    for (const Reference& name : options.names) {
        if (name.repository() != place.reference->repository()) {
            throw Error(ErrorCode::InvalidInput, name.text() + " is another repository than " + place.text())
                .advise("copy it there separately: what both have is mounted, not sent");
        }
        push.tags.push_back(name.effective_tag().value_or("latest"));
    }
    const Pushed pushed = registry_for(place, access).push(*place.reference, from.graph, push, run);
    return {.manifest = pushed.manifest,
            .image_id = image_id_of(from.graph),
            .bytes_sent = pushed.bytes_sent,
            .bytes_reused = pushed.bytes_reused,
            .size = 0,
            .sha256 = std::nullopt};
}

/// Reads every blob that the store lacks through it, several at once.
std::uint64_t fill(const Store& store, const Graph& graph, unsigned connections, const std::string& task,
                   const Run& run) {
    std::vector<const Descriptor*> missing;
    std::uint64_t total = 0;
    for (const Descriptor& blob : graph.blobs) {
        if (!store.has(blob.digest)) {
            missing.push_back(&blob);
            total += blob.size;
        }
    }
    std::stable_sort(missing.begin(), missing.end(), [](const auto* a, const auto* b) { return a->size > b->size; });
    const auto blobs = store.through(graph.source, Store::WhenFull::Fail);
    std::atomic<std::size_t> next{0};
    std::atomic<std::uint64_t> done{0};
    run.progress->begin(task, total);
    Workers workers(run);
    for (std::size_t i = 0; i < std::min<std::size_t>(std::max(1U, connections), missing.size()); ++i) {
        workers.start([&, worker_run = workers.run()] {
            std::vector<std::byte> buffer(kStreamStep);
            for (std::size_t index = next++; index < missing.size(); index = next++) {
                const auto source = blobs->open(*missing[index], 0, worker_run);
                while (const std::size_t count = source->read(buffer)) {
                    worker_run.check();
                    worker_run.progress->advance(task, done += count);
                }
            }
        });
    }
    workers.join();
    run.progress->end(task);
    return total;
}

WrittenPlace write_store(const PlaceName& place, const OpenedPlace& from, const WriteOptions& options,
                         const PlaceAccess& access, const Run& run) {
    const Store& store = store_for(place, access);
    const std::uint64_t bytes = fill(store, from.graph, options.connections, options.task, run);
    for (const std::string& name : texts(names_for(place, from, options))) {
        store.name(from.graph, name, run);
    }
    std::uint64_t all = 0;
    for (const Descriptor& blob : from.graph.blobs) {
        all += blob.size;
    }
    return {.manifest = from.graph.root().digest,
            .image_id = image_id_of(from.graph),
            .bytes_sent = bytes,
            .bytes_reused = all - bytes,
            .size = 0,
            .sha256 = std::nullopt};
}

}  // namespace

WrittenPlace write_place(const PlaceName& place, const std::vector<OpenedPlace>& from, const WriteOptions& options,
                         const PlaceAccess& access, const Run& run) {
    if (from.empty()) {
        throw Error(ErrorCode::InvalidInput, "there is no image to write to " + place.text());
    }
    return in_context(place.path.empty() && !place.reference ? "loading" : "writing " + place.text(), [&] {
        switch (place.kind) {
            case Kind::DockerArchive:
                return write_docker_archive(place, from, options, access, run);
            case Kind::OciArchive:
                return write_oci_archive(place, from, options, access, run);
            case Kind::DockerDaemon:
                return write_engine(place, from, options, access, run);
            case Kind::OciLayout:
                return write_layout(place, only(from, place), options, run);
            case Kind::Registry:
                return write_registry(place, only(from, place), options, access, run);
            case Kind::Store:
                return write_store(place, only(from, place), options, access, run);
        }
        throw std::logic_error("a place of no kind");
    });
}

}  // namespace cooper::oci
