// Archives of others: any order of members, links, compressed layers, several images, OCI layouts in a tar, tars that
// are compressed as a whole.
#include "cooper/base/files.hpp"
#include "cooper/oci/archive_reader.hpp"
#include "cooper/oci/layout.hpp"

#include "fuzz/fuzz.hpp"

using namespace cooper;

namespace {

constexpr std::size_t kImagesRead = 4;

void read_images(const oci::ArchiveFile& archive) {
    for (std::size_t i = 0; i < std::min(archive.images().size(), kImagesRead); ++i) {
        fuzz::expect_only_errors([&] {
            const oci::Image image = archive.image(i, Run());
            image.check();
            fuzz::check(image.config.image_id() == archive.images()[i].image_id, "an image is the one that was listed");
            fuzz::check(image.manifest.config.digest == image.config.image_id(), "a manifest is that of its config");
        });
    }
}

void read_graphs(const oci::ArchiveFile& archive) {
    const auto index = archive.oci_index();
    if (!index) {
        return;
    }
    fuzz::expect_only_errors([&] { static_cast<void>(archive.graph("", Run())); });
    for (std::size_t i = 0; i < std::min(index->manifests.size(), kImagesRead); ++i) {
        fuzz::expect_only_errors([&] {
            const oci::Graph graph = archive.graph("@" + index->manifests[i].digest.text(), Run());
            fuzz::check(graph.root().digest == index->manifests[i].digest, "a graph is the one that was asked for");
        });
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static const TempDirectory directory("fuzz-archive");
    const auto path = directory.path() / "image.tar";
    write_file(path, fuzz::text_of(data, size));
    fuzz::expect_only_errors([&] {
        const auto archive = oci::ArchiveFile::open(path, directory.path(), Run());
        read_images(archive);
        read_graphs(archive);
    });
    return 0;
}
