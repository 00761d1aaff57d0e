#include "cooper/base/files.hpp"

#include "cooper/base/error.hpp"

#include "base/beneath.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <thread>

using namespace cooper;
namespace fs = std::filesystem;

namespace {

std::vector<std::string> names_in(const fs::path& directory) {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory)) {
        names.push_back(entry.path().filename().string());
    }
    return names;
}

ErrorCode code_of(const std::function<void()>& action) {
    try {
        action();
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("nothing was thrown");
    return {};
}

}  // namespace

TEST_CASE("atomic file: visible at commit and not before", "[unit][base]") {
    const TempDirectory directory;
    const fs::path path = directory.path() / "out.tar";
    {
        AtomicFile file(path);
        file.write(as_bytes("hello "));
        file.write(as_bytes("world"));
        REQUIRE_FALSE(fs::exists(path));
        file.commit();
        REQUIRE(read_file(path, 100) == "hello world");
        REQUIRE(names_in(directory.path()) == std::vector<std::string>{"out.tar"});
    }
    REQUIRE(read_file(path, 100) == "hello world");
}

TEST_CASE("atomic file: without commit nothing stays", "[unit][base]") {
    const TempDirectory directory;
    {
        AtomicFile file(directory.path() / "out.tar");
        file.write(as_bytes("hello"));
    }
    REQUIRE(names_in(directory.path()).empty());
}

TEST_CASE("atomic file: replaces, or keeps what is there", "[unit][base]") {
    const TempDirectory directory;
    const fs::path path = directory.path() / "out";
    write_file(path, "old");
    write_file(path, "new");
    REQUIRE(read_file(path, 100) == "new");
    {
        AtomicFile file(path);
        file.write(as_bytes("newer"));
        REQUIRE(code_of([&] { file.commit(AtomicFile::IfExists::Fail); }) == ErrorCode::Conflict);
    }
    REQUIRE(read_file(path, 100) == "new");
    REQUIRE(names_in(directory.path()).size() == 1);

    AtomicFile fresh(directory.path() / "fresh");
    fresh.write(as_bytes("x"));
    fresh.commit(AtomicFile::IfExists::Fail);
    REQUIRE(read_file(directory.path() / "fresh", 100) == "x");
}

TEST_CASE("atomic file: a symlink under its name is replaced, not followed", "[unit][base]") {
    const TempDirectory directory;
    write_file(directory.path() / "victim", "safe");
    fs::create_symlink("victim", directory.path() / "out");
    write_file(directory.path() / "out", "new");
    REQUIRE(read_file(directory.path() / "victim", 100) == "safe");
    REQUIRE(fs::is_regular_file(fs::symlink_status(directory.path() / "out")));
}

TEST_CASE("atomic file: has the mode that the umask asks for", "[unit][base]") {
    const TempDirectory directory;
    const mode_t before = umask(0027);
    write_file(directory.path() / "out", "x");
    umask(before);
    struct stat status {};
    REQUIRE(stat((directory.path() / "out").c_str(), &status) == 0);
    REQUIRE((status.st_mode & 07777U) == 0640);
}

TEST_CASE("atomic file: disjoint ranges from several threads", "[unit][base]") {
    const TempDirectory directory;
    constexpr std::size_t kPart = 70'000;
    AtomicFile file(directory.path() / "out");
    file.reserve(4 * kPart);
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < 4; ++i) {
            threads.emplace_back(
                [&, i] { file.write_at(i * kPart, as_bytes(std::string(kPart, static_cast<char>('a' + i)))); });
        }
    }
    file.commit();
    const std::string text = read_file(directory.path() / "out", 1 << 20);
    REQUIRE(text.size() == 4 * kPart);
    REQUIRE(text.find_first_not_of('a') == kPart);
    REQUIRE(text.find_last_not_of('d') == 3 * kPart - 1);
}

TEST_CASE("atomic file: reserving does not make the file longer", "[unit][base]") {
    const TempDirectory directory;
    AtomicFile file(directory.path() / "out");
    file.reserve(0);
    file.reserve(100'000);
    file.write(as_bytes("short"));
    file.commit();
    REQUIRE(fs::file_size(directory.path() / "out") == 5);
}

TEST_CASE("atomic file: a directory that is not there is named", "[unit][base]") {
    REQUIRE_THROWS_WITH(AtomicFile("/nonexistent-cooper/out"), Catch::Contains("/nonexistent-cooper"));
    REQUIRE(code_of([] { AtomicFile("/nonexistent-cooper/out"); }) == ErrorCode::NotFound);
    REQUIRE(code_of([] { AtomicFile("/tmp/"); }) == ErrorCode::InvalidInput);
}

TEST_CASE("temporary directory: ours alone, gone with all in it", "[unit][base]") {
    fs::path path;
    {
        const TempDirectory directory("cooper-test");
        path = directory.path();
        struct stat status {};
        REQUIRE(stat(path.c_str(), &status) == 0);
        REQUIRE((status.st_mode & 07777U) == 0700);
        REQUIRE(path.filename().string().starts_with("cooper-test."));
        fs::create_directories(path / "a/b");
        write_file(path / "a/b/c", "x");
        fs::create_symlink("/etc", path / "a/link");
    }
    REQUIRE_FALSE(fs::exists(path));
    REQUIRE(fs::exists("/etc"));
}

TEST_CASE("read file: limits, absence, and files that claim no size", "[unit][base]") {
    const TempDirectory directory;
    const fs::path path = directory.path() / "f";
    const std::string text(10'000, 'x');
    write_file(path, text);
    REQUIRE(read_file(path, 10'000) == text);
    REQUIRE_THROWS_WITH(read_file(path, 9'999), Catch::Contains("limit of 9999 bytes"));
    REQUIRE(find_file(path, 10'000) == text);
    REQUIRE_FALSE(find_file(directory.path() / "absent", 10));
    REQUIRE_FALSE(find_file(path / "below-a-file", 10));
    REQUIRE(code_of([&] { (void)read_file(directory.path() / "absent", 10); }) == ErrorCode::NotFound);
    REQUIRE_THROWS_AS(read_file(directory.path(), 10), SystemError);
    REQUIRE_THROWS_AS(find_file(directory.path(), 10), SystemError);
    REQUIRE(read_file("/proc/self/status", 1 << 16).starts_with("Name:"));
    write_file(path, "");
    REQUIRE(read_file(path, 0).empty());
}

TEST_CASE("find beneath: plain files are found, symlinks anywhere refused", "[unit][base]") {
    const TempDirectory directory;
    const fs::path root = directory.path() / "root";
    fs::create_directories(root / "a/b");
    write_file(root / "a/b/f", "inside");
    write_file(directory.path() / "secret", "outside");
    fs::create_symlink("../secret", root / "link");
    fs::create_symlink("b", root / "a/blink");
    fs::create_symlink("nowhere", root / "dangling");
    REQUIRE(mkfifo((root / "fifo").c_str(), 0600) == 0);

    REQUIRE(find_file_beneath(root, "a/b/f", 100) == "inside");
    REQUIRE_FALSE(find_file_beneath(root, "a/b/absent", 100));
    REQUIRE_FALSE(find_file_beneath(root, "absent/f", 100));
    REQUIRE_FALSE(find_file_beneath(root, "a/b/f/below", 100));
    for (const char* path : {"link", "a/blink/f", "dangling"}) {
        INFO(path);
        REQUIRE(code_of([&] { (void)find_file_beneath(root, path, 100); }) == ErrorCode::InvalidInput);
    }
    for (const char* path : {"", "/etc/passwd", "../secret", "a/../a/b/f", "./a", "a//b", "a/b/", "fifo", "a/b"}) {
        INFO(path);
        REQUIRE(code_of([&] { (void)find_file_beneath(root, path, 100); }) == ErrorCode::InvalidInput);
    }
    REQUIRE(code_of([&] { (void)find_file_beneath(root, std::string_view("a\0b", 3), 100); }) ==
            ErrorCode::InvalidInput);
    REQUIRE_THROWS_WITH(find_file_beneath(root, "a/b/f", 3), Catch::Contains("limit of 3 bytes"));
}

TEST_CASE("find beneath: the kernel's way and the walk agree", "[unit][base]") {
    const TempDirectory directory;
    fs::create_directories(directory.path() / "a/b");
    write_file(directory.path() / "a/b/f", "x");
    fs::create_symlink("b", directory.path() / "a/link");
    fs::create_symlink("b/f", directory.path() / "a/file-link");
    const FileDescriptor root(open(directory.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!detail::open_beneath_by_kernel(root.get(), "a")) {
        WARN("SKIPPED: this kernel has no openat2");
        return;
    }
    for (const char* path : {"a/b/f", "a/b", "a/absent", "absent", "a/b/f/x"}) {
        INFO(path);
        REQUIRE(detail::open_beneath_by_kernel(root.get(), path)->valid() ==
                detail::open_beneath_by_walk(root.get(), path).valid());
    }
    for (const char* path : {"a/link", "a/link/f", "a/file-link"}) {
        INFO(path);
        REQUIRE_THROWS_AS(detail::open_beneath_by_kernel(root.get(), path), Error);
        REQUIRE_THROWS_AS(detail::open_beneath_by_walk(root.get(), path), Error);
    }
}
