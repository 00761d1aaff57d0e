#include "cooper/base/text.hpp"
#include "cooper/build/tree.hpp"

#include "build/tree/file_hashes.hpp"
#include "build/tree_support.hpp"
#include "support/fake_clock.hpp"

#include <catch2/catch.hpp>
#include <sys/inotify.h>
#include <unistd.h>

#include <chrono>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::chrono_literals;
using TestTree = cooper::testing::Tree;

namespace {

/// A tree and its memory. The clock is an hour ahead, so that what a test has just written is old enough.
struct Remembered {
    Remembered() {
        clock.advance(
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - clock.now() + 1h));
        run.clock = &clock;
        options.root = tree.path();
        options.cache_directory = cache.path() / "a" / "b";
        for (const auto* name : {"a", "b/c", "b/d", "e"}) {
            tree.file(name, name);
        }
    }
    build::Tree read() { return read_tree(options, run); }
    /// Reads, and says how many files had to be.
    std::uint64_t reads() {
        const auto result = read();
        for (const auto& entry : result.entries) {
            if (entry.digest && entry.digest != sha256(read_file(tree.path(entry.path), 1 << 20))) {
                FAIL(entry.path + " has the wrong digest");
            }
        }
        return result.files_read;
    }
    [[nodiscard]] std::filesystem::path memory() const {
        std::vector<std::filesystem::path> found;
        for (const auto& item : std::filesystem::directory_iterator(options.cache_directory)) {
            found.push_back(item.path());
        }
        REQUIRE(found.size() == 1);
        return found[0];
    }

    TestTree tree;
    TempDirectory cache;
    FakeClock clock;
    Run run;
    TreeOptions options;
};

ino_t inode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_ino;
}

mode_t mode_of(const std::filesystem::path& path) {
    struct stat status {};
    REQUIRE(stat(path.c_str(), &status) == 0);
    return status.st_mode & 07777;
}

}  // namespace

TEST_CASE("stat cache: an unchanged tree is answered without opening a file", "[unit][build]") {
    Remembered remembered;
    CHECK(remembered.reads() == 4);
    const auto first = remembered.read();
    const FileDescriptor inotify(inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
    for (const auto* name : {"a", "b/c", "b/d", "e"}) {
        REQUIRE(inotify_add_watch(inotify.get(), remembered.tree.path(name).c_str(), IN_OPEN | IN_ACCESS) >= 0);
    }
    const auto second = remembered.read();
    char event[512];
    CHECK(read(inotify.get(), event, sizeof event) == -1);
    CHECK(second.files_read == 0);
    REQUIRE(second.entries.size() == 5);
    for (std::size_t i = 0; i < 5; ++i) {
        CHECK(second.entries[i].digest == first.entries[i].digest);
    }
}

TEST_CASE("stat cache: whatever stat() shows makes a file read again", "[unit][build]") {
    Remembered remembered;
    const auto& tree = remembered.tree;
    REQUIRE(remembered.reads() == 4);
    SECTION("content, with size and mtime as before") {
        tree.file("b/c", "xyz");
        CHECK(remembered.reads() == 1);
    }
    SECTION("mtime") {
        tree.set_time("a", TestTree::kTime, 1);
        CHECK(remembered.reads() == 1);
    }
    SECTION("mode") {
        REQUIRE(chmod(tree.path("a").c_str(), 0600) == 0);
        CHECK(remembered.reads() == 1);
    }
    SECTION("inode") {
        std::filesystem::rename(tree.path("b/c"), tree.path("x"));
        std::filesystem::rename(tree.path("b/d"), tree.path("b/c"));
        std::filesystem::rename(tree.path("x"), tree.path("b/d"));
        CHECK(remembered.reads() == 2);
    }
    SECTION("a new file") {
        tree.file("b/cc", "new");
        CHECK(remembered.reads() == 1);
    }
    SECTION("a removed file: nothing to read, nothing to write") {
        const auto before = inode_of(remembered.memory());
        std::filesystem::remove(tree.path("b/c"));
        CHECK(remembered.reads() == 0);
        CHECK(inode_of(remembered.memory()) == before);
    }
    CHECK(remembered.reads() == 0);
}

TEST_CASE("stat cache: what was written in the tick of its hashing is not believed", "[unit][build]") {
    Remembered remembered;
    struct stat status {};
    REQUIRE(stat(remembered.tree.path("a").c_str(), &status) == 0);
    const auto changed = std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::nanoseconds>(
        std::chrono::seconds(status.st_ctim.tv_sec) + std::chrono::nanoseconds(status.st_ctim.tv_nsec)));
    const auto reads_at = [&](auto offset) {
        FakeClock clock(std::chrono::floor<std::chrono::seconds>(changed));
        clock.advance(std::chrono::ceil<std::chrono::milliseconds>(changed - clock.now()) +
                      std::chrono::duration_cast<std::chrono::milliseconds>(offset));
        Run run;
        run.clock = &clock;
        auto options = remembered.options;
        options.sources = {"a"};
        return read_tree(options, run).files_read;
    };
    CHECK(reads_at(0ms) == 1);
    CHECK(reads_at(10ms) == 1);
    CHECK(reads_at(-1h) == 1);  // the file's time lies in the future
    CHECK_FALSE(std::filesystem::exists(remembered.options.cache_directory));
    CHECK(reads_at(22ms) == 1);
    CHECK(reads_at(22ms) == 0);
    CHECK(reads_at(-1h) == 1);  // the clock was set back
    CHECK(reads_at(1h) == 0);
}

TEST_CASE("stat cache: a file whose time lies in the future is read each time", "[unit][build]") {
    Remembered remembered;
    remembered.tree.set_time("a", 4'000'000'000);
    CHECK(remembered.reads() == 4);
    CHECK(remembered.reads() == 1);
    CHECK(remembered.reads() == 1);
}

TEST_CASE("stat cache: a memory that is not exactly ours is replaced", "[unit][build]") {
    Remembered remembered;
    REQUIRE(remembered.reads() == 4);
    const auto path = remembered.memory();
    const auto whole = read_file(path, 1 << 20);
    REQUIRE(remembered.reads() == 0);
    const auto replaced = [&](const std::string& content) {
        write_file(path, content);
        REQUIRE(chmod(path.c_str(), 0600) == 0);
        const bool read_again = remembered.reads() == 4;
        return read_again && remembered.reads() == 0;
    };
    for (std::size_t size = 0; size < whole.size(); size += 41) {
        REQUIRE(replaced(whole.substr(0, size)));
    }
    for (std::size_t at = 0; at < whole.size(); at += 29) {
        auto damaged = whole;
        damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
        REQUIRE(replaced(damaged));
    }
    CHECK(replaced(whole + "x"));
    // Sizes that lie, under a sum that is right.
    const auto sealed = [](std::string content) {
        content.resize(content.size() - 32);
        return content + from_hex(sha256(content).hex()).value();
    };
    constexpr std::size_t kHeader = 96;
    constexpr std::size_t kPathSize = kHeader + 44;
    auto lying = whole;
    lying[kPathSize] = '\xFF';
    lying[kPathSize + 1] = '\xFF';
    CHECK(replaced(sealed(lying)));
    auto older = whole;
    older[8] = static_cast<char>(older[8] - 1);
    CHECK(replaced(sealed(older)));
    auto foreign = whole;
    foreign[40] = foreign[40] == 'a' ? 'b' : 'a';
    CHECK(replaced(sealed(foreign)));
    CHECK(sealed(whole) == whole);
}

TEST_CASE("stat cache: a memory that others may write is not believed", "[unit][build]") {
    Remembered remembered;
    REQUIRE(remembered.reads() == 4);
    const auto path = remembered.memory();
    CHECK(mode_of(path) == 0600);
    CHECK(mode_of(remembered.options.cache_directory) == 0700);
    CHECK(mode_of(remembered.options.cache_directory.parent_path()) == 0700);
    SECTION("by its mode") {
        REQUIRE(chmod(path.c_str(), 0620) == 0);
    }
    SECTION("by its owner") {
        if (geteuid() != 0) {
            return;
        }
        REQUIRE(chown(path.c_str(), 65534, 65534) == 0);
    }
    SECTION("through a link") {
        std::filesystem::rename(path, remembered.cache.path() / "elsewhere");
        std::filesystem::create_symlink(remembered.cache.path() / "elsewhere", path);
    }
    CHECK(remembered.reads() == 4);
    CHECK(remembered.reads() == 0);
}

TEST_CASE("stat cache: what cannot be kept is done without", "[unit][build]") {
    Remembered remembered;
    SECTION("a file where the directory should be") {
        write_file(remembered.cache.path() / "a", "");
    }
    SECTION("a directory where the memory should be") {
        REQUIRE(remembered.reads() == 4);
        const auto path = remembered.memory();
        std::filesystem::remove(path);
        std::filesystem::create_directory(path);
        write_file(path / "in the way", "");
    }
    CHECK(remembered.reads() == 4);
    CHECK(remembered.reads() == 4);
}

TEST_CASE("stat cache: parts of a tree do not make each other forgotten", "[unit][build]") {
    Remembered remembered;
    REQUIRE(remembered.reads() == 4);
    remembered.options.sources = {"a"};
    remembered.tree.file("a", "changed");
    CHECK(remembered.reads() == 1);
    remembered.options.sources = {};
    CHECK(remembered.reads() == 0);

    // But not for ever: a file that is not asked for in many new memories is gone.
    remembered.options.sources = {"a"};
    for (int i = 0; i < 20; ++i) {
        remembered.tree.file("a", std::to_string(i));
        CHECK(remembered.reads() == 1);
    }
    remembered.options.sources = {};
    CHECK(remembered.reads() == 3);
}

TEST_CASE("stat cache: another root, algorithm or treatment of links has its own memory", "[unit][build]") {
    Remembered remembered;
    REQUIRE(remembered.reads() == 4);
    const FileDescriptor root(open(remembered.tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    struct stat status {};
    REQUIRE(stat(remembered.tree.path("a").c_str(), &status) == 0);
    FileHashOptions options;
    options.cache_directory = remembered.options.cache_directory;
    const auto reads = [&] {
        const auto hashes = hash_files(root, remembered.tree.path(), {{"a", status}}, options, remembered.run);
        CHECK(hashes.hex[0] == hex_digest(options.algorithm, "a"));
        return hashes.files_read;
    };
    CHECK(reads() == 0);
    options.follow_links = true;
    CHECK(reads() == 1);
    CHECK(reads() == 0);
    options.algorithm = HashAlgorithm::Md5;
    CHECK(reads() == 1);
    CHECK(reads() == 0);

    // The same path, but another directory.
    std::filesystem::rename(remembered.tree.path("b"), remembered.tree.path("old"));
    remembered.tree.file("b/c", "b/c");
    auto below = remembered.options;
    below.root = remembered.tree.path("b");
    CHECK(read_tree(below, remembered.run).files_read == 1);
    CHECK(read_tree(below, remembered.run).files_read == 0);
    std::filesystem::rename(remembered.tree.path("b"), remembered.tree.path("new"));
    std::filesystem::rename(remembered.tree.path("old"), remembered.tree.path("b"));
    CHECK(read_tree(below, remembered.run).files_read == 2);
}

TEST_CASE("stat cache: files in any order and twice", "[unit][build]") {
    Remembered remembered;
    const FileDescriptor root(open(remembered.tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    FileHashOptions options;
    options.cache_directory = remembered.options.cache_directory;
    std::vector<FileToHash> files;
    std::vector<std::string> expected;
    for (const auto* name : {"e", "b/c", "a", "e", "b/d"}) {
        struct stat status {};
        REQUIRE(stat(remembered.tree.path(name).c_str(), &status) == 0);
        files.push_back({name, status});
        expected.push_back(hex_digest(HashAlgorithm::Sha256, name));
    }
    const auto first = hash_files(root, remembered.tree.path(), files, options, remembered.run);
    CHECK(first.hex == expected);
    CHECK(first.files_read == 5);
    const auto second = hash_files(root, remembered.tree.path(), files, options, remembered.run);
    CHECK(second.hex == expected);
    CHECK(second.files_read == 0);
}

TEST_CASE("stat cache: memories are limited in number", "[unit][build]") {
    Remembered remembered;
    std::filesystem::create_directories(remembered.options.cache_directory);
    for (int i = 0; i < 120; ++i) {
        const auto path = remembered.options.cache_directory / (std::to_string(i) + ".stat");
        write_file(path, "");
        std::filesystem::last_write_time(path, std::filesystem::file_time_type::clock::now() - 200h + i * 1h);
    }
    write_file(remembered.options.cache_directory / "other", "");
    CHECK(remembered.reads() == 4);
    CHECK(remembered.reads() == 0);
    CHECK_FALSE(std::filesystem::exists(remembered.options.cache_directory / "20.stat"));
    CHECK(std::filesystem::exists(remembered.options.cache_directory / "21.stat"));
    CHECK(std::filesystem::exists(remembered.options.cache_directory / "other"));
}
