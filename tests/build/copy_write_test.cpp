// Where files of COPY go, and as what (dockerfile.md section 4).
#include "build/copy_support.hpp"

#include <sys/socket.h>
#include <sys/un.h>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

using Lines = std::vector<std::string>;

struct Context {
    Tree tree;
    PlainRoot root;

    void run(const std::string& words, const CopyTarget& target = {}) {
        copy_to(root, instruction(words), context_of(tree), target);
    }
    [[nodiscard]] ErrorCode fails(const std::string& words) {
        return code_of([&] { run(words); });
    }
};

struct SmallContext : Context {
    SmallContext() {
        tree.file("a", "A");
        tree.file("dir/b", "B", 0755);
        tree.directory("dir/sub", 0700);
        tree.file("dir/sub/c", "C", 04755);
    }
};

std::int64_t time_of(const PlainRoot& root, const std::string& name) {
    struct stat status {};
    REQUIRE(lstat(root.tree.path(name).c_str(), &status) == 0);
    return status.st_mtim.tv_sec;
}

}  // namespace

TEST_CASE("copy: a file has the destination's name, or its own in a directory", "[unit][build][copy]") {
    SmallContext context;
    context.run("a /new/name");
    context.run("a /new/");
    context.run("dir/b new");  // exists as a directory
    context.run("a new/more/.");
    CHECK(context.root.listing() == Lines{"d 755 new", "f 644 new/a A", "f 755 new/b B", "d 755 new/more",
                                          "f 644 new/more/a A", "f 644 new/name A"});
}

TEST_CASE("copy: of a directory its contents, nested modes and setuid included", "[unit][build][copy]") {
    SmallContext context;
    context.root.tree.directory("x/sub", 01777);
    context.run("dir /x");
    CHECK(context.root.listing() == Lines{"d 755 x", "f 755 x/b B", "d 700 x/sub", "f 4755 x/sub/c C"});
    context.run("dir/ /y/");
    context.run("dir/. /y");
    CHECK(context.root.listing().size() == 8);
}

TEST_CASE("copy: paths are clamped and cleaned, the destination is relative to the working directory",
          "[unit][build][copy]") {
    SmallContext context;
    CopyTarget target;
    target.working_directory = "/w/d";
    context.run("../../a ../b", target);
    context.run("/dir/../a ./c", target);
    context.run("./a .", target);
    CHECK(context.root.listing() == Lines{"d 755 w", "f 644 w/b A", "d 755 w/d", "f 644 w/d/a A", "f 644 w/d/c A"});
}

TEST_CASE("copy: several files need a directory", "[unit][build][copy]") {
    SmallContext context;
    CHECK(context.fails("a dir/b /x") == ErrorCode::InvalidInput);
    CHECK(context.root.listing().empty());
    context.run("a dir/b /x/");
    context.run("a dir/b /x");  // it is one now
    CHECK(context.root.listing() == Lines{"d 755 x", "f 644 x/a A", "f 755 x/b B"});
}

TEST_CASE("copy: links at the top are followed inside the context, links below are copied", "[unit][build][copy]") {
    SmallContext context;
    context.tree.symlink("to-file", "dir/sub/../b");
    context.tree.symlink("to-dir", "/dir");
    context.tree.symlink("dir/link", "../a");
    context.tree.symlink("out", "../../../../../../../../dir");
    context.tree.symlink("dangling", "nothing");
    context.tree.symlink("loop", "loop");
    context.run("to-file /f/");
    context.run("to-dir /d");
    context.run("out/b /o");
    CHECK(context.root.listing() == Lines{"d 755 d", "f 755 d/b B", "l d/link -> ../a", "d 700 d/sub",
                                          "f 4755 d/sub/c C", "d 755 f", "f 755 f/to-file B", "f 755 o B"});
    CHECK(context.fails("dangling /x") == ErrorCode::NotFound);
    CHECK(context.fails("loop /x") == ErrorCode::InvalidInput);
    CHECK(context.fails("dang* /x") == ErrorCode::NotFound);
}

TEST_CASE("copy: links of the destination are followed inside the image", "[unit][build][copy]") {
    SmallContext context;
    context.root.tree.directory("usr/lib");
    context.root.tree.symlink("lib", "usr/lib");
    context.root.tree.symlink("abs", "/usr/lib/");
    context.root.tree.file("file", "old");
    context.root.tree.symlink("to-file", "file");
    context.root.tree.symlink("dangling", "deep/er");
    context.root.tree.symlink("out", "../../../../../../../../tmp/x");
    context.run("a /lib/");
    context.run("dir/b /abs");
    context.run("a /to-file");
    context.run("a /dangling");
    context.run("a /out/y");
    context.run("a /usr/lib/a");
    CHECK(context.root.listing() == Lines{"l abs -> /usr/lib/", "l dangling -> deep/er", "d 755 deep",
                                          "f 644 deep/er A", "f 644 file A", "l lib -> usr/lib",
                                          "l out -> ../../../../../../../../tmp/x", "d 755 tmp", "d 755 tmp/x",
                                          "f 644 tmp/x/y A", "l to-file -> file", "d 755 usr", "d 755 usr/lib",
                                          "f 644 usr/lib/a A", "f 755 usr/lib/b B"});
}

TEST_CASE("copy: a link in the place of a file that is copied into a directory is replaced", "[unit][build][copy]") {
    SmallContext context;
    context.root.tree.file("target", "old");
    context.root.tree.symlink("d/a", "../target");
    context.run("a /d/");
    CHECK(context.root.listing() == Lines{"d 755 d", "f 644 d/a A", "f 644 target old"});
}

TEST_CASE("copy: a nested directory does not replace a link or file, nor a file a directory", "[unit][build][copy]") {
    SmallContext context;
    context.root.tree.directory("real");
    context.root.tree.symlink("x/sub", "../real");
    CHECK_THROWS_WITH(context.run("dir /x"), Catch::Contains("cannot copy to non-directory '/x/sub'"));
    CHECK(context.fails("dir /x") == ErrorCode::InvalidInput);
    context.root.tree.file("y/sub", "");
    CHECK(context.fails("dir /y") == ErrorCode::InvalidInput);
    context.root.tree.directory("z/b");
    CHECK(context.fails("dir /z") == ErrorCode::InvalidInput);
    CHECK(context.fails("dir/b /z/") == ErrorCode::InvalidInput);
    CHECK(context.fails("a /y/sub/") == ErrorCode::InvalidInput);
}

TEST_CASE("copy: wildcards as filepath.Match has them", "[unit][build][copy]") {
    SmallContext context;
    context.tree.file(".hidden", "H");
    context.tree.file("a*b", "star");
    context.tree.file("deep/one/x.txt", "1");
    context.tree.file("deep/two/x.txt", "2");
    context.tree.symlink("deep/three", "two");
    context.run("d*/s* /subs/");
    context.run("a[*]b /star");
    context.run("deep/*/x.txt /x/");
    context.run("[.]h* nomatch* /h/");
    CHECK(context.root.listing() == Lines{"d 755 h", "f 644 h/.hidden H", "f 644 star star", "d 755 subs",
                                          "f 4755 subs/c C", "d 755 x", "f 644 x/x.txt 2"});
    CHECK(context.fails("nomatch* other/* /x/") == ErrorCode::NotFound);
    CHECK(context.fails("a\\*b /x/") == ErrorCode::NotFound);
    CHECK(context.fails("[a /x/") == ErrorCode::InvalidInput);
    CHECK(context.fails("absent /x/") == ErrorCode::NotFound);
    CHECK(context.fails("a/b /x/") == ErrorCode::NotFound);
}

TEST_CASE("copy: what the ignore file hides is not there", "[unit][build][copy]") {
    SmallContext context;
    const Dockerignore ignore(std::vector<std::string>{"dir", "!dir/sub/c", "a"});
    const auto inputs = context_of(context.tree, &ignore);
    copy_to(context.root, instruction(". /all"), inputs);
    copy_to(context.root, instruction("d* /wild"), inputs);
    CHECK(context.root.listing() == Lines{"d 755 all", "d 755 all/dir", "d 700 all/dir/sub", "f 4755 all/dir/sub/c C",
                                          "d 755 wild", "d 700 wild/sub", "f 4755 wild/sub/c C"});
    const auto fails = [&](const std::string& words) {
        return code_of([&] { copy_to(context.root, instruction(words), inputs); });
    };
    CHECK(fails("a /x") == ErrorCode::NotFound);
    CHECK(fails("dir/b /x") == ErrorCode::NotFound);
    CHECK(fails("a* /x") == ErrorCode::NotFound);
    const Dockerignore all_of_it(std::vector<std::string>{"dir"});
    CHECK(code_of([&] { copy_to(context.root, instruction("dir /x"), context_of(context.tree, &all_of_it)); }) ==
          ErrorCode::NotFound);
}

TEST_CASE("copy: --exclude below each directory, and for files that a wildcard found", "[unit][build][copy]") {
    SmallContext context;
    context.tree.file("home.txt", "");
    context.tree.file("home.bin", "");
    context.run("--exclude=sub dir /d");
    context.run("--exclude=*.txt hom* /h/");
    context.run("--exclude=* --exclude=!sub/c dir /e");
    CHECK(context.root.listing() == Lines{"d 755 d", "f 755 d/b B", "d 755 e", "d 700 e/sub", "f 4755 e/sub/c C",
                                          "d 755 h", "f 644 h/home.bin "});
}

TEST_CASE("copy: --parents keeps the way, from the pivot on", "[unit][build][copy]") {
    SmallContext context;
    context.run("--parents a dir/sub/c /p/");
    context.run("--parents dir/./s*/c /q/");
    context.run("--parents **/c /r");
    context.run("--parents d*/./ /s");
    CHECK(context.root.listing() == Lines{"d 755 p", "f 644 p/a A", "d 755 p/dir", "d 700 p/dir/sub",
                                          "f 4755 p/dir/sub/c C", "d 755 q", "d 700 q/sub", "f 4755 q/sub/c C",
                                          "d 755 r", "d 755 r/dir", "d 700 r/dir/sub", "f 4755 r/dir/sub/c C",
                                          "d 755 s"});  // BuildKit copies nothing
    CHECK(context.fails("--parents dir/none /x/") == ErrorCode::NotFound);
    CHECK(context.fails("--parents none*/** /x/") == ErrorCode::NotFound);
}

TEST_CASE("copy: --chown and --chmod for all, parents that are made included", "[unit][build][copy]") {
    SmallContext context;
    CopyTarget target;
    target.owner = {1000, 2000};
    context.tree.symlink("dir/link", "b");
    context.run("--chmod=0750 dir /new/x", target);
    context.run("--chmod=go=rX dir/sub/c /sym/");
    CHECK(context.root.listing() == Lines{"d 750 1000:2000 new", "d 750 1000:2000 new/x", "f 750 1000:2000 new/x/b B",
                                          "l 1000:2000 new/x/link -> b", "d 750 1000:2000 new/x/sub",
                                          "f 750 1000:2000 new/x/sub/c C", "d 755 sym", "f 4755 sym/c C"});
    CHECK(context.fails("--chmod=9 a /x") == ErrorCode::InvalidInput);
    CHECK(context.fails("--chmod=17777 a /x") == ErrorCode::InvalidInput);
}

TEST_CASE("copy: stages keep owners, hard links and fifos, and sockets stay behind", "[unit][build][copy]") {
    Context context;
    PlainRoot stage;
    stage.tree.file("d/one", "1");
    stage.tree.hard_link("d/two", "d/one");
    REQUIRE(mkfifo(stage.tree.path("d/fifo").c_str(), 0640) == 0);
    chmod(stage.tree.path("d/fifo").c_str(), 0640);
    const FileDescriptor socket_file(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    const auto socket_path = stage.tree.path("d/s").string();
    REQUIRE(socket_path.size() < sizeof address.sun_path);
    std::copy(socket_path.begin(), socket_path.end(), address.sun_path);
    REQUIRE(bind(socket_file.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    stage.set_owner("/d/one", 7, 8);
    stage.set_owner("/d/two", 7, 8);
    CopyInputs inputs;
    inputs.root = stage.path();
    inputs.tree = &stage;
    inputs.epoch = kCopyEpoch;
    copy_to(context.root, instruction("d /x"), inputs);
    const auto listing = context.root.listing();
    CHECK(listing == Lines{"d 755 x", "p 640 x/fifo", "f 644 7:8 x/one 1", "f 644 x/two 1"});
    CHECK(std::filesystem::hard_link_count(context.root.tree.path("x/one")) == 2);
}

TEST_CASE("copy: times are whole seconds and not beyond the epoch", "[unit][build][copy]") {
    SmallContext context;
    context.tree.set_time("a", 123, 999'999'999);
    context.tree.set_time("dir/b", kCopyEpoch + 5);
    context.tree.set_time("dir/sub", 77);
    context.run("a /x/");
    context.run("dir /x");
    CHECK(time_of(context.root, "x/a") == 123);
    CHECK(time_of(context.root, "x/b") == kCopyEpoch);
    CHECK(time_of(context.root, "x/sub") == 77);
}

TEST_CASE("copy: heredocs are files", "[unit][build][copy]") {
    Context context;
    context.tree.file("a", "A");
    CopyInstruction copy = instruction("a /d/");
    Heredoc heredoc;
    heredoc.name = "EOF";
    heredoc.content = "text\n";
    copy.inline_sources.push_back(heredoc);
    copy_to(context.root, copy, context_of(context.tree));
    copy.sources.clear();
    copy.destination = "/name";
    copy.chmod = "700";
    copy_to(context.root, copy, context_of(context.tree));
    CHECK(context.root.listing() == Lines{"d 755 d", "f 644 d/EOF text\n", "f 644 d/a A", "f 700 name text\n"});
}

TEST_CASE("copy: a large file comes whole", "[unit][build][copy]") {
    Context context;
    std::string large(3 << 20, 'x');
    large[1 << 20] = 'y';
    context.tree.file("large", large);
    context.run("large /x");
    CHECK(read_file(context.root.tree.path("x"), 4 << 20) == large);
}

TEST_CASE("copy: a file that changed since it was chosen is refused", "[unit][build][copy]") {
    Context context;
    context.tree.file("a", "A");
    const auto selection = CopySelection::choose(instruction("a /x"), context_of(context.tree), Run());
    context.tree.file("a", "B");
    CHECK(code_of([&] { selection.write(context.root, {}, Run()); }) == ErrorCode::Integrity);
    std::filesystem::remove(context.tree.path("a"));
    REQUIRE(mkfifo(context.tree.path("a").c_str(), 0600) == 0);
    CHECK(code_of([&] { selection.write(context.root, {}, Run()); }) == ErrorCode::Integrity);
}

TEST_CASE("copy: working directories are made for the user, and left alone where they are", "[unit][build][copy]") {
    PlainRoot root;
    root.tree.directory("srv", 0700);
    root.tree.symlink("link", "srv");
    make_working_directory(root, "/link/a/b", {5, 6}, kCopyEpoch);
    make_working_directory(root, "/srv", {5, 6}, kCopyEpoch);
    CHECK(root.listing() == Lines{"l link -> srv", "d 700 srv", "d 755 5:6 srv/a", "d 755 5:6 srv/a/b"});
    root.tree.file("file", "");
    CHECK(code_of([&] { make_working_directory(root, "/file/x", {0, 0}, 0); }) == ErrorCode::InvalidInput);
}

TEST_CASE("copy: owners by number, and by the names of the image", "[unit][build][copy]") {
    Tree tree;
    tree.file("etc/passwd", "root:x:0:0::/:\napp:x:1000:1001:App:/home:/bin/sh\n1234:x:9:9::/:\nbad:x:one:1::/:\n");
    tree.file("private/group", "root:x:0:\nstaff:x:50:app\n");
    tree.symlink("etc/group", "/private/group");
    using Owner = std::pair<std::uint32_t, std::uint32_t>;
    CHECK(find_owner(tree.path(), "app") == Owner{1000, 1001});
    CHECK(find_owner(tree.path(), "app:staff") == Owner{1000, 50});
    CHECK(find_owner(tree.path(), "1234") == Owner{1234, 1234});
    CHECK(find_owner(tree.path(), "0:staff") == Owner{0, 50});
    CHECK(find_owner("/nonexistent", "55:66") == Owner{55, 66});
    const Tree empty;
    CHECK(find_owner(empty.path(), "root:root") == Owner{0, 0});
    for (const char* wrong : {"nobody", "app:nobody", "bad", "4294967295", "99999999999", "", "app:", ":staff", "-1"}) {
        INFO(wrong);
        CHECK(code_of([&] { find_owner(tree.path(), wrong); }) == ErrorCode::InvalidInput);
    }
}
