#include "cooper/oci/docker_archive.hpp"

#include "cooper/base/tar.hpp"

#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::oci;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
using cooper::testing::random_bytes;

namespace {

std::string all_of(const ArchivePlan& plan) {
    const auto source = plan.open();
    return read_all(*source, 1 << 28, "archive");
}

struct Member {
    TarEntry entry;
    std::string content;
};

std::vector<Member> members_of(const std::string& archive) {
    MemorySource source{std::string_view(archive)};
    TarReader reader(source);
    std::vector<Member> members;
    while (auto entry = reader.next()) {
        members.push_back({*entry, read_all(reader.content(), 1 << 28, "member")});
    }
    return members;
}

std::string content_of(const std::vector<Member>& members, const std::string& path) {
    for (const Member& member : members) {
        if (member.entry.path == path) {
            return member.content;
        }
    }
    FAIL("no member " << path);
    return {};
}

}  // namespace

TEST_CASE("archive plan: members in the documented order, each distinct blob once", "[unit][oci]") {
    const std::string shared = random_bytes(5000, 1);
    const Image first = memory_image({{LayerSpec::Form::Gzip, shared}, {LayerSpec::Form::Plain, random_bytes(512, 2)}});
    const Image second = memory_image({{LayerSpec::Form::Gzip, shared}, {LayerSpec::Form::Gzip, random_bytes(100, 3)}});
    const auto plan =
        ArchivePlan::make({{first, {"b:2", "docker.io/library/a:1"}}, {second, {"ghcr.io/acme/x:latest"}}});
    const std::string archive = all_of(plan);
    REQUIRE(archive.size() == plan.size());
    REQUIRE(archive.size() % kTarBlock == 0);

    const std::vector<Member> members = members_of(archive);
    std::vector<std::string> paths;
    for (const Member& member : members) {
        CHECK(member.entry.mode == 0644);
        CHECK(member.entry.mtime == 0);
        paths.push_back(member.entry.path);
    }
    const auto blob = [](const Digest& digest) { return "blobs/sha256/" + std::string(digest.hex()); };
    CHECK(paths ==
          std::vector<std::string>{"oci-layout", "index.json", "manifest.json", blob(first.manifest.raw.digest),
                                   blob(second.manifest.raw.digest), blob(first.manifest.config.digest),
                                   blob(second.manifest.config.digest), blob(first.manifest.layers[0].digest),
                                   blob(first.manifest.layers[1].digest), blob(second.manifest.layers[1].digest)});
    CHECK(content_of(members, "oci-layout") == R"({"imageLayoutVersion":"1.0.0"})");
    CHECK(content_of(members, "manifest.json") ==
          R"([{"Config":")" + blob(first.manifest.config.digest) +
              R"(","RepoTags":["docker.io/library/a:1","docker.io/library/b:2"],"Layers":[")" +
              blob(first.manifest.layers[0].digest) + R"(",")" + blob(first.manifest.layers[1].digest) +
              R"("]},{"Config":")" + blob(second.manifest.config.digest) +
              R"(","RepoTags":["ghcr.io/acme/x:latest"],"Layers":[")" + blob(second.manifest.layers[0].digest) +
              R"(",")" + blob(second.manifest.layers[1].digest) + R"("]}])");
    CHECK(
        content_of(members, "index.json")
            .find(
                R"("annotations":{"io.containerd.image.name":"docker.io/library/a:1","org.opencontainers.image.ref.name":"1"}})") !=
        std::string::npos);
    for (const Member& member : members) {
        if (member.entry.path.starts_with("blobs/sha256/")) {
            CHECK(member.entry.path.substr(13) == sha256(member.content).hex());
        }
    }
}

TEST_CASE("archive plan: an untagged image has null RepoTags and one index entry without annotations", "[unit][oci]") {
    const Image image = memory_image({{LayerSpec::Form::Gzip, "x"}});
    const std::vector<Member> members = members_of(all_of(ArchivePlan::make({{image, {}}})));
    CHECK(content_of(members, "manifest.json").find(R"("RepoTags":null)") != std::string::npos);
    CHECK(content_of(members, "index.json").find("annotations") == std::string::npos);
}

TEST_CASE("archive plan: the docker format has no OCI members", "[unit][oci]") {
    const Image image = memory_image({{LayerSpec::Form::Gzip, "x"}});
    const std::vector<Member> members =
        members_of(all_of(ArchivePlan::make({{image, {"a:1"}}}, ArchiveFormat::Docker)));
    REQUIRE(members.size() == 3);
    CHECK(members[0].entry.path == "manifest.json");
}

TEST_CASE("archive plan: any range equals the same range of the whole", "[unit][oci]") {
    const Image image = memory_image({{LayerSpec::Form::Plain, random_bytes(1500, 4)},
                                      {LayerSpec::Form::Plain, ""},
                                      {LayerSpec::Form::Plain, random_bytes(700, 5)}});
    const auto plan = ArchivePlan::make({{image, {"a:1"}}});
    const std::string whole = all_of(plan);
    for (std::uint64_t offset = 0; offset <= plan.size(); offset += 97) {
        for (const std::uint64_t length :
             {std::uint64_t{0}, std::uint64_t{1}, std::uint64_t{513}, plan.size() - offset}) {
            if (offset + length <= plan.size()) {
                const auto source = plan.open(offset, length);
                REQUIRE(read_all(*source, 1 << 20, "range") == whole.substr(offset, length));
            }
        }
    }
    CHECK_THROWS_AS(plan.open(1, plan.size()), Error);
}

TEST_CASE("archive plan: what it refuses", "[unit][oci]") {
    const Image one = memory_image({{LayerSpec::Form::Gzip, "1"}});
    const Image two = memory_image({{LayerSpec::Form::Gzip, "2"}});
    const Image zstd = memory_image({{LayerSpec::Form::Zstd, "3"}});
    CHECK_THROWS_WITH(ArchivePlan::make({}), Catch::Contains("at least one image"));
    CHECK_THROWS_WITH(ArchivePlan::make({{one, {"a:1"}}, {two, {"docker.io/library/a:1"}}}),
                      Catch::Contains("two images of one archive claim the name docker.io/library/a:1"));
    CHECK_THROWS_WITH(ArchivePlan::make({{one, {"a"}}}), Catch::Contains("must be NAME:TAG"));
    CHECK_THROWS_WITH(ArchivePlan::make({{zstd, {"a:1"}}}), Catch::Contains("must be converted"));
}

TEST_CASE("archive plan: identity follows content and names, not the way the plan was asked for", "[unit][oci]") {
    const Image image = memory_image({{LayerSpec::Form::Gzip, "x"}});
    const auto plan = ArchivePlan::make({{image, {"a:1", "b:1"}}});
    CHECK(plan.identity() == ArchivePlan::make({{image, {"b:1"}}, {image, {"a:1"}}}).identity());
    CHECK(plan.identity() != ArchivePlan::make({{image, {"a:1"}}}).identity());
    CHECK(plan.identity() != ArchivePlan::make({{image, {"a:1", "b:1"}}}, ArchiveFormat::Docker).identity());
}

TEST_CASE("archive plan: format version 1 to the byte", "[unit][oci][golden]") {
    const Image image =
        memory_image({{LayerSpec::Form::Plain, std::string(1024, '\0')}, {LayerSpec::Form::Plain, "layer"}});
    const auto plan = ArchivePlan::make({{image, {"docker.io/library/golden:1"}}});
    // A customer's tarball must come out the same for ever: when this fails, raise kArchiveFormatVersion or undo the
    // change.
    CHECK(sha256(all_of(plan)).text() == "sha256:2b37666055d0a254894aa0afa2e94f3e01845e4bb5b0ae7260578d366b3cc393");
    CHECK(kArchiveFormatVersion == 1);
}
