#include "cooper/base/error.hpp"
#include "cooper/build/sandbox.hpp"

#include "build/layer_tar.hpp"
#include "build/snapshot/overlay_mount.hpp"
#include "build/snapshot_support.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <functional>
#include <thread>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

LayerSpec plain_layer(const LayerTar& tar) {
    return {LayerSpec::Form::Plain, tar.done()};
}

LayerTar base_layer() {
    LayerTar tar;
    tar.directory("etc").file("etc/passwd", "root").file("etc/group", "root").directory("usr").directory("usr/bin");
    tar.file("usr/bin/tool", "tool", 04755).symlink("bin", "usr/bin").directory("tmp", 01777);
    tar.directory("var").directory("var/lib").file("var/lib/one", "1").file("var/lib/two", "2").fifo("var/fifo");
    return tar;
}

/// One tree that is mounted and one that is copied, of the same layers; the same is done to both.
class BothTrees {
public:
    explicit BothTrees(const std::vector<LayerSpec>& layers)
        : image(memory_image(layers)),
          mounts(place.path() / "mounts", root_confinement(true)),
          copies(place.path() / "copies", chroot_confinement()) {
        mounts.add_all(image, Run());
        copies.add_all(image, Run());
        mounted = mounts.open(image.config.diff_ids, Run());
        copied = copies.open(image.config.diff_ids, Run());
    }

    CapturedLayer capture(const CaptureOptions& options) {
        const CapturedLayer layer = mounted->capture(options, Run());
        const CapturedLayer other = copied->capture(options, Run());
        CHECK(layer_lines(mounts, layer.diff_id) == layer_lines(copies, other.diff_id));
        CHECK(layer.diff_id == other.diff_id);
        CHECK(layer.scrubbed == other.scrubbed);
        return layer;
    }
    /// The paths of what a script does.
    std::string run(const std::string& script, const CaptureOptions& options = {kSnapshotEpoch, {}}) {
        run_script(mounted->path(), script);
        run_script(copied->path(), script);
        last = capture(options).diff_id;
        return layer_paths(mounts, *last);
    }
    [[nodiscard]] std::vector<std::string> lines() const { return layer_lines(mounts, last.value()); }

    TempDirectory place;
    oci::Image image;
    Snapshots mounts;
    Snapshots copies;
    std::unique_ptr<RootTree> mounted;
    std::unique_ptr<RootTree> copied;
    std::optional<Digest> last;
};

struct stat status_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(lstat(path.c_str(), &status) == 0);
    return status;
}

std::string failure_of(const std::function<void()>& body) {
    try {
        body();
    } catch (const Error& error) {
        return error.what();
    }
    return "";
}

/// Runs `body` in a process of that mode: 0 when it is content, 77 where the mode cannot be had.
int run_confined(Isolation isolation, const std::filesystem::path& place,
                 const std::function<void(const Confinement& how)>& body) {
    const pid_t child = fork();
    if (child == 0) {
        int result = 1;
        try {
            body(confine_process({isolation, place}));
            result = 0;
        } catch (const Error& error) {
            result = error.code() == ErrorCode::Unsupported ? 77 : 1;
            const std::string text = std::string(error.what()) + "\n";
            static_cast<void>(write(STDERR_FILENO, text.data(), text.size()));
        }
        _exit(result);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128;
}

/// The same changes in any mode; owners by set_owner().
Digest change_owned_files(const std::filesystem::path& place, const Confinement& how, const oci::Image& image) {
    Snapshots snapshots(place, how);
    snapshots.add_all(image, Run());
    const auto tree = snapshots.open(image.config.diff_ids, Run());
    const auto owner = tree->owner("/home/user/file");
    if (owner != std::pair(1000U, 1001U)) {
        throw Error(ErrorCode::Integrity, "the owner of a base layer's file is not known");
    }
    write_file(tree->path() / "home/user/new", "new");
    chmod((tree->path() / "home/user/new").c_str(), 0644);
    tree->set_owner("/home/user/new", 5, 6);
    tree->set_owner("/home/user/other", 7, 8);
    const int file = open((tree->path() / "home/user/file").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC);
    write_all_at(file, 0, as_bytes("longer than it was"), "file");
    close(file);
    const Digest layer = tree->capture({kSnapshotEpoch, {}}, Run()).diff_id;
    const auto again = snapshots.open(tree->layers(), Run());
    if (again->owner("/home/user/new") != std::pair(5U, 6U) || tree->owner("/home/user/other") != std::pair(7U, 8U)) {
        throw Error(ErrorCode::Integrity, "owners did not last");
    }
    static_cast<void>(layer_tar(snapshots, layer));
    return layer;
}

}  // namespace

TEST_CASE("snapshot: a step's changes become a layer", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    BothTrees trees({plain_layer(base_layer())});
    CHECK(trees.run("echo x >etc/new; rm var/lib/one; rm -r usr/bin; mkdir usr/bin; echo y >usr/bin/other") ==
          "etc/ etc/new usr/ usr/bin/ usr/bin/.wh.tool usr/bin/other var/ var/lib/ var/lib/.wh.one");
    CHECK(trees.lines()[1] == "etc/new 0 644 0:0 1000000000 2 " + sha256("x\n").shortened());
    CHECK(trees.lines()[4] == "usr/bin/.wh.tool 0 0 0:0 1000000000");
    CHECK(status_of(trees.mounted->path() / "etc/new").st_mtim.tv_sec == kSnapshotEpoch);
    CHECK(status_of(trees.mounted->path() / "etc/new").st_mtim.tv_nsec == 0);
    SECTION("in place: with the directories above it, which engines would make anew") {
        CHECK(trees.run("chmod 01777 var/lib; echo more >>var/lib/two") == "var/ var/lib/ var/lib/two");
        CHECK(trees.run("echo more >>var/lib/two") == "var/ var/lib/ var/lib/two");
        CHECK(trees.lines()[1].starts_with("var/lib/ 5 1777 0:0"));
    }
    SECTION("nothing: the empty layer, as often as one likes") {
        CHECK(trees.run("true").empty());
        CHECK(trees.last->text() == "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
        CHECK(trees.run("cat etc/passwd >/dev/null").empty());
        CHECK(trees.run("echo z >etc/z") == "etc/ etc/z");
        CHECK(trees.mounted->layers().size() == 5);
    }
}

TEST_CASE("snapshot: directories, files and links in the place of one another", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    BothTrees trees({plain_layer(base_layer())});
    CHECK(trees.run("rm -r var/lib; echo f >var/lib; rm etc/passwd; mkdir etc/passwd; echo g >etc/passwd/g") ==
          "etc/ etc/passwd/ etc/passwd/g var/ var/lib");
    CHECK(trees.run("rm var/lib; mkdir var/lib; echo 1 >var/lib/one; rm bin; mkdir bin; rm -r etc/passwd; ln -s x "
                    "etc/passwd") == "bin/ etc/ etc/passwd var/ var/lib/ var/lib/one");
    CHECK(trees.run("rm -r etc tmp") == ".wh.etc .wh.tmp");
    CHECK(trees.run("mkdir -p etc/deep/er; touch -d @5 etc/deep/old") == "etc/ etc/deep/ etc/deep/er/ etc/deep/old");
    CHECK(trees.lines()[3] == "etc/deep/old 0 644 0:0 5");
}

TEST_CASE("snapshot: links, attributes, devices and long names", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    LayerTar base = base_layer();
    base.hard_link("var/lib/three", "var/lib/two");
    BothTrees trees({plain_layer(base)});
    SECTION("names of one file within the layer are links") {
        trees.run("echo x >tmp/b; ln tmp/b tmp/a; ln tmp/b etc/c; ln -s b tmp/l");
        CHECK(trees.lines()[2] == "tmp/ 5 1777 0:0 1000000000");
        CHECK(trees.lines()[3].starts_with("tmp/a 1 644 0:0 1000000000 -> etc/c"));
    }
    SECTION("writing to one name leaves the other as it was") {
        CHECK(trees.run("echo more >>var/lib/two") == "var/ var/lib/ var/lib/two");
        CHECK(read_file(trees.mounted->path() / "var/lib/three", 100) == "2");
        CHECK(read_file(trees.copied->path() / "var/lib/three", 100) == "2");
    }
    SECTION("attributes and modes") {
        for (const RootTree* tree : {trees.mounted.get(), trees.copied.get()}) {
            const auto tool = tree->path() / "usr/bin/tool";
            setxattr(tool.c_str(), "user.note", "n", 1, 0);
            const std::string value("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
                                    20);
            CHECK(setxattr(tool.c_str(), "security.capability", value.data(), value.size(), 0) == 0);
            setxattr((tree->path() / "etc").c_str(), "user.dir", "d", 1, 0);
        }
        CHECK(trees.run("chmod 02755 var; mknod tmp/null c 1 3; mknod tmp/disk b 8 1; mkfifo tmp/fifo") ==
              "etc/ tmp/ tmp/disk tmp/fifo tmp/null usr/ usr/bin/ usr/bin/tool var/");
        const auto lines = trees.lines();
        CHECK(lines[0].find(" user.dir=") != std::string::npos);
        CHECK(lines[2].find("tmp/disk 4 644 0:0 1000000000 device 8,1") == 0);
        CHECK(lines[7].find("usr/bin/tool 0 4755 0:0 1000000000 security.capability=") == 0);
        CHECK(lines[7].find(" user.note=") != std::string::npos);
        CHECK(lines[8].find("var/ 5 2755") == 0);
        CHECK(lines[7].find("overlay") == std::string::npos);
    }
    SECTION("names") {
        const std::string name(200, 'n');
        CHECK(trees.run("mkdir -p tmp/" + name + "/" + name + "; echo x >tmp/" + name + "/" + name + "/\xff\xfe") ==
              "tmp/ tmp/" + name + "/ tmp/" + name + "/" + name + "/ tmp/" + name + "/" + name + "/\xff\xfe");
        run_script(trees.mounted->path(), "touch tmp/.wh.x");
        CHECK(failure_of([&] { trees.mounted->capture({}, Run()); }).find("names with .wh. mean removed files") !=
              std::string::npos);
    }
    SECTION("sockets are nothing, and hide what was there") {
        CHECK(
            trees.run("rm etc/group; python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"etc/group\")'") ==
            "etc/ etc/.wh.group");
        CHECK(trees.run("true").empty());
    }
}

TEST_CASE("snapshot: lists of files that differ from run to run", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    LayerTar base = base_layer();
    base.directory("var/log").file("var/log/dpkg.log", "old").directory("var/log/apt");
    BothTrees trees({plain_layer(base)});
    const CaptureOptions options{kSnapshotEpoch, {"debian", "python"}};
    CHECK(trees.run("echo x >>var/log/dpkg.log; echo y >var/log/apt/term.log; mkdir -p usr/lib/__pycache__;"
                    "echo z >usr/lib/__pycache__/a.cpython-311.pyc; echo a >usr/lib/a.py; mkdir usr/lib/b; echo c "
                    ">usr/lib/b/c.pyc",
                    options) == "usr/ usr/lib/ usr/lib/a.py usr/lib/b/ var/ var/log/ var/log/apt/");
    CHECK(read_file(trees.mounted->path() / "var/log/dpkg.log", 100) == "old");
    CHECK(read_file(trees.copied->path() / "var/log/dpkg.log", 100) == "old");
    CHECK_FALSE(std::filesystem::exists(trees.mounted->path() / "usr/lib/__pycache__"));
    CHECK_FALSE(std::filesystem::exists(trees.copied->path() / "usr/lib/__pycache__"));
    run_script(trees.mounted->path(), "echo x >>var/log/dpkg.log");
    run_script(trees.copied->path(), "echo x >>var/log/dpkg.log");
    const auto layer = trees.capture(options);
    CHECK(layer.entries == 0);
    CHECK(layer.scrubbed == std::vector<std::string>{"var/log/dpkg.log"});
    CHECK(failure_of([&] { trees.mounted->capture({0, {"redhat"}}, Run()); }).find("redhat") != std::string::npos);
}

TEST_CASE("snapshot: compiled Python goes by its source's new time", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    BothTrees trees({plain_layer(base_layer())});
    const auto pyc = [](std::uint32_t time, char flags) {
        std::string text("\xa7\x0d\x0d\x0a", 4);
        text += flags;
        text.append(3, '\0');
        for (unsigned shift = 0; shift < 32; shift += 8) {
            text += static_cast<char>(time >> shift & 0xFFU);
        }
        return text + "sizecode";
    };
    for (const RootTree* tree : {trees.mounted.get(), trees.copied.get()}) {
        run_script(tree->path(),
                   "mkdir -p usr/p/__pycache__; echo a >usr/p/a.py; touch -d @1700000000 usr/p/a.py;"
                   "echo b >usr/p/b.py; touch -d @77 usr/p/b.py");
        write_file(tree->path() / "usr/p/__pycache__/a.cpython-311.opt-1.pyc", pyc(1'700'000'000, 0));
        write_file(tree->path() / "usr/p/__pycache__/b.cpython-311.pyc", pyc(77, 0));
        write_file(tree->path() / "usr/p/a.pyc", pyc(1'700'000'000, 1));
    }
    trees.capture({kSnapshotEpoch, {}});
    const auto cached = trees.mounted->path() / "usr/p/__pycache__";
    CHECK(read_file(cached / "a.cpython-311.opt-1.pyc", 100) == pyc(kSnapshotEpoch, 0));
    CHECK(read_file(cached / "b.cpython-311.pyc", 100) == pyc(77, 0));
    CHECK(read_file(trees.mounted->path() / "usr/p/a.pyc", 100) == pyc(1'700'000'000, 1));
}

TEST_CASE("snapshot: any number of layers", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    std::vector<LayerSpec> layers;
    for (int i = 0; i < 200; ++i) {
        LayerTar tar;
        tar.file("file-" + std::to_string(i), std::to_string(i)).file("all", std::to_string(i));
        layers.push_back(plain_layer(tar));
    }
    const TempDirectory place;
    Snapshots snapshots(place.path() / "layers", root_confinement(true));
    const auto image = memory_image(layers);
    snapshots.add_all(image, Run());
    for (const std::size_t count : {0U, 1U, 2U, 60U, 200U}) {
        INFO(count << " layers");
        const std::vector<Digest> some(image.config.diff_ids.begin(),
                                       image.config.diff_ids.begin() + static_cast<std::ptrdiff_t>(count));
        const auto tree = snapshots.open(some, Run());
        const auto view = snapshots.open_to_read(some, Run());
        for (const RootTree* one : {tree.get(), view.get()}) {
            CHECK((status_of(one->path()).st_mode & 07777U) == 0755);
            CHECK(std::filesystem::exists(one->path() / "file-0") == (count > 0));
            CHECK((count == 0 || read_file(one->path() / "all", 10) == std::to_string(count - 1)));
        }
        CHECK(open((view->path() / "x").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644) == -1);
        run_script(tree->path(), "echo x >new");
        CHECK(layer_paths(snapshots, tree->capture({}, Run()).diff_id) == "new");
        CHECK(tree->layers().size() == count + 1);
    }
}

TEST_CASE("snapshot: overlay mounts by the options of older kernels", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    const TempDirectory place;
    OverlayLayers layers;
    for (int i = 0; i < 150; ++i) {
        layers.lower.push_back(place.path() / std::to_string(i));
        std::filesystem::create_directory(layers.lower.back());
        write_file(layers.lower.back() / std::to_string(i), "x");
    }
    std::filesystem::create_directory(place.path() / "root");
    mount_overlay_by_options(place.path() / "root", layers);
    CHECK(std::filesystem::exists(place.path() / "root/0"));
    CHECK(std::filesystem::exists(place.path() / "root/149"));
    unmount_quietly(place.path() / "root");
    CHECK_FALSE(std::filesystem::exists(place.path() / "root/0"));
}

TEST_CASE("snapshot: a layer that names no directories, on one base and on another", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    const auto base = [](std::uint32_t mode) {
        LayerTar tar;
        tar.directory("home", mode).directory("home/app", 0755).file("home/app/file", "x");
        return plain_layer(tar);
    };
    for (const bool overlay : {true, false}) {
        const TempDirectory place;
        Snapshots snapshots(place.path() / "layers", root_confinement(overlay));
        LayerTar sparse;
        sparse.file("home/app/file", "y");
        const auto one = memory_image({base(0700), plain_layer(sparse)});
        const auto other = memory_image({base(0711)});
        snapshots.add_all(one, Run());
        snapshots.add_all(other, Run());
        const auto tree = snapshots.open(one.config.diff_ids, Run());
        const auto moved = snapshots.open({other.config.diff_ids[0], one.config.diff_ids[1]}, Run());
        CHECK((status_of(moved->path() / "home").st_mode & 07777U) == 0711);
        CHECK((status_of(tree->path() / "home").st_mode & 07777U) == 0700);
        run_script(moved->path(), "echo z >home/app/more");
        CHECK(layer_paths(snapshots, moved->capture({}, Run()).diff_id) == "home/ home/app/ home/app/more");
    }
}

TEST_CASE("snapshot: hostile and odd layers are unpacked by themselves", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    const TempDirectory place;
    Snapshots snapshots(place.path() / "layers", root_confinement(true));
    SECTION("a hard link to a lower layer's file is a copy of it") {
        LayerTar upper;
        upper.hard_link("etc/copy", "etc/passwd", 0600);
        const auto image = memory_image({plain_layer(base_layer()), plain_layer(upper)});
        snapshots.add(image, 1, Run());
        CHECK(snapshots.has(image.config.diff_ids[0]));
        const auto tree = snapshots.open_to_read(image.config.diff_ids, Run());
        CHECK(read_file(tree->path() / "etc/copy", 100) == "root");
        CHECK((status_of(tree->path() / "etc/copy").st_mode & 07777U) == 0600);
    }
    SECTION("to nothing: refused, and nothing is left") {
        LayerTar upper;
        upper.hard_link("etc/copy", "etc/nothing");
        const auto image = memory_image({plain_layer(base_layer()), plain_layer(upper)});
        CHECK(failure_of([&] { snapshots.add_all(image, Run()); }).find("is not there") != std::string::npos);
        CHECK_FALSE(snapshots.has(image.config.diff_ids[1]));
    }
    SECTION("links of lower layers are not followed") {
        std::filesystem::create_directory(place.path() / "outside");
        LayerTar lower;
        lower.symlink("out", (place.path() / "outside").string());
        LayerTar upper;
        upper.file("out/file", "x");
        const auto image = memory_image({plain_layer(lower), plain_layer(upper)});
        snapshots.add_all(image, Run());
        const auto tree = snapshots.open(image.config.diff_ids, Run());
        CHECK(read_file(tree->path() / "out/file", 10) == "x");
        CHECK(std::filesystem::is_empty(place.path() / "outside"));
    }
    SECTION("opaque directories and whiteouts in any order") {
        LayerTar upper;
        upper.file("var/lib/.wh..wh..opq", "").file("var/lib/new", "n").directory("var/lib");
        upper.directory("etc").file(".wh.etc", "").file("etc/only", "o").file("usr/.wh.bin", "").directory("usr/bin");
        const auto image = memory_image({plain_layer(base_layer()), plain_layer(upper)});
        snapshots.add_all(image, Run());
        Snapshots copies(place.path() / "layers", root_confinement(false));
        for (Snapshots* one : {&snapshots, &copies}) {
            const auto tree = one->open(image.config.diff_ids, Run());
            CHECK(std::filesystem::exists(tree->path() / "var/lib/new"));
            CHECK_FALSE(std::filesystem::exists(tree->path() / "var/lib/one"));
            CHECK(std::filesystem::exists(tree->path() / "etc/only"));
            CHECK_FALSE(std::filesystem::exists(tree->path() / "etc/passwd"));
            CHECK(std::filesystem::is_empty(tree->path() / "usr/bin"));
        }
    }
    SECTION("another diff ID than promised") {
        auto image = memory_image({plain_layer(base_layer())});
        image.config.diff_ids[0] = sha256("other");
        CHECK_THROWS_AS(snapshots.add_all(image, Run()), IntegrityError);
        CHECK_FALSE(snapshots.has(image.config.diff_ids[0]));
        CHECK_THROWS_AS(snapshots.open(image.config.diff_ids, Run()), Error);
    }
}

TEST_CASE("snapshot: a captured layer that was changed since is no blob", "[unit][build]") {
    const TempDirectory place;
    if (geteuid() != 0) {
        return;
    }
    Snapshots snapshots(place.path() / "layers", chroot_confinement());
    const auto tree = snapshots.open({}, Run());
    run_script(tree->path(), "echo one >file");
    const Digest layer = tree->capture({}, Run()).diff_id;
    const auto stored = place.path() / "layers/chroot/layers" / layer.hex() / "tree/file";
    write_file(stored, "two\n");
    CHECK_THROWS_AS(layer_tar(snapshots, layer), IntegrityError);
    write_file(stored, "three\n");
    CHECK_THROWS_AS(layer_tar(snapshots, layer), Error);
}

TEST_CASE("snapshot: layers are unpacked once, whoever wants them", "[unit][build]") {
    if (geteuid() != 0) {
        return;
    }
    const TempDirectory place;
    std::shared_ptr<MemoryBlobs> blobs;
    const auto image = memory_image({plain_layer(base_layer())}, &blobs);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            Snapshots snapshots(place.path() / "layers", root_confinement(false));
            snapshots.add_all(image, Run());
        });
    }
    for (auto& thread : threads) {
        thread.join();
    }
    CHECK(blobs->opened() == 1);
    CHECK(Snapshots::usage(place.path() / "layers", Run()).layers == 1);
}

TEST_CASE("snapshot: collecting leaves what is used", "[unit][build]") {
    if (geteuid() != 0) {
        return;
    }
    const TempDirectory place;
    const auto directory = place.path() / "layers";
    const auto one = memory_image({plain_layer(base_layer())});
    LayerTar tar;
    tar.file("other", "content");
    const auto other = memory_image({plain_layer(tar)});
    Snapshots snapshots(directory, root_confinement(false));
    snapshots.add_all(one, Run());
    snapshots.add_all(other, Run());
    const auto tree = snapshots.open(one.config.diff_ids, Run());
    CHECK(Snapshots::collect(directory, std::chrono::hours(1), false, Run()).layers == 0);
    CHECK(Snapshots::collect(directory, std::chrono::seconds(0), true, Run()).layers == 1);
    CHECK(snapshots.has(other.config.diff_ids[0]));
    const auto gone = Snapshots::collect(directory, std::chrono::seconds(0), false, Run());
    CHECK(gone.layers == 1);
    CHECK(gone.bytes >= 7);
    CHECK_FALSE(snapshots.has(other.config.diff_ids[0]));
    CHECK(snapshots.has(one.config.diff_ids[0]));
    CHECK(std::filesystem::exists(tree->path() / "etc/passwd"));
}

TEST_CASE("snapshot: what a killed build leaves goes with the next one", "[unit][build]") {
    if (!can_mount_overlays()) {
        return;
    }
    const TempDirectory place;
    const auto image = memory_image({plain_layer(base_layer())});
    const pid_t child = fork();
    if (child == 0) {
        Snapshots snapshots(place.path() / "layers", root_confinement(true));
        snapshots.add_all(image, Run());
        const auto tree = snapshots.open(image.config.diff_ids, Run());
        write_file(tree->path() / "etc/new", "x");
        kill(getpid(), SIGKILL);
    }
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    REQUIRE(WIFSIGNALED(status));
    const auto work = place.path() / "layers/root/work";
    CHECK_FALSE(std::filesystem::is_empty(work));
    Snapshots snapshots(place.path() / "layers", root_confinement(true));
    CHECK(std::filesystem::is_empty(work));
    CHECK(snapshots.has(image.config.diff_ids[0]));
}

TEST_CASE("snapshot: owners are the same in every mode", "[unit][build]") {
    if (geteuid() != 0) {
        return;
    }
    LayerTar tar;
    const auto add = [&tar](TarType type, const std::string& path, std::uint32_t mode) {
        TarEntry entry = LayerTar::make(type, path, mode);
        entry.uid = 1000;
        entry.gid = 1001;
        entry.size = type == TarType::File ? 1 : 0;
        tar.add(entry, type == TarType::File ? "x" : "");
    };
    tar.directory("home");
    add(TarType::Directory, "home/user", 0700);
    add(TarType::File, "home/user/file", 0600);
    tar.file("home/user/other", "o");
    const auto image = memory_image({plain_layer(tar)});
    const TempDirectory place;
    const Digest expected = change_owned_files(place.path() / "owners", chroot_confinement(), image);
    Confinement none;
    CHECK(change_owned_files(place.path() / "none", none, image) == expected);
    for (const Isolation isolation : {Isolation::Root, Isolation::UserRange, Isolation::SingleUser}) {
        INFO(to_string(isolation));
        const auto place_of_mode = place.path() / std::string(to_string(isolation));
        const int result = run_confined(isolation, place.path(), [&](const Confinement& how) {
            if (const Digest layer = change_owned_files(place_of_mode, how, image); layer != expected) {
                throw IntegrityError("layer", expected.text(), layer.text());
            }
        });
        if (result == 77) {
            WARN("not tested: " << to_string(isolation));
        } else {
            CHECK(result == 0);
        }
    }
}
