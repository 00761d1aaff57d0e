#include "cooper/oci/archive_reader.hpp"

#include "cooper/oci/docker_archive.hpp"
#include "cooper/oci/layout.hpp"

#include "oci/archive_support.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <fstream>
#include <set>
#include <thread>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

std::string all_of(const Ranged& ranged) {
    return read_all(*ranged.open(), 1 << 28, "archive");
}

/// Two images of crane's kind that share a layer, and one without a name.
std::string three_images(const SampleImage& first, const SampleImage& second) {
    const std::string layers = R"(","Layers":["a.tar","b.tar","a.tar"]})";
    const std::string other = R"(","Layers":["c.tar","d.tar","c.tar"]})";
    const std::string bare = config_of({});
    return tar_of(
        {tar_file("manifest.json", R"([{"RepoTags":["acme/app:1","ghcr.io/acme/app:2"],"Config":"one.json)" + layers +
                                       R"(,{"RepoTags":["<none>:<none>","acme/other"],"Config":"two.json)" + other +
                                       R"(,{"RepoTags":null,"Config":"three.json","Layers":null}])"),
         tar_file("one.json", first.config), tar_file("two.json", second.config), tar_file("three.json", bare),
         tar_file("a.tar", first.tars[0]), tar_file("b.tar", first.tars[1]), tar_file("c.tar", second.tars[0]),
         tar_file("d.tar", second.tars[1])});
}

}  // namespace

TEST_CASE("archive file: the same image comes out of every writer's archive", "[unit][oci]") {
    const SampleImage sample = sample_image();
    const ArchiveBench bench;
    std::set<std::string> made_of_plain_layers;
    for (const ArchiveFlavour& flavour : archive_flavours(sample)) {
        INFO(flavour.name);
        const ArchiveFile archive = bench.open(flavour.members);
        REQUIRE(archive.images().size() == 1);
        CHECK(archive.images()[0].repo_tags == std::vector<std::string>{"acme/app:1"});
        CHECK(archive.images()[0].image_id == sha256(sample.config));
        const Image image = archive.image(archive.find(Reference::parse("acme/app:1"), {}), Run{});
        check_is_sample(image, sample);
        if (!flavour.manifest.empty()) {
            CHECK(image.manifest.raw.bytes == flavour.manifest);
        } else if (image.manifest.layers[0].media_type == media_type::kOciLayer) {
            made_of_plain_layers.insert(image.manifest.raw.bytes);
        }
        CHECK(archive.oci_index().has_value() == !flavour.manifest.empty());
    }
    CHECK(made_of_plain_layers.size() == 1);  // whoever wrote it, the manifest made for it is the same
}

TEST_CASE("archive file: compressed as a whole, or from a stream, it is spooled", "[unit][oci]") {
    const SampleImage sample = sample_image();
    const std::string plain = tar_of(archive_flavours(sample)[0].members);
    for (const std::string& bytes : {gzip_text(plain), zstd_text(plain), plain}) {
        const ArchiveBench bench;
        check_is_sample(bench.open(bytes).image(0, Run{}), sample);
        MemorySource stream{std::string_view(bytes)};
        check_is_sample(ArchiveFile::read(stream, "standard input", bench.directory(), Run{}).image(0, Run{}), sample);
        std::size_t left = 0;
        for (const auto& entry : std::filesystem::directory_iterator(bench.directory())) {
            left += entry.path().filename() != "archive.tar" ? 1U : 0U;
        }
        CHECK(left == 0);  // the spool has no name, so nothing can stay behind
    }
}

TEST_CASE("archive file: a pipe is read like a stream", "[unit][oci]") {
    const SampleImage sample = sample_image();
    const std::string bytes = tar_of(archive_flavours(sample)[4].members);
    const ArchiveBench bench;
    const auto pipe = bench.directory() / "pipe";
    REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
    std::thread writer([&] { std::ofstream(pipe, std::ios::binary) << bytes; });
    const auto read = [&] { return ArchiveFile::open(pipe, bench.directory(), Run{}); };
    check_is_sample(read().image(0, Run{}), sample);
    writer.join();
}

TEST_CASE("archive file: it may be renamed or removed while it is open", "[unit][oci]") {
    const SampleImage sample = sample_image();
    const ArchiveBench bench;
    const ArchiveFile archive = bench.open(archive_flavours(sample)[5].members);
    std::filesystem::remove(bench.directory() / "archive.tar");
    check_is_sample(archive.image(0, Run{}), sample);
}

TEST_CASE("archive file: images are chosen by name and by position", "[unit][oci]") {
    const SampleImage first = sample_image(1);
    const SampleImage second = sample_image(2);
    const ArchiveBench bench;
    const ArchiveFile archive = bench.open(three_images(first, second));
    const auto find = [&](const char* name) { return archive.find(Reference::parse(name), {}); };
    CHECK(find("acme/app:1") == 0);
    CHECK(find("docker.io/acme/app:1") == 0);
    CHECK(find("ghcr.io/acme/app:2") == 0);
    CHECK(archive.find(std::nullopt, "@0") == 0);
    CHECK(archive.find(std::nullopt, "@2") == 2);
    check_is_sample(archive.image(0, Run{}), first);
    check_is_sample(archive.image(1, Run{}), second);
    CHECK(archive.image(2, Run{}).manifest.layers.empty());
    CHECK(archive.images()[2].repo_tags.empty());

    const std::string present = "(@0 acme/app:1 ghcr.io/acme/app:2, @1 <none>:<none> acme/other, @2 (no name))";
    const std::vector<std::pair<std::function<void()>, std::string>> refused = {
        {[&] { return find("acme/app:3"); }, "not-found: .*no image acme/app:3 "},
        {[&] { return find("acme/other"); }, "not-found: "},  // a name without a tag is no name for a loader
        {[&] { return archive.find(std::nullopt, "@3"); }, "not-found: .*no image @3 "},
        {[&] { return archive.find(std::nullopt, {}); }, "invalid-input: .*holds 3 images "},
    };
    for (const auto& [body, expected] : refused) {
        const std::string said = failure_of(body);
        INFO(said);
        CHECK_THAT(said, Catch::Matches(expected + ".*"));
        CHECK_THAT(said, Catch::Contains(present));
    }
    CHECK_THAT(failure_of([&] { return archive.find(std::nullopt, "@x"); }), Catch::Contains("@0 is the first one"));
}

TEST_CASE("archive file: a layer is hashed once, however many images have it", "[unit][oci]") {
    const SampleImage sample = sample_image();
    const ArchiveBench bench;
    const ArchiveFile archive = bench.open(archive_flavours(sample)[4].members);
    const Image image = archive.image(0, Run{});
    // Were the layer read again, it would not be what the config says.
    std::fstream file(bench.directory() / "archive.tar", std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(2 * kTarBlock);
    file << "changed";
    file.close();
    CHECK(archive.image(0, Run{}).manifest.raw.bytes == image.manifest.raw.bytes);
    CHECK_THAT(failure_of([&] { return content_of(*image.blobs, image.manifest.layers[0]); }),
               Catch::StartsWith("integrity: "));
    CHECK_THAT(
        failure_of([&] { return ArchiveFile::open(bench.directory() / "archive.tar", {}, Run{}).image(0, Run{}); }),
        Catch::Contains("diff ID of layer 1"));
}

TEST_CASE("archive file: what cooper writes comes back with its manifest", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const Image image = memory_image({{LayerSpec::Form::Gzip, tar_of({tar_file("a", "a")})},
                                      {LayerSpec::Form::Plain, std::string(1024, '\0')},
                                      {LayerSpec::Form::Plain, ""}},
                                     &blobs);
    const ArchiveBench bench;
    for (const ArchiveFormat format : {ArchiveFormat::Hybrid, ArchiveFormat::Docker}) {
        const ArchiveFile archive = bench.open(all_of(ArchivePlan::make({{image, {"acme/app:1"}}}, format)));
        const Image back = archive.image(0, Run{});
        CHECK(back.config.raw == image.config.raw);
        CHECK(back.manifest.layers == image.manifest.layers);
        if (format == ArchiveFormat::Hybrid) {
            CHECK(back.manifest.raw.bytes == image.manifest.raw.bytes);
            const Graph graph = archive.graph("acme/app:1", Run{});
            CHECK(graph.root().bytes == image.manifest.raw.bytes);
            CHECK(content_of(*graph.source, graph.blobs.at(1)) == content_of(*blobs, image.manifest.layers[0]));
        } else {
            CHECK_THAT(failure_of([&] { return archive.graph("", Run{}); }), Catch::Contains("no OCI layout"));
        }
    }
}

TEST_CASE("archive file: an OCI layout in a tar has graphs and no listed images", "[unit][oci]") {
    const SampleImage sample = sample_image();
    auto members = archive_flavours(sample)[2].members;  // a trimmed index
    members.erase(std::remove_if(members.begin(), members.end(),
                                 [](const TarMember& member) { return member.entry.path == "manifest.json"; }),
                  members.end());
    const ArchiveBench bench;
    const ArchiveFile archive = bench.open(members);
    CHECK(archive.images().empty());
    CHECK_THAT(failure_of([&] { return archive.find(std::nullopt, {}); }), Catch::Contains("oci-archive:FILE"));
    CHECK_THAT(failure_of([&] { return archive.graph("", Run{}); }), Catch::StartsWith("not-found: "));
    // The platform that is there, by its digest, which only the index below tells.
    const std::string manifest = archive_flavours(sample)[2].manifest;
    const Graph graph = archive.graph("@" + sha256(manifest).text(), Run{});
    CHECK(graph.root().bytes == manifest);
    CHECK(content_of(*graph.source, graph.blobs.at(0)) == sample.config);
    CHECK_THAT(failure_of([&] { return archive.graph(sha256("other").text(), Run{}); }),
               Catch::StartsWith("not-found: "));
}

TEST_CASE("archive file: a stop request ends the reading", "[unit][oci]") {
    const ArchiveBench bench;
    const auto path = bench.write(tar_of(archive_flavours(sample_image())[0].members));
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(ArchiveFile::open(path, bench.directory(), Run{stop.get_token()}), Cancelled);
}
