#include "cooper/build/apply.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include "build/layer_tar.hpp"
#include "build/tree_listing.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <fstream>
#include <iostream>
#include <set>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

/// A root that layers are applied to, one after the other.
class Root {
public:
    Root() { std::filesystem::create_directory(path_); }

    Applied apply(const LayerTar& layer, const ApplyOptions& options = {}) const {
        const std::string tar = layer.done();
        MemorySource source{std::string_view(tar)};
        return apply_layer(source, path_, options, Run());
    }
    /// What applying says when it refuses.
    [[nodiscard]] std::string refusal(const LayerTar& layer, const ApplyOptions& options = {}) const {
        try {
            apply(layer, options);
        } catch (const Error& error) {
            return error.what();
        }
        return "";
    }

    [[nodiscard]] std::filesystem::path at(const std::string& name) const { return path_ / name; }
    [[nodiscard]] bool has(const std::string& name) const {
        return std::filesystem::exists(std::filesystem::symlink_status(at(name)));
    }
    [[nodiscard]] std::string content(const std::string& name) const { return read_file(at(name), 1 << 20); }
    [[nodiscard]] std::string link(const std::string& name) const {
        return std::filesystem::read_symlink(at(name)).string();
    }
    [[nodiscard]] struct stat status(const std::string& name) const {
        struct stat result {};
        REQUIRE(lstat(at(name).c_str(), &result) == 0);
        return result;
    }
    [[nodiscard]] unsigned mode(const std::string& name) const { return status(name).st_mode & 07777U; }
    [[nodiscard]] std::int64_t time(const std::string& name) const { return status(name).st_mtim.tv_sec; }
    [[nodiscard]] std::string names(const std::string& name = "") const {
        std::string all;
        for (const auto& [path, line] : tree_listing(at(name))) {
            all += path.empty() ? "" : path + " ";
        }
        return all;
    }
    [[nodiscard]] std::string text() const { return tree_text(path_); }

private:
    TempDirectory directory_;
    std::filesystem::path path_ = directory_.path() / "root";
};

TarEntry timed(TarType type, const std::string& path, std::int64_t time, std::uint32_t mode = 0755) {
    TarEntry entry = LayerTar::make(type, path, mode);
    entry.mtime = time;
    return entry;
}

}  // namespace

TEST_CASE("apply: an entry's mode, time and content are kept", "[unit][build]") {
    const Root root;
    const auto applied = root.apply(LayerTar()
                                        .directory("bin", 01751)
                                        .file("bin/tool", "#!/bin/sh\n", 04755)
                                        .symlink("sh", "bin/tool")
                                        .hard_link("bin/other", "bin/tool", 04755)
                                        .fifo("pipe"));
    CHECK(applied.entries == 5);
    CHECK(applied.bytes == 10);
    CHECK(root.content("bin/tool") == "#!/bin/sh\n");
    CHECK(root.mode("bin") == 01751);
    CHECK(root.mode("bin/tool") == 04755);
    CHECK(root.link("sh") == "bin/tool");
    CHECK(root.status("bin/other").st_ino == root.status("bin/tool").st_ino);
    CHECK(S_ISFIFO(root.status("pipe").st_mode));
    for (const char* name : {"bin", "bin/tool", "sh", "pipe"}) {
        INFO(name);
        CHECK(root.time(name) == LayerTar::kTime);
    }
}

TEST_CASE("apply: a directory keeps its time whatever happens in it", "[unit][build]") {
    const Root root;
    root.apply(LayerTar()
                   .add(timed(TarType::Directory, "etc", 1000))
                   .add(timed(TarType::Directory, "etc/deep", 2000))
                   .file("etc/deep/a")
                   .file("etc/b"));
    root.apply(LayerTar().file("etc/deep/new").file("etc/.wh.b", "").file("implied/there"));
    CHECK(root.names() == "etc etc/deep etc/deep/a etc/deep/new implied implied/there ");
    CHECK(root.time("etc") == 1000);
    CHECK(root.time("etc/deep") == 2000);
    CHECK(root.time("implied") == 0);
    CHECK(root.mode("implied") == 0755);
}

TEST_CASE("apply: many directories at once keep their times", "[unit][build]") {
    const Root root;
    LayerTar layer;
    for (int i = 0; i < 300; ++i) {
        layer.add(timed(TarType::Directory, "d" + std::to_string(i), 1000 + i));
    }
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 300; ++i) {
            layer.file("d" + std::to_string(i) + "/f" + std::to_string(round));
        }
    }
    root.apply(layer);
    for (int i = 0; i < 300; ++i) {
        CHECK(root.time("d" + std::to_string(i)) == 1000 + i);
    }
}

TEST_CASE("apply: whiteouts hide lower layers and never their own, wherever they stand", "[unit][build]") {
    const auto below = LayerTar().file("d/old").file("d/sub/old").file("f").symlink("l", "f").file("keep");
    const std::vector<LayerTar> first{
        LayerTar()
            .file(".wh.d", "")
            .file(".wh.f", "")
            .file(".wh.l", "")
            .directory("d", 0700)
            .file("d/sub/new")
            .file("f", "2"),
        LayerTar()
            .file("d/.wh..wh..opq", "")
            .file(".wh.f", "")
            .file(".wh.l", "")
            .directory("d", 0700)
            .file("d/sub/new")
            .file("f", "2"),
    };
    const std::vector<LayerTar> last{
        LayerTar()
            .directory("d", 0700)
            .file("d/sub/new")
            .file("f", "2")
            .file(".wh.d", "")
            .file(".wh.f", "")
            .file(".wh.l", ""),
        LayerTar().directory("d", 0700).file("d/sub/new").file("f", "2").file("d/.wh..wh..opq", "").file(".wh.l", ""),
    };
    std::vector<std::string> results;
    for (const auto& orders : {first, last}) {
        for (const LayerTar& layer : orders) {
            const Root root;
            root.apply(below);
            root.apply(layer);
            CHECK(root.names() == "d d/sub d/sub/new f keep ");
            CHECK(root.content("f") == "2");
            CHECK(root.mode("d") == 0700);
            results.push_back(root.text().substr(root.text().find("/d ")));
        }
    }
    CHECK(std::set<std::string>(results.begin(), results.end()).size() == 1);
}

TEST_CASE("apply: a hidden directory that a layer's own file brings back is a new one", "[unit][build]") {
    const auto below = LayerTar().directory("d", 0700, {{"user.old", "1"}}).file("d/old");
    for (const auto& layer : {LayerTar().file(".wh.d", "").file("d/new"), LayerTar().file("d/new").file(".wh.d", "")}) {
        const Root root;
        root.apply(below);
        root.apply(layer);
        CHECK(root.names() == "d d/new ");
        CHECK(root.mode("d") == 0755);
        CHECK(root.time("d") == 0);
        CHECK(listxattr(root.at("d").c_str(), nullptr, 0) == 0);
    }
}

TEST_CASE("apply: an overlay's whiteout device hides", "[unit][build]") {
    const Root root;
    root.apply(LayerTar().file("d/a").file("d/b"));
    const auto applied = root.apply(LayerTar().node(TarType::CharDevice, "d/a", 0, 0));
    CHECK(applied.whiteouts == 1);
    CHECK(root.names() == "d d/b ");
}

TEST_CASE("apply: whiteouts of what is not there do nothing", "[unit][build]") {
    const Root root;
    root.apply(LayerTar().file("f"));
    root.apply(LayerTar().file("no/such/.wh.x", "").file("no/.wh..wh..opq", "").file("f/.wh.x", "").file(".wh.no", ""));
    CHECK(root.names() == "f ");
}

TEST_CASE("apply: each kind takes the place of each other", "[unit][build]") {
    const std::map<std::string, LayerTar> kinds{
        {"file", LayerTar().file("p", "new")},
        {"directory", LayerTar().directory("p").file("p/in")},
        {"symlink", LayerTar().symlink("p", "target")},
        {"fifo", LayerTar().fifo("p")},
        {"hard link", LayerTar().file("o").hard_link("p", "o")},
    };
    for (const auto& [below, lower] : kinds) {
        for (const auto& [above, upper] : kinds) {
            INFO(above << " over " << below);
            const Root twice;
            twice.apply(lower);
            twice.apply(upper);
            std::filesystem::remove(twice.at("o"));
            const Root once;
            once.apply(upper);
            std::filesystem::remove(once.at("o"));
            CHECK(twice.names() == once.names());
            CHECK((twice.status("p").st_mode & S_IFMT) == (once.status("p").st_mode & S_IFMT));
        }
    }
}

TEST_CASE("apply: of two entries with one path the last wins", "[unit][build]") {
    const Root root;
    root.apply(LayerTar()
                   .file("f", "one")
                   .file("./f", "two")
                   .file("/f", "three", 0600)
                   .directory("d", 0700)
                   .directory("d/", 0711));
    CHECK(root.content("f") == "three");
    CHECK(root.mode("f") == 0600);
    CHECK(root.mode("d") == 0711);
}

TEST_CASE("apply: the root takes mode and time of its entry and stays what it is", "[unit][build]") {
    for (const char* name : {"./", "/", "."}) {
        const Root root;
        root.apply(LayerTar().add(timed(TarType::Directory, name, 3000, 0711)).file("f"));
        CHECK(root.mode("") == 0711);
        CHECK(root.time("") == 3000);
    }
}

// registry-and-engine.md 6.2: overlay mounts make a real directory here, umoci and docker's vfs follow the link.
TEST_CASE("apply: a parent that is a link of a lower layer is followed inside the root", "[unit][build]") {
    const Root root;
    root.apply(LayerTar()
                   .file("usr/lib/old")
                   .symlink("lib", "usr/lib")
                   .symlink("abs", "/usr/lib")
                   .symlink("up", "../../usr/lib"));
    root.apply(LayerTar().file("lib/a").file("abs/b").file("up/c").file("lib/.wh.old", ""));
    CHECK(root.names() == "abs lib up usr usr/lib usr/lib/a usr/lib/b usr/lib/c ");
    root.apply(LayerTar().directory("lib").file("lib/own"));
    CHECK(root.names() == "abs lib lib/own up usr usr/lib usr/lib/a usr/lib/b usr/lib/c ");
}

TEST_CASE("apply: a link that leads to nothing is made to lead to a directory", "[unit][build]") {
    const Root root;
    root.apply(LayerTar().symlink("var/run", "/run/here").file("var/run/pid"));
    CHECK(root.names() == "run run/here run/here/pid var var/run ");
}

TEST_CASE("apply: hard links reach files of lower layers, and give them their header", "[unit][build]") {
    const Root root;
    root.apply(LayerTar().file("usr/f", "x", 0600).symlink("lib", "usr"));
    TarEntry link = timed(TarType::HardLink, "g", 5000, 0640);
    link.link = "lib/f";
    root.apply(LayerTar().add(link));
    CHECK(root.status("g").st_ino == root.status("usr/f").st_ino);
    CHECK(root.mode("usr/f") == 0640);
    CHECK(root.time("usr/f") == 5000);
}

TEST_CASE("apply: extended attributes of users are kept, and replaced with their directory", "[unit][build]") {
    const Root root;
    const std::string raw("a\0b", 3);
    root.apply(LayerTar()
                   .file("f", "x", 0644, {{"user.a", raw}})
                   .directory("d", 0755, {{"user.old", "1"}, {"user.both", "1"}}));
    root.apply(LayerTar().directory("d", 0755, {{"user.both", "2"}}));
    char value[16] = {};
    REQUIRE(getxattr(root.at("f").c_str(), "user.a", value, sizeof value) == 3);
    CHECK(std::string(value, 3) == raw);
    CHECK(getxattr(root.at("d").c_str(), "user.old", value, sizeof value) < 0);
    CHECK(getxattr(root.at("d").c_str(), "user.both", value, sizeof value) == 1);
}

TEST_CASE("apply: closed directories are filled and closed in the end", "[unit][build]") {
    const Root root;
    root.apply(LayerTar().directory("d", 0).directory("d/e", 0500).file("d/e/f", "x", 0));
    root.apply(LayerTar().file("d/e/g").file("d/e/.wh.f", ""));
    CHECK(root.mode("d") == 0);
    chmod(root.at("d").c_str(), 0700);
    CHECK(root.mode("d/e") == 0500);
    chmod(root.at("d/e").c_str(), 0700);
    CHECK(root.names() == "d d/e d/e/g ");
}

TEST_CASE("apply: the mode of a closed directory is not given to what takes its place", "[unit][build]") {
    const Root root;
    root.apply(LayerTar().directory("e").directory("d", 0).symlink("d", "e"));
    CHECK(root.mode("e") == 0755);
}

TEST_CASE("apply: what only root can have is left out and told", "[unit][build]") {
    const Root root;
    const auto applied = root.apply(LayerTar()
                                        .file("null")
                                        .node(TarType::CharDevice, "null", 1, 3)
                                        .file("ping", "x", 0755, {{"security.capability", "x"}, {"user.a", "1"}})
                                        .directory("o", 0755, {{"trusted.overlay.opaque", "y"}}));
    CHECK(root.names() == "o ping ");
    CHECK(applied.left_out == std::vector<std::string>{"null (character device: needs the image's owners)",
                                                       "ping (security.capability: needs the image's owners)",
                                                       "o/ (trusted.overlay.opaque: belongs to overlay mounts)"});
}

TEST_CASE("apply: at most a thousand things that were left out are listed", "[unit][build]") {
    const Root root;
    LayerTar layer;
    for (int i = 0; i < 1010; ++i) {
        layer.node(TarType::BlockDevice, "n" + std::to_string(i), 8, 1);
    }
    CHECK(root.apply(layer).left_out.size() == 1000);
}

TEST_CASE("apply: owners, devices and capabilities come when root asks for them", "[unit][build]") {
    if (geteuid() != 0) {
        std::cout << "SKIPPED: owners need root\n";
        return;
    }
    const Root root;
    const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
    const auto owned = [](TarType type, const std::string& path, std::uint32_t mode) {
        TarEntry entry = LayerTar::make(type, path, mode);
        entry.uid = 3'000'000;
        entry.gid = 7;
        return entry;
    };
    auto file = owned(TarType::File, "d/f", 06755);
    file.xattrs["security.capability"] = capability;
    auto link = owned(TarType::Symlink, "d/l", 0777);
    link.link = "f";
    auto device = owned(TarType::CharDevice, "d/null", 0666);
    device.device_major = 1;
    device.device_minor = 3;
    ApplyOptions options;
    options.owners = true;
    const auto applied = root.apply(LayerTar()
                                        .add(owned(TarType::Directory, "d", 02755))
                                        .add(file)
                                        .add(link)
                                        .add(device)
                                        .add(owned(TarType::Fifo, "d/p", 0600))
                                        .file("d/of-root"),
                                    options);
    CHECK(applied.left_out.empty());
    for (const char* name : {"d", "d/f", "d/l", "d/null", "d/p"}) {
        INFO(name);
        CHECK(root.status(name).st_uid == 3'000'000);
        CHECK(root.status(name).st_gid == 7);
    }
    CHECK(root.status("d/of-root").st_gid == 0);
    CHECK(root.mode("d/f") == 06755);
    CHECK(S_ISCHR(root.status("d/null").st_mode));
    char value[32] = {};
    REQUIRE(getxattr(root.at("d/f").c_str(), "security.capability", value, sizeof value) == 20);
    CHECK(std::string(value, 20) == capability);

    file.uid = 1ULL << 40;
    CHECK(root.refusal(LayerTar().add(file), options).find("larger than the limit") != std::string::npos);
}

TEST_CASE("apply: limits have names", "[unit][build]") {
    const Root root;
    ApplyOptions options;
    options.max_layer_bytes = 10;
    CHECK(root.refusal(LayerTar().file("a", "123456").file("b", "12345"), options) ==
          "applying 'b': the files of one layer exceed the limit of 10 B");
    options.max_layer_bytes = 100;
    options.max_total_bytes = 10;
    CHECK(root.refusal(LayerTar().file("a", "123456").file("b", "12345"), options) ==
          "applying 'b': the files of all layers exceed the limit of 10 B");
    ApplyOptions few;
    few.limits.max_entries = 3;
    const auto refusal = root.refusal(LayerTar().file("a").file("b").file("c").file("d"), few);
    CHECK(refusal.find("limit of 3 entries") != std::string::npos);
}

TEST_CASE("apply: refusals name the entry", "[unit][build]") {
    const Root root;
    CHECK(root.refusal(LayerTar().file("f").file("f/x")) ==
          "applying 'f/x': 'f' is no directory, or leads through a file");
    CHECK(root.refusal(LayerTar().hard_link("h", "gone")) ==
          "applying 'h': the target 'gone' of the hard link is not there");
    CHECK(root.refusal(LayerTar().symlink(".", "x")) ==
          "applying '.': the root of an image cannot be anything but a directory");
}
