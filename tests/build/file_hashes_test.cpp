#include "build/tree/file_hashes.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <functional>
#include <thread>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using Catch::Contains;

namespace {

FileToHash seen(const Tree& tree, const std::string& path) {
    struct stat status {};
    REQUIRE(lstat(tree.path(path).c_str(), &status) == 0);
    return {path, status};
}

FileHashes hash(const Tree& tree, const std::vector<FileToHash>& files, const FileHashOptions& options = {},
                const Run& run = {}) {
    const FileDescriptor root(open(tree.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    return hash_files(root, tree.path(), files, options, run);
}

/// Calls `action` when somebody opens the file.
class OnOpen {
public:
    OnOpen(const std::filesystem::path& path, const std::function<void()>& action)
        : inotify_(inotify_init1(IN_CLOEXEC)) {
        REQUIRE(inotify_add_watch(inotify_.get(), path.c_str(), IN_ACCESS) >= 0);
        thread_ = std::jthread([this, action](const std::stop_token& stop) {
            pollfd event{inotify_.get(), POLLIN, 0};
            while (!stop.stop_requested()) {
                if (poll(&event, 1, 10) > 0) {
                    action();
                    return;
                }
            }
        });
    }

private:
    FileDescriptor inotify_;
    std::jthread thread_;
};

}  // namespace

TEST_CASE("file hashes: every algorithm, any size, any number of threads", "[unit][build]") {
    const Tree tree;
    std::vector<FileToHash> files;
    std::vector<std::string> contents = {"",
                                         "a",
                                         std::string(256 * 1024, 'b'),
                                         std::string(256 * 1024 + 1, 'c'),
                                         std::string(3 * 1024 * 1024, 'd'),
                                         std::string(1024 * 1024, 'e')};
    for (int i = 0; i < 100; ++i) {
        contents.push_back("small " + std::to_string(i));
    }
    for (std::size_t i = 0; i < contents.size(); ++i) {
        const auto name = "d" + std::to_string(i % 3) + "/" + std::to_string(i);
        tree.file(name, contents[i]);
        files.push_back(seen(tree, name));
    }
    for (const auto* name : {"md5", "sha1", "sha224", "sha256", "sha384", "sha512"}) {
        FileHashOptions options;
        options.algorithm = find_hash_algorithm(name).value();
        for (const unsigned threads : {0U, 1U, 2U, 7U, 1000U}) {
            options.threads = threads;
            const auto hashes = hash(tree, files, options);
            CHECK(hashes.files_read == files.size());
            for (std::size_t i = 0; i < files.size(); ++i) {
                REQUIRE(hashes.hex[i] == hex_digest(options.algorithm, contents[i]));
            }
        }
    }
    CHECK(hash(tree, {}).hex.empty());
}

TEST_CASE("file hashes: another file than the one that was seen is refused by name", "[unit][build]") {
    const Tree tree;
    tree.file("d/f", "one");
    const auto file = seen(tree, "d/f");
    const auto refusal = [&](const FileHashOptions& options = {}) {
        try {
            hash(tree, {file}, options);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Integrity);
            CHECK_FALSE(error.advice().empty());
            return std::string(error.what());
        }
        FAIL("no error");
        return std::string();
    };
    FileHashOptions following;
    following.follow_links = true;
    SECTION("same size and time, written since") {
        tree.file("d/f", "two");
        CHECK_THAT(refusal(), Contains("/d/f' was changed or replaced before it could be read"));
        CHECK_THAT(refusal(following), Contains("/d/f' was changed or replaced before it could be read"));
    }
    SECTION("another mode") {
        chmod(tree.path("d/f").c_str(), 0600);
        CHECK_THAT(refusal(), Contains("/d/f' was changed or replaced"));
    }
    SECTION("removed") {
        std::filesystem::remove_all(tree.path("d"));
        CHECK_THAT(refusal(), Contains("/d/f' was removed"));
        CHECK_THAT(refusal(following), Contains("/d/f' was removed"));
    }
    SECTION("a link in place of its directory") {
        std::filesystem::rename(tree.path("d"), tree.path("e"));
        tree.symlink("d", "e");
        CHECK_THAT(refusal(), Contains("/d/f' was replaced by a symbolic link"));
        CHECK(hash(tree, {file}, following).files_read == 1);
    }
    SECTION("a fifo nobody writes to") {
        std::filesystem::remove(tree.path("d/f"));
        REQUIRE(mkfifo(tree.path("d/f").c_str(), 0644) == 0);
        CHECK_THAT(refusal(), Contains("/d/f' was changed or replaced"));
        CHECK_THAT(refusal(following), Contains("/d/f' was changed or replaced"));
    }
}

TEST_CASE("file hashes: a file that changes while it is read is refused by name", "[unit][build]") {
    const Tree tree;
    const auto size = GENERATE(0, 1, -1);  // the same size, longer, shorter
    constexpr off_t kSize = 64 << 20;
    tree.file("large", "");
    bool refused = false;
    // The writer may come too late on a busy machine; then the digest is right and we try again.
    for (int attempt = 0; attempt < 50 && !refused; ++attempt) {
        REQUIRE(truncate(tree.path("large").c_str(), kSize) == 0);
        const auto file = seen(tree, "large");
        const OnOpen writer(tree.path("large"), [&] {
            const FileDescriptor opened(open(tree.path("large").c_str(), O_WRONLY | O_CLOEXEC));
            if (size == 0) {
                write_all_at(opened.get(), 0, as_bytes(std::string_view("x")), "large");
                futimens(opened.get(), nullptr);
            } else if (ftruncate(opened.get(), kSize + size) != 0) {
                std::abort();
            }
        });
        try {
            hash(tree, {file});
        } catch (const Error& error) {
            refused = true;
            CHECK(error.code() == ErrorCode::Integrity);
            CHECK_THAT(error.what(), Contains("/large' changed while it was read"));
        }
    }
    CHECK(refused);
}

TEST_CASE("file hashes: links are followed only on request", "[unit][build]") {
    const Tree tree;
    tree.file("d/f", "content");
    tree.symlink("to-file", "d/f");
    tree.symlink("to-directory", "d");
    struct stat status {};
    REQUIRE(stat(tree.path("d/f").c_str(), &status) == 0);
    const std::vector<FileToHash> files = {{"to-file", status},
                                           {"to-directory/f", status},
                                           {"../" + tree.path("").parent_path().filename().string() + "/d/f", status}};
    FileHashOptions options;
    options.follow_links = true;
    CHECK(hash(tree, files, options).hex == std::vector<std::string>(3, hex_digest(HashAlgorithm::Sha256, "content")));
    for (const auto& file : files) {
        CHECK(code_of([&] { hash(tree, {file}); }) == ErrorCode::Integrity);
    }
}

TEST_CASE("file hashes: a stop request ends a large file", "[unit][build]") {
    const Tree tree;
    tree.file("large", "");
    REQUIRE(truncate(tree.path("large").c_str(), off_t{1} << 40) == 0);
    std::stop_source stop;
    const OnOpen reader(tree.path("large"), [&] { stop.request_stop(); });
    CHECK_THROWS_AS(hash(tree, {seen(tree, "large")}, {}, Run().with_stop(stop.get_token())), Cancelled);
}
