// ADD of archives: told by their content, unpacked where nothing outside can be touched.
#include "cooper/base/text.hpp"

#include "build/copy_support.hpp"

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

using Lines = std::vector<std::string>;

/// "hello" with the content "world\n", as `tar --format=ustar -c | xz` and bzip2 make it.
constexpr const char* kXz =
    "/Td6WFoAAAFpIt42AgAhARwAAAAQz1jM4Af/AE1dADQZSe6N1/i4P8k3Mt7I1YCE//IZ90G1Y112Aql0xwz3cQXfEgqbom1VyxN0"
    "I0KXvloMLN2/6fOugoexONsO2WI8Bf/n9E5D17rhdiMAAAAAAI1xnDkAAWWAEAAAADmtk3o+MA2LAgAAAAABWVo=";
constexpr const char* kBzip2 =
    "QlpoOTFBWSZTWfGLPfEAADb7kMmQAEBAAH2AAAhmRJ6ABAAACCAAVDREaNDE9T0h6j1AklMjTQMmgaBU5i+HyLgFN8mJ1yjBAwuL"
    "FJyEbOmwqPKNtrxJTCsyo2AgH7HhpZ4h3+sRfi7kinChIeMWe+I=";

std::string compressed(const std::string& text, bool zstd) {
    StringSink sink(1 << 20);
    const auto to = zstd ? zstd_compressing(sink) : gzip_compressing(sink);
    to->write(as_bytes(text));
    to->finish();
    return sink.take();
}

TarEntry hard_link(const std::string& path, const std::string& target) {
    TarEntry entry;
    entry.type = TarType::HardLink;
    entry.path = path;
    entry.link = target;
    return entry;
}

TarEntry owned(TarEntry entry, std::uint64_t uid, std::uint32_t mode) {
    entry.uid = uid;
    entry.gid = uid + 1;
    entry.mode = mode;
    return entry;
}

struct Archives {
    Tree tree;
    PlainRoot root;

    void add(const std::string& words, const CopyTarget& target = {}) {
        copy_to(root, instruction(words, true), context_of(tree), target);
    }
    /// Unpacks these entries into /x.
    void unpack(const std::vector<TarEntry>& entries, const std::string& destination = "/x") {
        tree.file("archive", tar_of(entries));
        add("archive " + destination);
    }
    [[nodiscard]] ErrorCode fails(const std::vector<TarEntry>& entries) {
        return code_of([&] { unpack(entries); });
    }
};

}  // namespace

TEST_CASE("archives: are told by their content and unpacked", "[unit][build][copy]") {
    const std::string tar = tar_of({tar_file("hello", "world\n")});
    for (const auto& archive :
         {tar, compressed(tar, false), compressed(tar, true), from_base64(kXz).value(), from_base64(kBzip2).value(),
          from_base64(kBzip2).value() + from_base64("QlpoORdyRThQkAAAAAA=").value()}) {
        Archives archives;
        archives.tree.file("any.name", archive);
        archives.add("any.name /x");
        CHECK(archives.root.listing() == Lines{"d 755 x", "f 644 x/hello world\n"});
    }
}

TEST_CASE("archives: what is none is copied", "[unit][build][copy]") {
    Archives archives;
    const std::string gzip = compressed("no tar at all", false);
    archives.tree.file("text.tar.gz", gzip);
    archives.tree.file("empty.tar", "");
    archives.tree.file("zeros.tar", std::string(1024, '\0'));
    archives.tree.file("BZh", "BZh is how this text begins, and \xfd\x37zXZ is another");
    archives.add("text.tar.gz empty.tar zeros.tar BZh /x/");
    CHECK(archives.root.listing().size() == 5);
    CHECK(read_file(archives.root.tree.path("x/text.tar.gz"), 1000) == gzip);
}

TEST_CASE("archives: COPY, --unpack=false and directories leave them packed", "[unit][build][copy]") {
    Archives archives;
    archives.tree.file("d/a.tar", tar_of({tar_file("hello", "")}));
    archives.add("--unpack=false d/a.tar /one/");
    archives.add("d /two/");
    copy_to(archives.root, instruction("d/a.tar /three/"), context_of(archives.tree));
    for (const char* name : {"one/a.tar", "two/a.tar", "three/a.tar"}) {
        CHECK(std::filesystem::is_regular_file(archives.root.tree.path(name)));
    }
    CHECK_FALSE(std::filesystem::exists(archives.root.tree.path("one/hello")));
}

TEST_CASE("archives: a root without a name is the root", "[unit][build][copy]") {
    std::string tar = tar_of({tar_file(".", ""), tar_file("hello", "world\n")});
    tar[0] = '\0';
    const auto sum = std::stoul(tar.substr(148, 6), nullptr, 8) - '.';
    for (std::size_t digit = 6, rest = sum; digit-- > 0; rest /= 8) {
        tar[148 + digit] = static_cast<char>('0' + rest % 8);
    }
    Archives archives;
    archives.tree.file("archive", tar);
    archives.add("archive /x");
    CHECK(archives.root.listing() == Lines{"d 755 x", "f 644 x/hello world\n"});
}

TEST_CASE("archives: owners, modes, links and times are the archive's", "[unit][build][copy]") {
    Archives archives;
    TarEntry old = tar_file("d/f", "F");
    old.mtime = 99;
    TarEntry future = tar_symlink("l", "/anywhere");
    future.mtime = kCopyEpoch + 7;
    archives.unpack({owned(tar_directory("./"), 3, 0700), owned(tar_directory("d"), 4, 01770), owned(old, 5, 04711),
                     hard_link("d/h", "d/f"), future});
    CHECK(archives.root.listing() ==
          Lines{"d 755 x", "d 1770 4:5 x/d", "f 4711 5:6 x/d/f F", "f 4711 x/d/h F", "l x/l -> /anywhere"});
    CHECK(std::filesystem::hard_link_count(archives.root.tree.path("x/d/f")) == 2);
    struct stat status {};
    REQUIRE(lstat(archives.root.tree.path("x/d/f").c_str(), &status) == 0);
    CHECK(status.st_mtim.tv_sec == 99);
    REQUIRE(lstat(archives.root.tree.path("x/l").c_str(), &status) == 0);
    CHECK(status.st_mtim.tv_sec == kCopyEpoch);
}

TEST_CASE("archives: --chown is everybody's owner", "[unit][build][copy]") {
    Archives archives;
    archives.tree.file("a", tar_of({owned(tar_file("d/f", "F"), 5, 0600)}));
    CopyTarget target;
    target.owner = {10, 20};
    archives.add("a /x", target);
    CHECK(archives.root.listing() == Lines{"d 755 10:20 x", "d 755 10:20 x/d", "f 600 10:20 x/d/f F"});
}

TEST_CASE("archives: what is there is merged, or replaced when it is of another type", "[unit][build][copy]") {
    Archives archives;
    archives.root.tree.file("x/keep/old", "old");
    archives.root.tree.file("x/full/old", "old");
    archives.root.tree.file("x/file", "old");
    archives.root.tree.symlink("x/link", "keep");
    archives.unpack({owned(tar_directory("keep"), 0, 0700), tar_file("keep/new", "new"), tar_file("full", "now a file"),
                     tar_directory("file"), tar_file("file/in", "in"), tar_directory("link"), tar_file("link/in", "")});
    CHECK(archives.root.listing() == Lines{"d 755 x", "d 755 x/file", "f 644 x/file/in in", "f 644 x/full now a file",
                                           "d 700 0:1 x/keep", "f 644 x/keep/new new", "f 644 x/keep/old old",
                                           "d 755 x/link", "f 644 x/link/in "});
}

TEST_CASE("archives: a later member takes the place of an earlier one", "[unit][build][copy]") {
    Archives archives;
    archives.unpack({tar_directory("a"), tar_file("a/1", "1"), tar_symlink("a", "b"), tar_directory("b"),
                     tar_file("a/2", "2"), tar_directory("a"), tar_file("a/3", "3"), tar_file("b", "file"),
                     tar_file("b", "again")});
    CHECK(archives.root.listing() == Lines{"d 755 x", "d 755 x/a", "f 644 x/a/3 3", "f 644 x/b again"});
}

TEST_CASE("archives: names that lead up stay in the directory", "[unit][build][copy]") {
    Archives archives;
    archives.unpack(
        {tar_file("../../../up", "1"), tar_file("/abs", "2"), tar_file("a/../../b", "3"), hard_link("h", "../../up")});
    CHECK(archives.root.listing() == Lines{"d 755 x", "f 644 x/abs 2", "f 644 x/b 3", "f 644 x/h 1", "f 644 x/up 1"});
}

TEST_CASE("archives: ways through links stay in the directory", "[unit][build][copy]") {
    Archives inside;
    inside.unpack({tar_directory("real"), tar_symlink("way", "real"), tar_symlink("real/up", ".."),
                   tar_file("way/f", "F"), tar_file("way/up/g", "G")});
    CHECK(inside.root.listing() ==
          Lines{"d 755 x", "f 644 x/g G", "d 755 x/real", "f 644 x/real/f F", "l x/real/up -> ..", "l x/way -> real"});
    for (const char* target : {"../../etc", "/etc", "a/../../../etc", "nowhere", "loop"}) {
        INFO(target);
        Archives archives;
        archives.root.tree.directory("etc");
        CHECK(archives.fails({tar_directory("a"), tar_symlink("loop", target), tar_file("loop/f", "evil")}) ==
              ErrorCode::InvalidInput);
        CHECK_FALSE(std::filesystem::exists(archives.root.tree.path("etc/f")));
        CHECK_FALSE(std::filesystem::exists(archives.root.tree.path("f")));
    }
    Archives clamped;  // as after chroot(2)
    clamped.unpack(
        {tar_symlink("way", "../.."), tar_file("way/etc/f", "F"), tar_symlink("abs", "/etc"), tar_file("abs/g", "G")});
    CHECK(clamped.root.listing() ==
          Lines{"d 755 x", "l x/abs -> /etc", "d 755 x/etc", "f 644 x/etc/f F", "f 644 x/etc/g G", "l x/way -> ../.."});
    Archives at_root;  // from here nothing leads out
    at_root.root.tree.directory("etc");
    at_root.unpack({tar_symlink("way", "/etc"), tar_file("way/f", "F")}, "/");
    CHECK(at_root.root.listing() == Lines{"d 755 etc", "f 644 etc/f F", "l way -> /etc"});
}

TEST_CASE("archives: a link of the image in the way is replaced or followed inside", "[unit][build][copy]") {
    Archives archives;
    archives.root.tree.file("outside", "safe");
    archives.root.tree.symlink("x/f", "../outside");
    archives.unpack({tar_file("f", "new")});
    CHECK(archives.root.listing() == Lines{"f 644 outside safe", "d 755 x", "f 644 x/f new"});
}

TEST_CASE("archives: broken ones are refused", "[unit][build][copy]") {
    Archives archives;
    CHECK(archives.fails({hard_link("h", "absent")}) == ErrorCode::InvalidInput);
    CHECK(archives.fails({tar_directory("d"), hard_link("h", "d")}) == ErrorCode::InvalidInput);
    CHECK(archives.fails({tar_file("f", ""), tar_file("f/g", "")}) == ErrorCode::InvalidInput);
    const std::string tar = tar_of({tar_file("hello", std::string(5000, 'x'))});
    archives.tree.file("cut", tar.substr(0, 2000));
    CHECK(code_of([&] { archives.add("cut /y"); }) == ErrorCode::Integrity);
    const std::string xz = from_base64(kXz).value();
    archives.tree.file("cut.xz", xz.substr(0, xz.size() - 12));
    CHECK(code_of([&] { archives.add("cut.xz /y"); }) == ErrorCode::Integrity);
}
