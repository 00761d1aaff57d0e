#include "cooper/build/flatten.hpp"

#include "cooper/build/apply.hpp"

#include "build/edit/file_system.hpp"
#include "build/edit_support.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

using Form = LayerSpec::Form;

TarEntry hard_link(const std::string& path, const std::string& target, std::uint32_t mode = 0644) {
    TarEntry entry;
    entry.type = TarType::HardLink;
    entry.path = path;
    entry.link = target;
    entry.mode = mode;
    return entry;
}

/// The one layer of an image as a tar.
std::string tar_in(const oci::Image& image, std::size_t index = 0) {
    const auto source = decompressed_by_magic(image.blobs->open(image.manifest.layers[index], 0, {}));
    return read_all(*source, 1 << 30, "layer");
}

struct Flat {
    explicit Flat(const oci::Image& base, Compression kind = Compression::Gzip) {
        FlattenOptions options;
        options.spool = spool.path();
        options.compression.kind = kind;
        image = flatten(base, options, {});
    }
    TempDirectory spool;
    oci::Image image = scratch_image(oci::Platform::host());
};

std::vector<std::string> flat_names(const std::vector<std::vector<TarEntry>>& layers) {
    std::vector<LayerSpec> specs;
    for (const auto& layer : layers) {
        specs.push_back({Form::Gzip, tar_of(layer)});
    }
    return names_of(tar_in(Flat(memory_image(specs)).image));
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("flatten: directories first, then files in the order of the layers, parents made", "[unit][build]") {
    CHECK(flat_names(
              {{tar_file("z/deep/file"), tar_directory("b"), tar_file("b/2")}, {tar_file("b/1"), tar_file("a")}}) ==
          Names{"b/", "z/", "z/deep/", "z/deep/file", "b/2", "b/1", "a"});
}

TEST_CASE("flatten: whiteouts hide lower layers only, wherever they stand", "[unit][build]") {
    const std::vector<TarEntry> base{tar_directory("d"), tar_file("d/a"),    tar_file("d/b"),
                                     tar_file("e"),      tar_directory("f"), tar_file("f/x")};
    CHECK(flat_names({base, {tar_file("d/c"), tar_file("d/.wh..wh..opq"), tar_file(".wh.e")}}) ==
          Names{"d/", "f/", "f/x", "d/c"});
    CHECK(flat_names({base, {tar_file("e", "new"), tar_file(".wh.e"), tar_file(".wh.f")}}) ==
          Names{"d/", "d/a", "d/b", "e"});
    TarEntry overlay;
    overlay.type = TarType::CharDevice;
    overlay.path = "d";
    CHECK(flat_names({base, {overlay}}) == Names{"f/", "e", "f/x"});
    CHECK(flat_names({base, {tar_file(".wh..wh..opq"), tar_file("only")}}) == Names{"only"});
    CHECK(flat_names({base, {tar_file(".wh..wh.plnk/12.34"), tar_file(".wh..wh.aufs")}}) ==
          Names{"d/", "f/", "d/a", "d/b", "e", "f/x"});
}

TEST_CASE("flatten: types change between layers", "[unit][build]") {
    CHECK(flat_names({{tar_directory("d"), tar_file("d/a")}, {tar_file("d")}}) == Names{"d"});
    CHECK(flat_names({{tar_file("d")}, {tar_directory("d"), tar_file("d/a")}}) == Names{"d/", "d/a"});
    CHECK(flat_names({{tar_symlink("l", "d"), tar_directory("d")}, {tar_file("l/x")}}) == Names{"d/", "l/", "l/x"});
    CHECK(flat_names({{tar_symlink("l", "d"), tar_directory("d"), tar_file("l/x")}}) == Names{"d/", "l", "d/x"});
}

TEST_CASE("flatten: hard links keep their content when one of them goes", "[unit][build]") {
    const auto tar = tar_of({tar_file("m", "shared"), hard_link("b", "m", 0600), hard_link("z", "m", 0600)});
    SECTION("they stay links to the first by name") {
        const auto members = members_of(tar_in(Flat(memory_image({{Form::Gzip, tar}})).image));
        REQUIRE(members.size() == 3);
        CHECK(members[0].entry.path == "b");
        CHECK(members[0].content == "shared");
        CHECK(members[0].entry.mode == 0600);  // the last link's header speaks of the file
        CHECK(members[1].entry.type == TarType::HardLink);
        CHECK(members[1].entry.link == "b");
        CHECK(members[1].entry.mode == 0600);
        CHECK(members[2].entry.path == "z");
    }
    SECTION("the file itself is replaced") {
        const auto image =
            memory_image({{Form::Gzip, tar}, {Form::Zstd, tar_of({tar_file("m", "other"), tar_file(".wh.b")})}});
        const auto members = members_of(tar_in(Flat(image).image));
        REQUIRE(members.size() == 2);
        CHECK(members[0].entry.path == "z");
        CHECK(members[0].entry.type == TarType::File);
        CHECK(members[0].content == "shared");
        CHECK(members[1].entry.path == "m");
        CHECK(members[1].content == "other");
    }
    SECTION("a link of an upper layer to a lower one") {
        const auto image = memory_image({{Form::Gzip, tar}, {Form::Gzip, tar_of({hard_link("upper", "z")})}});
        const auto members = members_of(tar_in(Flat(image).image));
        REQUIRE(members.size() == 4);
        CHECK(members[2].entry.path == "upper");
        CHECK(members[2].entry.link == "b");
    }
    SECTION("a link to nothing, and one to a directory, are refused") {
        for (const auto& bad :
             {tar_of({hard_link("b", "nothing")}), tar_of({tar_directory("d"), hard_link("b", "d")})}) {
            CHECK(code_of([&] { const Flat flat(memory_image({{Form::Gzip, bad}})); }) == ErrorCode::InvalidInput);
        }
    }
}

TEST_CASE("flatten: owners, modes, times, xattrs and devices are kept", "[unit][build]") {
    auto file = tar_file("bin/su", "setuid");
    file.mode = 04755;
    file.uid = 1234567;
    file.gid = 42;
    file.mtime = 1'600'000'000;
    file.xattrs = {{"security.capability", "\1\0\0\2"s}};
    auto root = tar_directory("./");
    root.mode = 0700;
    TarEntry device;
    device.type = TarType::BlockDevice;
    device.path = "dev/sda";
    device.device_major = 8;
    device.device_minor = 1;
    const auto members = members_of(tar_in(
        Flat(memory_image({{Form::Gzip, tar_of({root, file})}, {Form::Gzip, tar_of({device, tar_symlink("l", "/x")})}}))
            .image));
    REQUIRE(members.size() == 6);
    CHECK(members[0].entry.path == "./");
    CHECK(members[0].entry.mode == 0700);
    CHECK(members[1].entry.path == "bin/");
    CHECK(members[1].entry.mode == 0755);
    CHECK(members[3].entry.path == "bin/su");
    CHECK(members[3].entry.xattrs == file.xattrs);
    CHECK(members[3].entry.mode == 04755);
    CHECK(members[3].entry.uid == 1234567);
    CHECK(members[3].entry.mtime == 1'600'000'000);
    CHECK(members[4].entry.device_major == 8);
    CHECK(members[5].entry.link == "/x");
}

TEST_CASE("flatten: the image keeps its config, its members and its kind", "[unit][build]") {
    const auto plain =
        memory_image({{Form::Gzip, tar_of({tar_file("x")})}, {Form::Plain, tar_of({tar_file("y")})}}, nullptr,
                     R"("config":{"Env":["A=1"]},"x":1.10,"history":[{"created_by":"RUN secret"},)"
                     R"({"created_by":"ENV A","empty_layer":true},{"created_by":"COPY"}],)");
    auto text = plain.manifest.raw.bytes;
    text.insert(text.size() - 1, R"(,"annotations":{"a":"b"})");
    const auto image = with_manifest(plain, text);
    const Flat flat(image);
    CHECK(flat.image.config.diff_ids.size() == 1);
    CHECK(flat.image.manifest.annotations == image.manifest.annotations);
    CHECK(config_member(flat.image, "config") == R"({"Env":["A=1"]})");
    CHECK(config_member(flat.image, "x") == "1.10");
    CHECK(config_member(flat.image, "history") ==
          R"([{"created":"1970-01-01T00:00:00Z","created_by":"cooper flatten: 2 layers"}])");
    check_blobs(flat.image);

    SECTION("flattening twice changes nothing, and the bytes are the same each time") {
        CHECK(Flat(flat.image).image.manifest.raw.digest == flat.image.manifest.raw.digest);
        CHECK(Flat(image).image.manifest.raw.digest == flat.image.manifest.raw.digest);
    }
    SECTION("zstd") {
        const Flat zstd(image, Compression::Zstd);
        CHECK(zstd.image.manifest.layers.at(0).media_type == oci::media_type::kOciLayerZstd);
        CHECK(zstd.image.config.diff_ids == flat.image.config.diff_ids);
    }
    SECTION("a schema 2 image") {
        for (const auto& [oci_type, docker_type] :
             {std::pair(oci::media_type::kOciManifest, oci::media_type::kDockerManifest),
              std::pair(oci::media_type::kOciConfig, oci::media_type::kDockerConfig),
              std::pair(oci::media_type::kOciLayerGzip, oci::media_type::kDockerLayerGzip)}) {
            text.replace(text.find(oci_type), oci_type.size(), docker_type);
        }
        const auto schema2 = with_manifest(plain, text);
        const Flat docker(schema2), zstd(schema2, Compression::Zstd);
        CHECK(docker.image.manifest.raw.media_type == oci::media_type::kDockerManifest);
        CHECK(docker.image.manifest.layers.at(0).media_type == oci::media_type::kDockerLayerGzip);
        CHECK(docker.image.config.raw == flat.image.config.raw);
        CHECK(zstd.image.manifest.raw.media_type == oci::media_type::kOciManifest);
        CHECK(zstd.image.manifest.config.media_type == oci::media_type::kOciConfig);
    }
}

TEST_CASE("flatten: damaged layers are refused", "[unit][build]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const auto image = memory_image({{Form::Plain, tar_of({tar_file("x", "content")})}}, &blobs);
    blobs->replace(image.manifest.layers[0].digest, tar_of({tar_file("x", "CONTENT")}));
    CHECK(code_of([&] { const Flat flat(image); }) == ErrorCode::Integrity);
    CHECK(code_of([&] { const Flat flat(scratch_image(oci::Platform::host())); }) == ErrorCode::InvalidInput);
}

// Random stacks of layers: unpacked as they are and unpacked as one, the trees are the same. No path lies below a
// symlink of a lower layer: there unpackers and overlay file systems differ.
TEST_CASE("flatten: unpacks to what the layers unpack to", "[unit][build]") {
    const unsigned seed = GENERATE(range(1U, 26U));
    CAPTURE(seed);
    std::minstd_rand random(seed);
    const auto pick = [&](std::size_t count) { return static_cast<std::size_t>(random() >> 4) % count; };
    const std::vector<std::string> paths{"a", "b", "a/x", "a/y", "a/d", "a/d/z", "c/deep/er", "c/deep", "f", "g"};
    std::vector<LayerSpec> specs;
    for (std::size_t layer = 0; layer < 4; ++layer) {
        std::map<std::string, TarEntry> entries;
        for (std::size_t i = 0; i < 6; ++i) {
            const auto& path = paths[pick(paths.size())];
            const auto slash = path.rfind('/');
            const auto parent = slash == std::string::npos ? "" : path.substr(0, slash + 1);
            TarEntry entry = tar_file(path, std::to_string(random()));
            switch (pick(6)) {
                case 0:
                    entry = tar_directory(path);
                    break;
                case 1:
                    entry = tar_file(parent + ".wh." + path.substr(parent.size()));
                    break;
                case 2:
                    entry = tar_file(parent + ".wh..wh..opq");
                    break;
                case 3:
                    entry = path == "f" || path == "g" ? tar_symlink(path, "a") : entry;
                    break;
                default:
                    break;
            }
            entry.mode = entry.type == TarType::Directory ? 0700 + static_cast<std::uint32_t>(pick(64)) : 0600;
            entry.mtime = static_cast<std::int64_t>(pick(1'000'000));
            entries[entry.path] = entry;
        }
        const auto said = entries;
        for (const auto& [path, entry] : said) {  // as real layers do; a file below another one is left out
            for (auto slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1)) {
                const auto parent = path.substr(0, slash);
                if (entries.try_emplace(parent, tar_directory(parent)).first->second.type != TarType::Directory) {
                    entries.erase(path);
                    break;
                }
            }
        }
        std::vector<TarEntry> list;
        for (const auto& [path, entry] : entries) {
            const auto name = path.rfind('/') + 1;
            if (!entries.contains(path.substr(0, name) + ".wh." + path.substr(name))) {  // both is another test
                list.push_back(entry);
            }
        }
        specs.push_back({layer % 2 == 0 ? Form::Gzip : Form::Zstd, tar_of(list)});
    }
    const auto image = memory_image(specs);
    const TempDirectory directory;
    const auto unpacked_tree = [&](const oci::Image& each, const std::string& name) {
        static_cast<void>(unpack(each, directory.path() / name, {}, {}));
        std::map<std::string, std::string> tree;
        for (const auto& item : std::filesystem::recursive_directory_iterator(directory.path() / name)) {
            struct stat status {};
            lstat(item.path().c_str(), &status);
            auto& text = tree[std::filesystem::relative(item.path().parent_path(), directory.path() / name) /
                              item.path().filename()];
            text = std::to_string(status.st_mode) + " ";
            if (S_ISREG(status.st_mode)) {
                text += std::to_string(status.st_mtime) + " " + read_file(item.path(), 1 << 20);
            } else if (S_ISLNK(status.st_mode)) {
                text += std::filesystem::read_symlink(item.path()).string();
            }
        }
        return tree;
    };
    CHECK(unpacked_tree(image, "layers") == unpacked_tree(Flat(image).image, "flat"));
}
