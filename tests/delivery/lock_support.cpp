#include "delivery/lock_support.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/files.hpp"
#include "cooper/oci/archive_writer.hpp"

#include "support/memory_image.hpp"

namespace cooper::testing {

std::string read_whole(const std::filesystem::path& path) {
    return read_file(path, std::size_t{1} << 26);
}

std::string top_layer_tar(const std::string& salt) {
    return salt + random_bytes(3000, 7) + std::string(4000, 't');
}

namespace {

/// The text through cooper's own compressor, so that it can be made again.
std::string own_gzip(const std::string& text) {
    StringSink sink(std::size_t{1} << 26);
    const auto gzip = gzip_compressing(sink);
    gzip->write(as_bytes(text));
    gzip->finish();
    return sink.text();
}

}  // namespace

LockedTarball locked_tarball(const std::filesystem::path& file, const std::string& salt) {
    using Form = LayerSpec::Form;
    const std::string top = top_layer_tar(salt);
    const LayerSpec shared{Form::Gzip, random_bytes(5000, 1)};
    std::shared_ptr<MemoryBlobs> blobs;
    oci::Image app = memory_image({shared, {Form::Plain, random_bytes(2000, 2)}, {Form::Gzip, top}}, &blobs);
    const oci::Descriptor own = blobs->add(own_gzip(top), oci::media_type::kOciLayerGzip);
    std::string manifest = app.manifest.raw.bytes;
    const oci::Descriptor& old = app.manifest.layers[2];
    manifest.replace(manifest.find(old.digest.text()), old.digest.text().size(), own.digest.text());
    const std::string old_size = "\"size\":" + std::to_string(old.size);
    manifest.replace(manifest.rfind(old_size), old_size.size(), "\"size\":" + std::to_string(own.size));
    app = with_manifest(app, manifest);
    const std::vector<oci::ArchiveImage> images = {
        {app, {"docker.io/acme/app:1"}},
        {memory_image({shared}, nullptr, R"("author":"b",)"), {"docker.io/acme/api:1"}}};
    const auto plan = oci::ArchivePlan::make(images);
    const auto written = oci::write_archive(plan, file, {.checksum = true, .task = {}}, Run{});
    delivery::Lock lock = delivery::make_lock(
        {.plan = plan,
         .images = images,
         .origins = {{"docker://acme/app:1", {}, delivery::LockedBase{"docker.io/library/debian:12", {}, 1}}, {}},
         .format = oci::ArchiveFormat::Hybrid,
         .makers = {{own.digest, {gzip_fingerprint(), {}}}},
         .source = {"https://example.test/app", "main", "abc1234", {}},
         .name = "app_1.tar",
         .sha256 = written.sha256.value(),
         .tool_version = "1.2.3"});
    std::string text = delivery::lock_to_json(lock);
    return {images, std::move(lock), std::move(text)};
}

}  // namespace cooper::testing
