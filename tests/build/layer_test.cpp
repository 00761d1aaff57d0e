#include "cooper/base/digest.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <mutex>
#include <numeric>
#include <random>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

LayerOptions from(const Tree& tree) {
    LayerOptions options;
    options.directory = tree.path();
    options.epoch = Tree::kTime;
    return options;
}

std::map<std::string, Member> by_name(const std::string& tar) {
    std::map<std::string, Member> named;
    for (auto& member : members_of(tar)) {
        auto name = member.entry.path;
        while (name.ends_with('/')) {
            name.pop_back();
        }
        named.emplace(name, std::move(member));
    }
    return named;
}

/// Collects notices.
class Notices final : public Progress {
public:
    void notice(NoticeLevel, std::string_view text) noexcept override {
        const std::scoped_lock lock(mutex_);
        texts_.emplace_back(text);
    }
    [[nodiscard]] std::vector<std::string> texts() const {
        const std::scoped_lock lock(mutex_);
        return texts_;
    }

private:
    mutable std::mutex mutex_;
    std::vector<std::string> texts_;
};

/// The tree whose diff ID is golden: every kind of entry, made in the order of `order`.
void fill_golden_tree(const Tree& tree, unsigned seed) {
    std::vector<std::function<void()>> steps = {
        [&] { tree.directory("empty", 0700); },
        [&] { tree.file("bin/tool", "#!/bin/sh\n", 0755); },
        [&] { tree.file("bin/read-only", "x", 0400); },
        [&] { tree.file("etc/zero", ""); },
        [&] { tree.file("etc/block", std::string(512, 'b')); },
        [&] { tree.file("etc/large", std::string(3'000'000, 'l')); },
        [&] { tree.file("a.b", "sorts between a and a/b in bytes"); },
        [&] { tree.file("a/b", "below a"); },
        [&] { tree.file("Zebra", "upper case comes first"); },
        [&] { tree.file("\xc3\xa9t\xc3\xa9", "composed"); },
        [&] { tree.file("e\xcc\x81te\xcc\x81", "decomposed"); },
        [&] { tree.file("not-utf8-\xff\xfe", "bytes"); },
        [&] { tree.file(std::string(255, 'n'), "a long name"); },
        [&] { tree.file(std::string(100, 'p') + "/" + std::string(200, 'q') + "/file", "a long path"); },
        [&] { tree.symlink("link", "a/b"); },
        [&] { tree.symlink("long-link", std::string(300, 't')); },
        [&] { tree.symlink("dangling", "/no/such/file"); },
        [&] { tree.file("name with\nnewline", "n"); },
    };
    std::vector<std::size_t> order(steps.size());
    std::iota(order.begin(), order.end(), 0U);
    std::shuffle(order.begin(), order.end(), std::minstd_rand(seed));
    for (const auto step : order) {
        steps[step]();
    }
    tree.set_all_times(Tree::kTime + seed);  // later than the epoch: clamped
}

}  // namespace

TEST_CASE("layer: the same tree is the same layer, however it came about", "[unit][build]") {
    // Golden: raise it only together with a reason why every layer that customers have changes its diff ID.
    constexpr std::string_view kDiffId = "sha256:515d3ba489c6f02501c53c818035f72488a877503cd3baf5588a24b4b3373d6d";
    for (const unsigned seed : {1U, 2U, 3U}) {
        const mode_t before = umask(seed == 1 ? 0 : seed == 2 ? 022 : 077);
        const Tree tree;
        fill_golden_tree(tree, seed);
        umask(before);
        for (const unsigned threads : {1U, 8U}) {
            auto options = from(tree);
            options.compression.gzip.threads = threads;
            const auto made = make_layer(options);
            CAPTURE(seed, threads);
            CHECK(made.layer.diff_id.text() == kDiffId);
            CHECK(made.layer.diff_id == sha256(made.tar));
            CHECK(made.layer.tar_size == made.tar.size());
        }
    }
}

TEST_CASE("layer: names of every length, links, fifos and large numbers are the same bytes each time",
          "[unit][build]") {
    // Golden, as above; sizes from 8 GiB and attributes are golden in the tests of the tar writer.
    constexpr std::string_view kDiffId = "sha256:e446ed89d155ece7957f2970941b541d1c1398f0a278194d47378e813e517d41";
    for (const bool forward : {true, false}) {
        const Tree tree;
        std::vector<std::function<void()>> steps;
        for (const std::size_t length : {99U, 100U, 101U, 155U, 156U, 254U, 255U}) {
            steps.emplace_back([&, length] { tree.file(std::string(length, 'f'), std::to_string(length)); });
            steps.emplace_back([&, length] { tree.symlink("to" + std::to_string(length), std::string(length, 't')); });
            steps.emplace_back([&, length] { tree.directory(std::string(length, 'd') + "/" + std::string(90, 'e')); });
        }
        steps.emplace_back([&] { tree.file(std::string(155, 'x') + "/" + std::string(100, 'y'), "ustar's longest"); });
        steps.emplace_back([&] { tree.file(std::string(156, 'x') + "/" + std::string(99, 'y'), "too long for it"); });
        steps.emplace_back([&] { REQUIRE(mkfifo(tree.path("fifo").c_str(), 0600) == 0); });
        steps.emplace_back([&] { tree.file("a name with spaces and 'quotes'", "", 0755); });
        steps.emplace_back([&] { tree.file("\xff\xfe\x80", "no text in any encoding"); });
        if (!forward) {
            std::reverse(steps.begin(), steps.end());
        }
        for (const auto& step : steps) {
            step();
        }
        tree.file("linked/z", "one of three names");
        tree.hard_link("linked/a", "linked/z");
        tree.hard_link("linked/" + std::string(200, 'l'), "linked/z");
        tree.set_all_times(Tree::kTime + 1);
        tree.set_time("fifo", 8'589'934'592);  // beyond 2106, which ustar's eleven digits still hold; clamped
        tree.set_time("a name with spaces and 'quotes'", 0);
        auto options = from(tree);
        options.uid = 2'097'152;  // more than ustar's seven digits hold
        options.gid = 4'294'967'294;
        options.target = "/opt/app";
        const auto made = make_layer(options);
        CAPTURE(forward);
        CHECK(made.layer.diff_id.text() == kDiffId);
        CHECK(made.layer.files == 22);
    }
}

TEST_CASE("layer: whoever owns the files, and whoever runs it, the layer is the same", "[unit][build]") {
    const Tree tree;
    fill_golden_tree(tree, 5);
    chmod(tree.path().c_str(), 0755);
    const auto before = make_layer(from(tree)).layer.descriptor.digest;
    if (geteuid() != 0) {
        WARN("SKIPPED: only root gives files away");
        return;
    }
    for (const auto& item : std::filesystem::recursive_directory_iterator(tree.path())) {
        REQUIRE(lchown(item.path().c_str(), 1234, 5678) == 0);
    }
    REQUIRE(lchown(tree.path().c_str(), 1234, 5678) == 0);
    CHECK(make_layer(from(tree)).layer.descriptor.digest == before);
    REQUIRE(seteuid(1234) == 0);
    const auto as_user = make_layer(from(tree)).layer.descriptor.digest;
    REQUIRE(seteuid(0) == 0);
    CHECK(as_user == before);
}

TEST_CASE("layer: every compression holds the same tar and says what it is", "[unit][build]") {
    const Tree tree;
    fill_golden_tree(tree, 6);
    struct Case {
        Compression kind;
        std::string_view media_type, compressor;
    };
    const Case cases[] = {
        {Compression::None, oci::media_type::kOciLayer, "none"},
        {Compression::Gzip, oci::media_type::kOciLayerGzip, "isal-"},
        {Compression::Zstd, oci::media_type::kOciLayerZstd, "zstd-"},
    };
    const auto tar = make_layer(from(tree)).tar;
    for (const auto& [kind, media_type, compressor] : cases) {
        auto options = from(tree);
        options.compression.kind = kind;
        const TempDirectory spool;
        BaseTree base;
        const auto layer = build_layer(options, base, spool.path(), {});
        const auto blob = read_file(layer.file, 1 << 30);
        CAPTURE(to_string(kind));
        CHECK(layer.descriptor.digest == sha256(blob));
        CHECK(layer.descriptor.size == blob.size());
        CHECK(layer.descriptor.media_type == media_type);
        CHECK(layer.diff_id == sha256(tar));
        CHECK(layer.compressor.starts_with(compressor));
        MemorySource source(blob);
        StringSink inflated(1 << 30);
        const auto inflating = decompressing(inflated, kind);
        copy(source, *inflating);
        inflating->finish();
        CHECK((inflated.text() == tar));
    }
    auto options = from(tree);
    options.compression.kind = Compression::Xz;
    CHECK(code_of([&] { make_layer(options); }) == ErrorCode::Unsupported);
}

TEST_CASE("layer: the locale has no say in the order", "[unit][build]") {
    const Tree tree;
    fill_golden_tree(tree, 4);
    const auto plain = make_layer(from(tree)).layer.descriptor.digest;
    const std::string before = std::setlocale(LC_ALL, nullptr);
    for (const auto* name : {"C.UTF-8", "en_US.UTF-8", "tr_TR.UTF-8"}) {
        std::setlocale(LC_ALL, name);  // what is not installed leaves the locale as it was
        CHECK(make_layer(from(tree)).layer.descriptor.digest == plain);
    }
    std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("layer: descriptor and file agree", "[unit][build]") {
    const Tree tree;
    tree.file("file", "content");
    const TempDirectory spool;
    BaseTree base;
    const auto layer = build_layer(from(tree), base, spool.path(), {});
    const auto bytes = read_file(layer.file, 1 << 20);
    CHECK(layer.descriptor.digest == sha256(bytes));
    CHECK(layer.descriptor.size == bytes.size());
    CHECK(layer.descriptor.media_type == oci::media_type::kOciLayerGzip);
    CHECK(layer.files == 1);
    CHECK(layer.file.parent_path() == spool.path());
    CHECK(base.find("file") != nullptr);
    CHECK(std::distance(std::filesystem::directory_iterator(spool.path()), {}) == 1);
}

TEST_CASE("layer: entries are sorted by bytes, parents first, the root left out", "[unit][build]") {
    const Tree tree;
    for (const auto* name : {"b/c", "b.a", "b/B", "a", "Z", "\xff"}) {
        tree.file(name, "");
    }
    CHECK(names_of(make_layer(from(tree)).tar) ==
          std::vector<std::string>{"Z", "a", "b/", "b.a", "b/B", "b/c", "\xff"});
}

TEST_CASE("layer: modes, owners and times are the same for everybody unless asked for", "[unit][build]") {
    const Tree tree;
    tree.file("script", "", 04711);
    tree.file("data", "", 0600);
    tree.file("group-executes", "", 0610);
    tree.directory("private", 01700);
    tree.set_time("data", Tree::kTime - 5, 999'999'999);
    tree.set_time("script", Tree::kTime + 5);
    tree.set_time("private", -100);
    auto options = from(tree);

    SECTION("by default") {
        const auto made = by_name(make_layer(options).tar);
        CHECK(made.at("script").entry.mode == 0755);
        CHECK(made.at("data").entry.mode == 0644);
        CHECK(made.at("group-executes").entry.mode == 0644);
        CHECK(made.at("private").entry.mode == 0755);
        CHECK(made.at("data").entry.mtime == Tree::kTime - 5);
        CHECK(made.at("script").entry.mtime == Tree::kTime);
        CHECK(made.at("private").entry.mtime == 0);
        CHECK(made.at("data").entry.uid == 0);
    }
    SECTION("as asked") {
        options.preserve_modes = true;
        options.uid = 1000;
        options.gid = 3'000'000;  // beyond what ustar holds
        options.epoch.reset();
        const auto made = by_name(make_layer(options).tar);
        CHECK(made.at("script").entry.mode == 04711);
        CHECK(made.at("data").entry.mode == 0600);
        CHECK(made.at("private").entry.mode == 01700);
        CHECK(made.at("script").entry.mtime == Tree::kTime + 5);
        CHECK(made.at("script").entry.uid == 1000);
        CHECK(made.at("script").entry.gid == 3'000'000);
    }
    SECTION("owners as they are") {
        options.preserve_owners = true;
        options.uid = 77;
        struct stat status {};
        REQUIRE(stat(tree.path("data").c_str(), &status) == 0);
        CHECK(by_name(make_layer(options).tar).at("data").entry.uid == status.st_uid);
    }
}

TEST_CASE("layer: of hard links the first path is the file, whichever was made first", "[unit][build]") {
    for (const bool forward : {true, false}) {
        const Tree tree;
        tree.file(forward ? "a/file" : "z/file", "shared", 0755);
        tree.hard_link("m/link", forward ? "a/file" : "z/file");
        tree.hard_link(forward ? "z/file" : "a/file", "m/link");
        tree.set_all_times(Tree::kTime);
        const auto made = by_name(make_layer(from(tree)).tar);
        CHECK(made.at("a/file").entry.type == TarType::File);
        CHECK(made.at("a/file").content == "shared");
        for (const auto* name : {"m/link", "z/file"}) {
            const auto& entry = made.at(name).entry;
            CHECK(entry.type == TarType::HardLink);
            CHECK(entry.link == "a/file");
            CHECK(entry.size == 0);
            CHECK(entry.mode == 0755);
            CHECK(entry.mtime == Tree::kTime);
        }
    }
}

TEST_CASE("layer: a link to a file outside of the directory is a file", "[unit][build]") {
    const Tree outside;
    outside.file("file", "content");
    const Tree tree;
    std::filesystem::create_hard_link(outside.path("file"), tree.path("copy"));
    const auto made = by_name(make_layer(from(tree)).tar);
    CHECK(made.at("copy").entry.type == TarType::File);
    CHECK(made.at("copy").content == "content");
}

TEST_CASE("layer: user attributes and capabilities are kept, others are not", "[unit][build]") {
    const Tree tree;
    tree.file("file", "content");
    tree.directory("dir");
    const std::string value("binary\0value\xff", 13);
    if (setxattr(tree.path("file").c_str(), "user.cooper", value.data(), value.size(), 0) != 0) {
        WARN("SKIPPED: the file system of temporary files has no user attributes");
        return;
    }
    setxattr(tree.path("file").c_str(), "user.empty", "", 0, 0);
    setxattr(tree.path("dir").c_str(), "user.on-dir", "1", 1, 0);
    const bool privileged = setxattr(tree.path("file").c_str(), "trusted.overlay.x", "y", 1, 0) == 0;
    const bool labelled = setxattr(tree.path("file").c_str(), "security.selinux", "label", 5, 0) == 0;
    // Version 2: the owner and user 7 may read, group, mask and others as the mode says.
    const std::string list(
        "\x02\0\0\0"
        "\x01\0\x06\0\xff\xff\xff\xff"
        "\x02\0\x04\0\x07\0\0\0"
        "\x04\0\x04\0\xff\xff\xff\xff"
        "\x10\0\x04\0\xff\xff\xff\xff"
        "\x20\0\x04\0\xff\xff\xff\xff",
        44);
    const bool has_list =
        setxattr(tree.path("file").c_str(), "system.posix_acl_access", list.data(), list.size(), 0) == 0;
    // VFS_CAP_REVISION_2 with cap_net_bind_service.
    const std::string capability("\x01\x00\x00\x02\x00\x04\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                                 20);
    const bool has_capability =
        setxattr(tree.path("file").c_str(), "security.capability", capability.data(), capability.size(), 0) == 0;
    CAPTURE(privileged, labelled, has_list, has_capability);

    const auto made = by_name(make_layer(from(tree)).tar);
    std::map<std::string, std::string> expected = {{"user.cooper", value}, {"user.empty", ""}};
    if (has_capability) {
        expected["security.capability"] = capability;
    }
    CHECK(made.at("file").entry.xattrs == expected);
    CHECK(made.at("dir").entry.xattrs == std::map<std::string, std::string>{{"user.on-dir", "1"}});
}

TEST_CASE("layer: holes are written as zeros", "[unit][build]") {
    const Tree tree;
    tree.file("sparse", "begin");
    std::filesystem::resize_file(tree.path("sparse"), 5'000'000);
    const auto made = by_name(make_layer(from(tree)).tar);
    CHECK((made.at("sparse").content == "begin" + std::string(4'999'995, '\0')));
}

TEST_CASE("layer: symlinks are stored, never followed, but the directory itself may be one", "[unit][build]") {
    const Tree outside;
    outside.file("secret", "do not read");
    const Tree tree;
    tree.symlink("dir", outside.path());
    tree.symlink("loop", "loop");
    const Tree entrance;
    entrance.symlink("tree", tree.path());
    auto options = from(tree);
    options.directory = entrance.path("tree");
    const auto made = by_name(make_layer(options).tar);
    CHECK(made.size() == 2);
    CHECK(made.at("dir").entry.type == TarType::Symlink);
    CHECK(made.at("dir").entry.link == outside.path());
    CHECK(made.at("dir").entry.mode == 0777);
    CHECK(made.at("loop").entry.link == "loop");
}

TEST_CASE("layer: sockets are left out with a notice, fifos stay, devices are refused", "[unit][build]") {
    const Tree tree;
    REQUIRE(mkfifo(tree.path("fifo").c_str(), 0600) == 0);
    const int socket_descriptor = socket(AF_UNIX, SOCK_STREAM, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto name = tree.path("socket").string();
    REQUIRE(name.size() < sizeof address.sun_path);
    std::copy(name.begin(), name.end(), address.sun_path);
    REQUIRE(bind(socket_descriptor, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    close(socket_descriptor);

    Notices notices;
    Run run;
    run.progress = &notices;
    const auto made = by_name(make_layer(from(tree), {}, run).tar);
    CHECK(made.size() == 1);
    CHECK(made.at("fifo").entry.type == TarType::Fifo);
    REQUIRE(notices.texts().size() == 1);
    CHECK(notices.texts()[0].find("socket'") != std::string::npos);

    if (mknod(tree.path("null").c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) {
        return;  // not privileged: no device to be refused
    }
    CHECK_THROWS_WITH(make_layer(from(tree)), Catch::Contains("null") && Catch::Contains("device"));
}

TEST_CASE("layer: names that mean whiteouts are refused with advice", "[unit][build]") {
    for (const auto* name : {".wh.file", ".wh..wh..opq", "deep/.wh."}) {
        const Tree tree;
        tree.file(name, "");
        try {
            make_layer(from(tree));
            FAIL("no error");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidInput);
            CHECK(std::string(error.what()).find(name) != std::string::npos);
            CHECK_FALSE(error.advice().empty());
        }
    }
}

TEST_CASE("layer: a target gets parents that are not yours", "[unit][build]") {
    const Tree tree;
    tree.file("file", "content");
    auto options = from(tree);
    options.uid = 1000;
    for (const auto* target : {"/opt/app", "opt/app/", "//opt/./app"}) {
        options.target = target;
        const auto made = make_layer(options);
        CHECK(names_of(made.tar) == std::vector<std::string>{"opt/", "opt/app/", "opt/app/file"});
        const auto named = by_name(made.tar);
        CHECK(named.at("opt").entry.mode == 0755);
        CHECK(named.at("opt").entry.uid == 0);
        CHECK(named.at("opt").entry.mtime == Tree::kTime);
        CHECK(named.at("opt/app/file").entry.uid == 1000);
    }
    for (const auto& target :
         {std::string("/opt/../etc"), std::string("a\0b", 3), std::string("/a/.wh.b"), std::string("..")}) {
        options.target = target;
        CHECK(code_of([&] { make_layer(options); }) == ErrorCode::InvalidInput);
    }
    options.target = "/" + std::string(5000, 'x');
    CHECK(code_of([&] { make_layer(options); }) == ErrorCode::InvalidInput);
}

TEST_CASE("layer: an empty directory is an empty layer", "[unit][build]") {
    const Tree tree;
    const auto made = make_layer(from(tree));
    CHECK(made.tar == std::string(1024, '\0'));
    CHECK(made.layer.files == 0);
}

TEST_CASE("layer: many small files among large ones come out whole and in order", "[unit][build]") {
    const Tree tree;
    std::map<std::string, std::string> expected;
    for (int i = 0; i < 600; ++i) {
        const auto name = "d" + std::to_string(i % 7) + "/f" + std::to_string(i);
        const auto size = i % 50 == 0 ? std::size_t{1'500'000} : static_cast<std::size_t>(i);
        expected[name] = std::string(size, static_cast<char>('a' + i % 26));
        tree.file(name, expected[name]);
    }
    std::map<std::string, std::string> found;
    for (auto& [entry, content] : members_of(make_layer(from(tree)).tar)) {
        if (entry.type == TarType::File) {
            found[entry.path] = std::move(content);
        }
    }
    CHECK((found == expected));
}
