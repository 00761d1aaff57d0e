#include "cooper/delivery/reproduce.hpp"

#include "cooper/base/files.hpp"
#include "cooper/delivery/kit.hpp"
#include "cooper/delivery/verify.hpp"
#include "cooper/oci/archive_reader.hpp"
#include "cooper/oci/convert.hpp"

#include "delivery/lock_support.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::delivery;
using namespace cooper::testing;
namespace fs = std::filesystem;

namespace {

struct Scene {
    TempDirectory directory;
    fs::path tarball = file("app_1.tar");
    fs::path kit = file("kit.tar");
    LockedTarball made = locked_tarball(tarball);
    const Lock& lock = made.lock;

    [[nodiscard]] fs::path file(const std::string& name) const { return directory.path() / name; }

    std::string reproduce_from(const std::vector<fs::path>& places) const {
        BlobPile pile(directory.path());
        for (const fs::path& place : places) {
            pile.add_place(place.string(), Run{});
        }
        reproduce(lock, pile, file("again.tar"), {.task = {}}, Run{});
        return read_whole(file("again.tar"));
    }

    void export_kit(const std::string& signature = "") const {
        BlobPile pile(directory.path());
        pile.add_place(tarball.string(), Run{});
        write_kit({{lock, signature}}, pile, kit, {.task = {}}, Run{});
    }

    void write_lock() const { write_file(file("lock"), made.text); }
    [[nodiscard]] Verification verify(Grade grade = Grade::Bytes) const {
        return verify_tarball(
            tarball, file("lock"),
            {.grade = grade, .checksums = {}, .public_key = {}, .spool = directory.path(), .task = {}}, Run{});
    }
};

/// Where the blob lies in the archive.
std::uint64_t offset_of(const Scene& scene, const Digest& blob, const fs::path& archive) {
    const std::string text = read_whole(archive);
    const auto bytes =
        read_all(*oci::ArchiveFile::open(scene.tarball, {}, Run{}).blobs()->open(scene.lock.find(blob)->blob, 0, Run{}),
                 1 << 20, "blob");
    const std::size_t at = text.find(bytes);
    REQUIRE(at != std::string::npos);
    return at;
}

void flip(const fs::path& path, std::uint64_t offset) {
    std::string text = read_whole(path);
    text[offset] = static_cast<char>(text[offset] ^ 1);
    write_file(path, text);
}

/// A docker-archive as tools without digests in their names write it, of these plain layers.
void write_old_archive(const fs::path& path, const oci::Image& image) {
    const auto plan = oci::ArchivePlan::make({{image, {"docker.io/acme/old:1"}}}, oci::ArchiveFormat::Docker);
    oci::write_archive(plan, path, {.task = {}}, Run{});
}

}  // namespace

TEST_CASE("reproduce: from the tarball itself, a kit, and a kit's layout the same bytes come out", "[unit][delivery]") {
    const Scene scene;
    scene.export_kit();
    CHECK(scene.reproduce_from({scene.tarball}) == read_whole(scene.tarball));
    CHECK(scene.reproduce_from({"oci-archive:" + scene.kit.string()}) == read_whole(scene.tarball));
}

TEST_CASE("kit: the same locks give the same bytes, and each blob is there once", "[unit][delivery]") {
    const Scene scene;
    scene.export_kit("signature");
    const std::string first = read_whole(scene.kit);
    scene.export_kit("signature");
    CHECK(read_whole(scene.kit) == first);
    const auto archive = oci::ArchiveFile::open(scene.kit, {}, Run{});
    CHECK(archive.members_below("blobs/").size() == 3 + 2 + 2);
    CHECK(archive.members_below("locks/") ==
          std::vector<std::string>{"locks/app_1.tar.lock.json", "locks/app_1.tar.lock.json.sig"});
    CHECK(archive.graph("docker.io/acme/app:1", Run{}).root().digest == scene.lock.images[0].manifest.digest);
    BlobPile pile(scene.directory.path());
    pile.add_place(scene.kit.string(), Run{});
    REQUIRE(pile.locks().size() == 1);
    CHECK(pile.locks()[0].name == "app_1.tar");
    CHECK(pile.locks()[0].text == scene.made.text);
}

TEST_CASE("kit: two locks of one tarball's name cannot go into one", "[unit][delivery]") {
    const Scene scene;
    BlobPile pile(scene.directory.path());
    pile.add_place(scene.tarball.string(), Run{});
    CHECK(refusal_of([&] {
              write_kit({{scene.lock, ""}, {scene.lock, ""}}, pile, scene.kit, {.task = {}}, Run{});
              return 0;
          }).find("app_1.tar") != std::string::npos);
    CHECK(!fs::exists(scene.kit));
}

TEST_CASE("reproduce: every blob that is missing is named with image, layer and base", "[unit][delivery]") {
    const Scene scene;
    const std::string refused = refusal_of([&] { return scene.reproduce_from({}); });
    CHECK(refused.find("3 of the 3 layers of app_1.tar are nowhere") != std::string::npos);
    for (const LockedLayer& layer : scene.lock.layers) {
        CHECK(refused.find(layer.blob.digest.text()) != std::string::npos);
    }
    CHECK(refused.find("layer 1 of 3, of its base docker.io/library/debian:12") != std::string::npos);
    CHECK(!fs::exists(scene.file("again.tar")));
}

TEST_CASE("reproduce: a damaged blob is read from the next place, or named", "[unit][delivery]") {
    const Scene scene;
    scene.export_kit();
    for (const LockedLayer& layer : scene.lock.layers) {
        flip(scene.kit, offset_of(scene, layer.blob.digest, scene.kit) + 100);
    }
    const std::string refused = refusal_of([&] { return scene.reproduce_from({scene.kit}); });
    CHECK(refused.find("kit.tar") != std::string::npos);
    CHECK(refused.find("docker.io/acme/app:1, layer") != std::string::npos);
    CHECK(!fs::exists(scene.file("again.tar")));
    CHECK(scene.reproduce_from({scene.kit, scene.tarball}) == read_whole(scene.tarball));
}

TEST_CASE("reproduce: a layer is compressed again from its tar while the compressor is the same", "[unit][delivery]") {
    using Form = LayerSpec::Form;
    Scene scene;
    const fs::path old = scene.file("old.tar");
    write_old_archive(old, memory_image({{Form::Plain, top_layer_tar()}}));
    const fs::path rest = scene.file("rest.tar");
    write_old_archive(rest, scene.made.images[1].image);  // the shared layer
    const fs::path plain = scene.file("plain.tar");
    write_old_archive(plain, memory_image({{Form::Gzip, random_bytes(2000, 2)}}));  // a plain layer, compressed there

    CHECK(scene.reproduce_from({old, rest, plain}) == read_whole(scene.tarball));

    scene.made.lock.layers[2].compressor = "isal-9.9.9/level1/1MiB/sha256:0";
    const std::string refused = refusal_of([&] { return scene.reproduce_from({old, rest, plain}); });
    CHECK(refused.find("can be verified to its diff ID") != std::string::npos);
    CHECK(refused.find("it was compressed by isal-9.9.9") != std::string::npos);
    CHECK(refused.find("the compressor here is isal-") != std::string::npos);
    scene.made.lock.layers[2].compressor = "";
    CHECK(refusal_of([&] {
              return scene.reproduce_from({old, rest, plain});
          }).find("the lock does not say what compressed it") != std::string::npos);
}

TEST_CASE("reproduce: another SHA-256 than the lock's leaves no file", "[unit][delivery]") {
    Scene scene;
    scene.made.lock.output.sha256 = sha256(std::string_view("another"));
    BlobPile pile(scene.directory.path());
    pile.add_place(scene.tarball.string(), Run{});
    CHECK_THROWS_AS(reproduce(scene.lock, pile, scene.file("again.tar"), {.task = {}}, Run{}), NotReproducible);
    CHECK(!fs::exists(scene.file("again.tar")));
}

TEST_CASE("verify: the tarball itself reaches every grade", "[unit][delivery]") {
    const Scene scene;
    scene.write_lock();
    const Verification all = scene.verify();
    CHECK(all.good);
    CHECK(all.reached == Grade::Bytes);
    const Verification record = scene.verify(Grade::Record);
    CHECK(record.good);
    CHECK(!record.grades[1].checked);
}

TEST_CASE("verify: the same image in another tarball reaches the grade of its blobs", "[unit][delivery]") {
    const Scene scene;
    scene.write_lock();
    auto images = scene.made.images;
    images[0].repo_tags = {"docker.io/acme/renamed:1"};
    oci::write_archive(oci::ArchivePlan::make(images), scene.tarball, {.task = {}}, Run{});
    const Verification renamed = scene.verify();
    CHECK(!renamed.good);
    CHECK(renamed.reached == Grade::Blobs);
    CHECK(scene.verify(Grade::Blobs).good);

    oci::write_archive(
        oci::ArchivePlan::make(
            {images[0],
             {oci::convert_layers(images[1].image, oci::LayerForm::Uncompressed, scene.directory.path(), Run{}), {}}}),
        scene.tarball, {.task = {}}, Run{});
    CHECK(scene.verify().reached == Grade::Image);

    images.pop_back();
    oci::write_archive(oci::ArchivePlan::make(images), scene.tarball, {.task = {}}, Run{});
    const Verification less = scene.verify();
    CHECK(less.reached == Grade::Record);
    CHECK(less.grades[1].differences.at(0).find("acme/api:1") != std::string::npos);
}

TEST_CASE("verify: a change of one byte is found wherever it is, and named", "[unit][delivery]") {
    const Scene scene;
    scene.write_lock();
    const std::string good = read_whole(scene.tarball);
    for (std::size_t offset = 0; offset < good.size(); offset += 97) {
        std::string changed = good;
        changed[offset] = static_cast<char>(changed[offset] ^ 1);
        write_file(scene.tarball, changed);
        const Verification verification = scene.verify();
        INFO("byte " << offset << " of " << good.size());
        CHECK(!verification.good);
        CHECK(!verification.grades[3].differences.empty());
    }
    const LockedLayer& top = scene.lock.layers[2];
    std::string changed = good;
    write_file(scene.tarball, good);
    const std::uint64_t at = offset_of(scene, top.blob.digest, scene.tarball);
    flip(scene.tarball, at + 50);
    const Verification blob = scene.verify();
    CHECK(blob.reached == Grade::Record);
    CHECK(blob.grades[2].differences.at(0).find("docker.io/acme/app:1, layer 3 of 3 (blobs/sha256/" +
                                                std::string(top.blob.digest.hex()) + ", from byte " +
                                                std::to_string(at)) == 0);
    write_file(scene.tarball, good.substr(0, good.size() - 5000));
    CHECK(scene.verify().reached == Grade::Record);
    write_file(scene.tarball, changed.replace(good.find("\"RepoTags\""), 10, "\"RepoTagz\""));
    CHECK(scene.verify().grades[3].differences.at(0).starts_with("manifest.json: byte "));
}
