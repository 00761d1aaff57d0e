#include "lock_flag.hpp"

#include "cooper/base/files.hpp"
#include "cooper/build/build_record.hpp"
#include "cooper/build/layer.hpp"

namespace cooper::cli {

void LockFlag::declare(CommandLine& line) {
    line.value("--lock", "FILE", "write the tarball's lock, for cooper reproduce and verify", file);
}

void LockFlag::check(const std::string& tarball) const {
    if (!given()) {
        return;
    }
    if (tarball == "-") {
        throw UsageError("--lock: a lock speaks of a file, not of a stream", "-o FILE");
    }
    std::error_code absent;
    if (file == tarball || std::filesystem::equivalent(file, tarball, absent)) {
        throw UsageError("--lock: " + file + " is the tarball itself", "--lock " + tarball + ".lock.json");
    }
}

void LockFlag::write(const delivery::LockInput& input) const {
    write_file(file, delivery::lock_to_json(delivery::make_lock(input)));
}

delivery::LockOrigin lock_origin(const oci::PlaceName& place, const Digest& manifest, const oci::Store* store) {
    delivery::LockOrigin origin;
    if (place.kind == oci::PlaceName::Kind::Registry) {
        origin.given = place.text();
        origin.pinned = place.reference->repository() + "@" + manifest.text();
    } else if (place.kind == oci::PlaceName::Kind::DockerDaemon) {
        origin.given = place.text();
    }
    if (store != nullptr) {
        origin.build = build::find_record(store->path(), manifest);
    }
    return origin;
}

std::filesystem::path layer_memory_directory(const oci::Store& store) {
    return store.path() / "memory";
}

delivery::LayerMakers remembered_makers(const std::vector<oci::Image>& images, const oci::Store* store) {
    delivery::LayerMakers makers;
    if (store == nullptr) {
        return makers;
    }
    for (const oci::Image& image : images) {
        for (const oci::Descriptor& layer : image.manifest.layers) {
            std::string compressor = build::find_compressor(layer_memory_directory(*store), layer.digest);
            if (!compressor.empty()) {
                makers.insert_or_assign(layer.digest, delivery::LayerMaker{std::move(compressor), std::nullopt});
            }
        }
    }
    return makers;
}

}  // namespace cooper::cli
