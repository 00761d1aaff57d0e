#include "base/in_root.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <fstream>
#include <random>
#include <vector>

using namespace cooper;
using namespace cooper::detail;

namespace {

FileDescriptor open_root(const std::filesystem::path& path) {
    return FileDescriptor(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
}

std::string identity(int descriptor) {
    struct stat status {};
    return fstat(descriptor, &status) == 0 ? std::to_string(status.st_dev) + ":" + std::to_string(status.st_ino)
                                           : "none";
}

std::string kernel_answer(int root, const std::string& path) {
    const auto opened = open_in_root_by_kernel(root, path, O_RDONLY, 0);
    if (opened.valid()) {
        return identity(opened.get());
    }
    switch (errno) {
        case ENOENT:
            return "missing";
        case ENOTDIR:
            return "no directory";
        case ELOOP:
            return "refused";
        default:
            return "errno " + std::to_string(errno);
    }
}

std::string walk_answer(int root, const std::string& path) {
    try {
        const auto walked = walk_in_root(root, path);
        switch (walked.end) {
            case Walked::End::Missing:
                return "missing";
            case Walked::End::NotDirectory:
                return "no directory";
            case Walked::End::Directory:
                break;
        }
        // Its path must lead there as well, without a link on the way.
        CHECK(identity(open_root("/proc/self/fd/" + std::to_string(root) + "/" + walked.path).get()) ==
              identity(walked.directory.get()));
        return identity(walked.directory.get());
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        return "refused";
    }
}

bool has_openat2(int root) {
    return open_in_root_by_kernel(root, ".", O_RDONLY, 0).valid();
}

/// A path of a few of the names in the tree, with dots and slashes between.
std::string random_path(std::mt19937& random, bool absolute) {
    static const std::vector<std::string> parts{"a",  "b",  "c", "l1", "l2",   "l3",
                                                "l4", "..", ".", "",   "file", "missing"};
    std::string path = absolute ? "/" : "";
    for (auto left = 1 + random() % 6; left > 0; --left) {
        path += parts[random() % parts.size()] + (left > 1 ? "/" : "");
    }
    return path.empty() ? "." : path;
}

void fill(const std::filesystem::path& root, std::mt19937& random) {
    std::vector<std::filesystem::path> directories{root};
    for (const char* name : {"a", "b", "a/a", "a/b", "b/c", "a/a/c"}) {
        std::filesystem::create_directories(root / name);
        directories.push_back(root / name);
    }
    for (const auto& directory : directories) {
        std::ofstream(directory / "file") << "x";
        for (const char* name : {"l1", "l2", "l3", "l4"}) {
            if (random() % 2 == 0) {
                std::filesystem::create_symlink(random_path(random, random() % 3 == 0), directory / name);
            }
        }
    }
}

}  // namespace

TEST_CASE("in root: the walk and the kernel give the same answers", "[unit][base]") {
    const auto seed = Catch::rngSeed();
    INFO("seed " << seed);
    std::mt19937 random(seed);
    int reached = 0;
    for (int tree = 0; tree < 20; ++tree) {
        const TempDirectory directory;
        const auto path = directory.path() / "root";
        std::filesystem::create_directories(path);
        fill(path, random);
        const auto root = open_root(path);
        if (!has_openat2(root.get())) {
            std::puts("SKIPPED: no openat2 here");
            return;
        }
        for (int i = 0; i < 200; ++i) {
            const std::string asked = random_path(random, random() % 4 == 0);
            INFO("path " << asked);
            const std::string expected = kernel_answer(root.get(), asked);
            CHECK(walk_answer(root.get(), asked) == expected);
            reached += expected.find(':') != std::string::npos ? 1 : 0;
        }
    }
    CHECK(reached > 100);
}

TEST_CASE("in root: links of a process file system are not followed", "[unit][base]") {
    const auto process = open_root("/proc/self");
    for (const char* path : {"cwd", "root/etc", "fd/0"}) {
        CHECK(walk_answer(process.get(), path) == "refused");
        CHECK(kernel_answer(process.get(), path) == "refused");
    }
}

TEST_CASE("in root: forty links are followed, forty-one are not", "[unit][base]") {
    const TempDirectory directory;
    std::filesystem::create_directory(directory.path() / "0");
    for (int i = 1; i <= 41; ++i) {
        std::filesystem::create_symlink(std::to_string(i - 1), directory.path() / std::to_string(i));
    }
    const auto root = open_root(directory.path());
    for (const char* last : {"40", "41"}) {
        CHECK(walk_answer(root.get(), last) == kernel_answer(root.get(), last));
    }
    CHECK(walk_answer(root.get(), "41") == "refused");
}

TEST_CASE("in root: a walk that is sent to and fro is ended", "[unit][base]") {
    const TempDirectory directory;
    std::filesystem::create_directory(directory.path() / "d");
    std::string far;
    for (int i = 0; i < 600; ++i) {
        far += "d/../";
    }
    for (int i = 0; i < 30; ++i) {
        std::filesystem::create_symlink(far + "l" + std::to_string(i + 1),
                                        directory.path() / ("l" + std::to_string(i)));
    }
    const auto root = open_root(directory.path());
    CHECK_THROWS_WITH(walk_in_root(root.get(), "l0"), Catch::Contains("more than 8192 directories"));
}

TEST_CASE("in root: what is missing can be made on the way", "[unit][base]") {
    const TempDirectory directory;
    std::filesystem::create_symlink("/new/./x/../y", directory.path() / "link");
    const auto root = open_root(directory.path());
    std::vector<std::string> made;
    std::vector<std::string> entered;
    WalkHooks hooks;
    hooks.missing = [&](int parent, const std::string& name, const std::string& path) {
        made.push_back(path);
        return mkdirat(parent, name.c_str(), 0700) == 0;
    };
    hooks.entered = [&](int, const std::string&, const std::string& path, const struct stat&) {
        entered.push_back(path);
    };
    const auto walked = walk_in_root(root.get(), "link/z", hooks);
    CHECK(walked.path == "new/y/z");
    CHECK(made == std::vector<std::string>{"new", "new/x", "new/y", "new/y/z"});
    CHECK(entered == made);
}
