#include "cooper/oci/archive_writer.hpp"
#include "cooper/oci/docker_archive.hpp"
#include "cooper/oci/layout.hpp"

#include "oci/archive_support.hpp"

#include <catch2/catch.hpp>

#include <mutex>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

using NamedGraph = ArchivePlan::NamedGraph;

std::string all_of(const Ranged& ranged) {
    return read_all(*ranged.open(), 1 << 28, "archive");
}

/// Two platforms and an artifact below one index, zstd layers and annotations among them.
Graph whole_index(std::shared_ptr<MemoryBlobs>* kept = nullptr) {
    auto blobs = std::make_shared<MemoryBlobs>();
    std::vector<std::string> entries;
    for (const std::string architecture : {"amd64", "arm64"}) {
        const std::string layer = zstd_text("layer for " + architecture);
        const std::string config = config_of({"layer for " + architecture}, R"("x":")" + architecture + R"(",)");
        const std::string manifest = manifest_of(config, {layer, zstd_text("shared")}, media_type::kOciLayerZstd);
        for (const std::string& blob : {layer, zstd_text("shared"), config, manifest}) {
            blobs->add(blob, "");
        }
        entries.push_back(descriptor_text(media_type::kOciManifest, manifest,
                                          R"(,"platform":{"os":"linux","architecture":")" + architecture + R"("})"));
    }
    const std::string artifact = R"({"schemaVersion":2,"config":)" +
                                 descriptor_text("application/vnd.oci.empty.v1+json", "{}") +
                                 R"(,"layers":[],"annotations":{"note":"kept"}})";
    blobs->add("{}", "");
    blobs->add(artifact, "");
    entries.push_back(descriptor_text(media_type::kOciManifest, artifact));
    const std::string index = index_of(entries);
    const Run run;
    const ManifestFetcher fetch = [&](const Descriptor& entry) {
        return classify_manifest(content_of(*blobs, entry), entry.media_type);
    };
    if (kept != nullptr) {
        *kept = blobs;
    }
    return read_graph(classify_manifest(index, media_type::kOciIndex), fetch, blobs, run);
}

Graph single_image(unsigned seed) {
    return graph_of(memory_image({{LayerSpec::Form::Gzip, random_bytes(70'000, seed)}, {LayerSpec::Form::Plain, ""}}));
}

void check_same(const Graph& a, const Graph& b) {
    REQUIRE(a.manifests.size() == b.manifests.size());
    for (std::size_t i = 0; i < a.manifests.size(); ++i) {
        CHECK(a.manifests[i].bytes == b.manifests[i].bytes);
    }
    REQUIRE(a.blobs == b.blobs);
    for (const Descriptor& blob : a.blobs) {
        CHECK(content_of(*a.source, blob) == content_of(*b.source, blob));
    }
}

class Collector final : public PartConsumer {
public:
    explicit Collector(std::uint64_t size) : bytes(size, '?') {}
    void part(std::uint32_t /*number*/, std::uint64_t offset, Bytes part) override {
        const std::scoped_lock lock(mutex_);
        bytes.replace(offset, part.size(), as_text(part));
    }
    std::string bytes;

private:
    std::mutex mutex_;
};

}  // namespace

TEST_CASE("oci-archive: whole graphs come back with their exact manifests", "[unit][oci]") {
    const Graph index = whole_index();
    const Graph image = single_image(1);
    const ArchivePlan plan = ArchivePlan::make_oci({{index, {"all", "docker.io/acme/app:1"}}, {image, {}}});
    const ArchiveBench bench;
    const ArchiveFile archive = bench.open(all_of(plan));
    CHECK(archive.images().empty());
    check_same(archive.graph("all", Run{}), index);
    check_same(archive.graph("acme/app:1", Run{}), index);
    check_same(archive.graph("@2", Run{}), image);
    check_same(archive.graph(index.manifests[1].digest.text(), Run{}),
               archive.graph("@" + index.manifests[1].digest.text(), Run{}));
    const Index entries = archive.oci_index().value();
    REQUIRE(entries.manifests.size() == 3);
    CHECK(entries.manifests[0].annotations.at(std::string(kRefNameAnnotation)) == "all");
    CHECK(entries.manifests[0].annotations.size() == 1);
    CHECK(entries.manifests[1].annotations.at(std::string(kContainerdNameAnnotation)) == "docker.io/acme/app:1");
    CHECK(entries.manifests[2].annotations.empty());
    CHECK(entries.manifests[0].media_type == media_type::kOciIndex);
}

TEST_CASE("oci-archive: every writer of archives makes the plan's bytes", "[unit][oci]") {
    const ArchivePlan plan = ArchivePlan::make_oci({{whole_index(), {"all"}}, {single_image(2), {"one"}}});
    const std::string bytes = all_of(plan);
    CHECK(bytes.size() == plan.size());
    const ArchiveBench bench;
    for (const bool deep : {false, true}) {
        ArchiveWriteOptions options;
        options.deep = deep;
        options.checksum = deep;
        const auto written = write_archive(plan, bench.directory() / "out.tar", options, Run{});
        CHECK(read_file(bench.directory() / "out.tar", 1 << 28) == bytes);
        CHECK(written.sha256 == (deep ? std::optional(sha256(bytes)) : std::nullopt));
    }
    Collector collector(plan.size());
    ArchiveStreamOptions options;
    options.part_size = 10'000;
    CHECK(stream_archive(plan, collector, options, Run{}).sha256 == sha256(bytes));
    CHECK(collector.bytes == bytes);
    StringSink sink(1 << 28);
    write_archive(plan, sink, ArchiveWriteOptions{}, Run{});
    CHECK(sink.text() == bytes);
}

TEST_CASE("oci-archive: the same graphs make the same archive, names in any order", "[unit][oci]") {
    const Graph index = whole_index();
    const auto plan = ArchivePlan::make_oci({{index, {"b", "a", "b"}}});
    CHECK(all_of(plan) == all_of(ArchivePlan::make_oci({{whole_index(), {"a", "b"}}, {index, {"a"}}})));
    CHECK(plan.identity() == ArchivePlan::make_oci({{index, {"a", "b"}}}).identity());
    CHECK(plan.identity() != ArchivePlan::make_oci({{index, {"a"}}}).identity());
}

TEST_CASE("oci-archive: a blob that is not what its digest says stops the writing", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const Graph index = whole_index(&blobs);
    const Descriptor& layer = index.blobs.at(1);
    blobs->replace(layer.digest, std::string(layer.size, 'x'));
    const ArchivePlan plan = ArchivePlan::make_oci({{index, {"all"}}});
    const ArchiveBench bench;
    CHECK_THAT(
        failure_of([&] { return write_archive(plan, bench.directory() / "out.tar", ArchiveWriteOptions{}, Run{}); }),
        Catch::StartsWith("integrity: ") && Catch::Contains(layer.digest.shortened()));
    CHECK_FALSE(std::filesystem::exists(bench.directory() / "out.tar"));
}

TEST_CASE("oci-archive: what cannot be in one archive is refused", "[unit][oci]") {
    const auto refused = [](const std::vector<NamedGraph>& graphs) {
        return failure_of([&] { return static_cast<void>(ArchivePlan::make_oci(graphs)); });
    };
    CHECK_THAT(refused({}), Catch::Contains("at least one image"));
    CHECK_THAT(refused({{single_image(1), {"a"}}, {single_image(2), {"a"}}}), Catch::Contains("claim the name a"));
    CHECK_THAT(refused({{single_image(1), {"@0"}}}), Catch::Contains("cannot be a name"));
    Graph lying = single_image(1);
    lying.blobs.at(0).size = 0;
    CHECK_THAT(refused({{lying, {}}}), Catch::StartsWith("integrity: a blob of no bytes"));
    Graph other = single_image(1);
    other.blobs.at(0).size += 1;
    CHECK_THAT(refused({{single_image(1), {}}, {other, {}}}), Catch::Contains("two sizes are claimed"));
}
