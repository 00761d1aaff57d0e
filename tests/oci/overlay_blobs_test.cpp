#include "cooper/oci/overlay_blobs.hpp"

#include "cooper/base/files.hpp"

#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::oci;
using cooper::testing::MemoryBlobs;
using cooper::testing::random_bytes;

namespace {

std::string text_of(const Blobs& blobs, const Descriptor& blob, std::uint64_t offset = 0) {
    const auto source = blobs.open(blob, offset, {});
    return read_all(*source, 1 << 20, "blob");
}

}  // namespace

TEST_CASE("kept blobs: what was read whole is not asked for again", "[unit][oci]") {
    const auto memory = std::make_shared<MemoryBlobs>();
    memory->step = 700;
    const std::string content = random_bytes(5000, 1);
    const Descriptor blob = memory->add(content, media_type::kOciLayer);
    const TempDirectory directory;
    const auto kept = kept_blobs(memory, directory.path());

    CHECK(text_of(*kept, blob, 10) == content.substr(10));  // not from the start: not kept
    CHECK(std::filesystem::is_empty(directory.path()));
    {
        const auto source = kept->open(blob, 0, {});  // dropped half-way: not kept
        std::vector<std::byte> some(1000);
        CHECK(source->read(some) > 0);
    }
    CHECK(std::filesystem::is_empty(directory.path()));
    CHECK(text_of(*kept, blob) == content);
    const int opened = memory->opened();
    CHECK(text_of(*kept, blob) == content);
    CHECK(text_of(*kept, blob, 4999) == content.substr(4999));
    CHECK(memory->opened() == opened);
}

TEST_CASE("kept blobs: a blob longer or shorter than it says is passed on and not kept", "[unit][oci]") {
    const auto memory = std::make_shared<MemoryBlobs>();
    const Descriptor blob = memory->add(random_bytes(5000, 1), media_type::kOciLayer);
    const TempDirectory directory;
    const auto kept = kept_blobs(memory, directory.path());
    for (const std::size_t size : {4999U, 5001U}) {
        memory->replace(blob.digest, random_bytes(size, 2));
        CHECK(text_of(*kept, blob).size() == size);
        CHECK(std::filesystem::is_empty(directory.path()));
    }
}

TEST_CASE("overlay blobs: files first, then the base, then nothing", "[unit][oci]") {
    const auto memory = std::make_shared<MemoryBlobs>();
    const Descriptor in_base = memory->add("base", media_type::kOciLayer);
    const Descriptor in_file{std::string(media_type::kOciLayer), sha256("file"), 4, {}, {}, {}, {}};
    const TempDirectory directory;
    write_file(directory.path() / "f", "file");
    const auto blobs = overlay_blobs({{in_file.digest, directory.path() / "f"}}, memory);
    CHECK(text_of(*blobs, in_file) == "file");
    CHECK(text_of(*blobs, in_base) == "base");
    CHECK_THROWS_WITH(overlay_blobs({}, nullptr)->open(in_base, 0, {}), Catch::Contains(in_base.digest.text()));
    write_file(directory.path() / "f", "longer");
    CHECK_THROWS_AS(blobs->open(in_file, 0, {}), IntegrityError);
}
