#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/apply.hpp"

#include "build/layer_tar.hpp"
#include "build/tree_listing.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <fstream>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

/// A directory in which an image is unpacked to "out"; nothing else may be there afterwards.
class Place {
public:
    [[nodiscard]] std::filesystem::path out() const { return directory_.path() / "out"; }
    [[nodiscard]] std::string names() const {
        std::string all;
        for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
            all += entry.path().filename().string() + " ";
        }
        return all;
    }
    [[nodiscard]] ErrorCode refusal(const oci::Image& image, const ApplyOptions& options = {}) const {
        try {
            unpack(image, out(), options, Run());
        } catch (const Error& error) {
            return error.code();
        }
        FAIL("it was unpacked");
        return ErrorCode::System;
    }

private:
    TempDirectory directory_;
};

LayerSpec layer(const LayerTar& tar, LayerSpec::Form form = LayerSpec::Form::Gzip) {
    return {form, tar.done()};
}

oci::Image small_image() {
    return memory_image({layer(LayerTar().directory("./", 0751).file("a", "1").file("d/b", "2")),
                         layer(LayerTar().file(".wh.a", "").file("c", "3"), LayerSpec::Form::Zstd),
                         layer(LayerTar().directory("d", 0), LayerSpec::Form::Plain)});
}

}  // namespace

TEST_CASE("unpack: layers lie on each other, whatever compresses them", "[unit][build]") {
    const Place place;
    const auto applied = unpack(small_image(), place.out(), {}, Run());
    CHECK(applied.entries == 5);
    CHECK(applied.whiteouts == 1);
    CHECK(applied.bytes == 3);
    CHECK(place.names() == "out ");
    struct stat status {};
    REQUIRE(lstat((place.out() / "d").c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0);
    chmod((place.out() / "d").c_str(), 0700);
    REQUIRE(lstat(place.out().c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0751);
    CHECK(status.st_mtim.tv_sec == LayerTar::kTime);
    CHECK(read_file(place.out() / "d/b", 10) == "2");
    CHECK(read_file(place.out() / "c", 10) == "3");
    CHECK_FALSE(std::filesystem::exists(place.out() / "a"));
}

TEST_CASE("unpack: twice the same image is twice the same tree", "[unit][build]") {
    const Place first;
    const Place second;
    unpack(small_image(), first.out(), {}, Run());
    unpack(small_image(), second.out(), {}, Run());
    CHECK(tree_text(first.out()) == tree_text(second.out()));
}

TEST_CASE("unpack: sixty layers and an image without any", "[unit][build]") {
    std::vector<LayerSpec> layers;
    for (int i = 0; i < 60; ++i) {
        layers.push_back(
            layer(LayerTar().file("last", std::to_string(i)).file("f" + std::to_string(i), random_bytes(20'000, 1))));
    }
    const Place place;
    CHECK(unpack(memory_image(layers), place.out(), {}, Run()).entries == 120);
    CHECK(read_file(place.out() / "last", 10) == "59");
    const Place empty;
    unpack(memory_image({}), empty.out(), {}, Run());
    CHECK(tree_listing(empty.out()).size() == 1);
}

TEST_CASE("unpack: a layer larger than what is under way at once", "[unit][build]") {
    const std::string large = random_bytes(40 << 20, 7);
    const Place place;
    unpack(memory_image({layer(LayerTar().file("large", large), LayerSpec::Form::Plain)}), place.out(), {}, Run());
    CHECK(read_file(place.out() / "large", 50 << 20) == large);
}

TEST_CASE("unpack: nothing is visible of an image that lies", "[unit][build]") {
    const Place place;
    std::shared_ptr<MemoryBlobs> blobs;
    auto image = memory_image({layer(LayerTar().file("a")), layer(LayerTar().file("b"))}, &blobs);

    SECTION("a blob of other bytes") {
        blobs->replace(image.manifest.layers[1].digest, gzip_text(LayerTar().file("evil").done()));
        CHECK(place.refusal(image) == ErrorCode::Integrity);
    }
    SECTION("a wrong diff ID") {
        image.config.diff_ids[1] = sha256("something else");
        CHECK(place.refusal(image) == ErrorCode::Integrity);
    }
    SECTION("a layer that is no tar") {
        image = memory_image({{LayerSpec::Form::Gzip, std::string(2048, 'x')}});
        CHECK(place.refusal(image) == ErrorCode::Integrity);
    }
    SECTION("a layer that leads into a file") {
        image = memory_image({layer(LayerTar().directory("d", 0).file("d/f").file("d/f/x"))});
        CHECK(place.refusal(image) == ErrorCode::InvalidInput);
    }
    SECTION("a layer that inflates beyond the limit") {
        image = memory_image({layer(LayerTar().file("bomb", std::string(1 << 20, '\0')))});
        ApplyOptions options;
        options.max_layer_bytes = 1 << 19;
        CHECK(place.refusal(image, options) == ErrorCode::InvalidInput);
    }
    SECTION("fewer diff IDs than layers") {
        image.config.diff_ids.pop_back();
        CHECK(place.refusal(image) == ErrorCode::InvalidInput);
    }
    CHECK(place.names().empty());
}

TEST_CASE("unpack: a thousand zeros for one byte are a bomb", "[unit][build]") {
    const Place place;
    const auto image = memory_image({layer(LayerTar().file("bomb", std::string(80 << 20, '\0')))});
    try {
        unpack(image, place.out(), {}, Run());
        FAIL("it was unpacked");
    } catch (const Error& error) {
        CHECK_THAT(error.what(), Catch::Contains("layer 1 of 1") && Catch::Contains("1000"));
    }
    CHECK(place.names().empty());
}

TEST_CASE("unpack: only an absent or empty directory is filled", "[unit][build]") {
    const Place place;
    SECTION("an empty one is replaced") {
        std::filesystem::create_directory(place.out());
        unpack(small_image(), place.out() / "", {}, Run());
        CHECK(std::filesystem::exists(place.out() / "c"));
        return;
    }
    SECTION("one with something in it") {
        std::filesystem::create_directories(place.out() / "mine");
    }
    SECTION("a file") {
        std::ofstream(place.out()) << "mine";
    }
    SECTION("a link to an empty one") {
        std::filesystem::create_symlink("/var/empty", place.out());
    }
    CHECK(place.refusal(small_image()) == ErrorCode::Conflict);
    CHECK(place.names() == "out ");
}

TEST_CASE("unpack: what is filled while it works is not replaced", "[unit][build]") {
    const Place place;
    std::shared_ptr<MemoryBlobs> blobs;
    const auto image = memory_image({layer(LayerTar().file("a"))}, &blobs);
    blobs->on_read = [&](std::uint64_t) { std::filesystem::create_directories(place.out() / "mine"); };
    CHECK(place.refusal(image) == ErrorCode::Conflict);
    CHECK(place.names() == "out ");
    CHECK(std::filesystem::exists(place.out() / "mine"));
}

TEST_CASE("unpack: a stop leaves nothing", "[unit][build]") {
    const Place place;
    std::shared_ptr<MemoryBlobs> blobs;
    const auto image =
        memory_image({layer(LayerTar().file("a", random_bytes(1 << 20, 3))), layer(LayerTar().file("b"))}, &blobs);
    std::stop_source stop;
    blobs->step = 4096;
    blobs->on_read = [&](std::uint64_t count) {
        if (count == 100) {
            stop.request_stop();
        }
    };
    CHECK_THROWS_AS(unpack(image, place.out(), {}, Run{stop.get_token()}), Cancelled);
    CHECK(place.names().empty());
}

TEST_CASE("unpack: the tree is private until it is whole", "[unit][build]") {
    const Place place;
    std::shared_ptr<MemoryBlobs> blobs;
    const auto image =
        memory_image({layer(LayerTar().directory("./", 0777).file("a")), layer(LayerTar().file("b"))}, &blobs);
    int seen = 0;
    blobs->on_read = [&](std::uint64_t) {
        for (const auto& entry : std::filesystem::directory_iterator(place.out().parent_path())) {
            struct stat status {};
            REQUIRE(lstat(entry.path().c_str(), &status) == 0);
            CHECK((status.st_mode & 0777) == 0700);
            ++seen;
        }
    };
    unpack(image, place.out(), {}, Run());
    CHECK(seen > 0);
    struct stat status {};
    REQUIRE(lstat(place.out().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0777);
}

TEST_CASE("unpack: a directory that cannot be made or named", "[unit][build]") {
    const Place place;
    CHECK_THROWS_AS(unpack(small_image(), place.out() / "no/such", {}, Run()), SystemError);
    CHECK_THROWS_WITH(unpack(small_image(), "/", {}, Run()), Catch::Contains("names no directory"));
    CHECK(place.names().empty());
}
