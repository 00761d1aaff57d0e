// The first version of locks and archives, whose bytes must stay what they are (golden/delivery/lock-v1/README.md).
#include "cooper/base/files.hpp"
#include "cooper/delivery/lock.hpp"
#include "cooper/oci/archive_reader.hpp"
#include "cooper/oci/archive_writer.hpp"

#include "delivery/delivery_support.hpp"

#include <catch2/catch.hpp>

#include <filesystem>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::golden_file;

namespace fs = std::filesystem;

TEST_CASE("golden lock: the first version is read, and its tarball made again to the byte", "[unit][delivery]") {
    for (const std::string name : {"golden_1", "base_1"}) {
        INFO(name);
        const fs::path directory = golden_file("lock-v1");
        const fs::path tarball = directory / (name + ".tar");
        const std::string text = read_file(directory / (name + ".tar.lock.json"), kMaxLock);
        const Lock lock = lock_from_json(text, name);
        CHECK(lock_to_json(lock) == text);
        CHECK(lock.output.name == name + ".tar");

        const TempDirectory temporary;
        const auto archive = oci::ArchiveFile::open(tarball, temporary.path(), Run{});
        const fs::path again = temporary.path() / "again.tar";
        oci::ArchiveWriteOptions options;
        options.checksum = true;
        options.deep = true;
        const auto written = oci::write_archive(plan_of(lock, archive.blobs()), again, options, Run{});
        CHECK(written.sha256 == lock.output.sha256);
        CHECK(read_file(again, 1 << 20) == read_file(tarball, 1 << 20));
    }
}

TEST_CASE("golden lock: what it says of layers, sources and names", "[unit][delivery]") {
    const Lock lock = read_lock(golden_file("lock-v1/golden_1.tar.lock.json"));
    REQUIRE(lock.images.size() == 1);
    CHECK(lock.images[0].repo_tags == std::vector<std::string>{"docker.io/library/golden:1"});
    CHECK(lock.source.commit == std::string(40, 'a'));
    CHECK(lock.source.branch == "main");
    CHECK(lock.source.repository == "https://github.com/acme/golden");
    REQUIRE(lock.layers.size() == 2);
    CHECK_FALSE(lock.layers[0].compressor.empty());
    CHECK_FALSE(lock.layers[0].made_from);
    CHECK(lock.layers[1].made_from);
    CHECK(lock.owner_of(lock.layers[1].blob.digest) == "docker.io/library/golden:1, layer 2 of 2");
}
