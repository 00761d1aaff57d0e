// What stops a source hash: each refusal has its kind or its errno, and names what it is about.
#include "build/source_hash_support.hpp"

#include <catch2/catch.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <exception>
#include <stop_token>
#include <thread>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;
using Catch::Matchers::Contains;

namespace {

/// Root may read everything: here this process is nobody until the end of the scope.
class AsNobody {
public:
    AsNobody() : user_(geteuid()) { REQUIRE(seteuid(kNobody) == 0); }
    AsNobody(const AsNobody&) = delete;
    AsNobody& operator=(const AsNobody&) = delete;
    ~AsNobody() {
        if (seteuid(user_) != 0) {
            std::terminate();
        }
    }

private:
    static constexpr uid_t kNobody = 65534;
    uid_t user_;
};

/// nobody must get to the tree; its own modes then decide.
void open_to_all(const Tree& tree) {
    REQUIRE(chmod(tree.path().c_str(), 0755) == 0);
}

class FewDescriptors {
public:
    explicit FewDescriptors(rlim_t limit) {
        REQUIRE(getrlimit(RLIMIT_NOFILE, &before_) == 0);
        const rlimit few{limit, before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_NOFILE, &few) == 0);
    }
    FewDescriptors(const FewDescriptors&) = delete;
    FewDescriptors& operator=(const FewDescriptors&) = delete;
    ~FewDescriptors() { setrlimit(RLIMIT_NOFILE, &before_); }

private:
    rlimit before_{};
};

}  // namespace

TEST_CASE("source hash: links that cannot be followed are errors even where they are ignored", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    SECTION("to itself") {
        tree.symlink("loop", "loop");
        const auto refused = system_refusal([&] { hash(tree.path(), with_ignore({"loop"})); });
        CHECK(refused.number == ELOOP);
        CHECK_THAT(refused.text, Contains(tree.path("loop").native()));
        CHECK_THAT(refused.advice, Contains("40 links"));
    }
    SECTION("below a file") {
        tree.symlink("below", "f/x");
        const auto refused = system_refusal([&] { hash(tree.path(), with_ignore({"below"})); });
        CHECK(refused.number == ENOTDIR);
        CHECK_THAT(refused.text, Contains(tree.path("below").native()));
        CHECK_THAT(refused.advice, Contains("below a file"));
    }
}

TEST_CASE("source hash: more than 40 links on one way are an error as for the original", "[unit][build]") {
    const Tree tree;
    constexpr int kLinks = 41;
    for (int i = 0; i < kLinks; ++i) {
        tree.symlink("t" + std::to_string(i) + "/l", "../t" + std::to_string(i + 1));
    }
    tree.file("t" + std::to_string(kLinks) + "/f", "1");
    CHECK(system_refusal([&] { hash(tree.path("t0")); }).number == ELOOP);
    CHECK(hash(tree.path("t1")).entries.size() == 1);
}

TEST_CASE("source hash: what is wrong is told in the original's order", "[unit][build]") {
    SourceHashOptions options;
    options.match = {"[z-a]"};
    options.entry_properties = {"mtime"};
    options.algorithm = "crc32";
    const std::filesystem::path root = "/nowhere/to/be/found";
    CHECK(refusal(root, options).kind == Kind::InvalidPattern);
    CHECK_THAT(refusal(root, options).text, Contains("[z-a]"));
    options.match = {"*"};
    CHECK(refusal(root, options).kind == Kind::InvalidEntryProperties);
    CHECK_THAT(refusal(root, options).text, Contains("'mtime'"));
    options.entry_properties = {"is_link"};
    CHECK(refusal(root, options).kind == Kind::InvalidEntryProperties);
    options.entry_properties = {"name"};
    CHECK(refusal(root, options).kind == Kind::UnknownAlgorithm);
    CHECK_THAT(refusal(root, options).text, Contains("'crc32'") && Contains("sha512"));
    options.algorithm = "md5";
    CHECK(refusal(root, options).kind == Kind::NoSuchDirectory);
    CHECK(refusal(root, options).code == ErrorCode::NotFound);
}

TEST_CASE("source hash: a root must be a directory that can be reached", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    tree.symlink("loop", "loop");
    CHECK(refusal(tree.path("f")).kind == Kind::NotADirectory);
    CHECK_THAT(refusal(tree.path("none")).text, Contains(tree.path("none").native()));
    CHECK(refusal(tree.path("none")).kind == Kind::NoSuchDirectory);
    CHECK(refusal(tree.path("f/x")).kind == Kind::NoSuchDirectory);
    CHECK(refusal(tree.path("loop")).kind == Kind::NoSuchDirectory);
    CHECK(refusal("").kind == Kind::NoSuchDirectory);
    CHECK(refusal(tree.path().native() + "\0/x"s).kind == Kind::NoSuchDirectory);
}

TEST_CASE("source hash: which errors the original raises as ValueError", "[unit][build]") {
    const auto is_value_error = [](Kind kind) {
        return SourceHashError(kind, ErrorCode::InvalidInput, "").is_value_error();
    };
    CHECK(is_value_error(Kind::NothingToHash));
    CHECK(is_value_error(Kind::NameNotUtf8));
    CHECK(is_value_error(Kind::NoSuchDirectory));
    CHECK_FALSE(is_value_error(Kind::SymlinkRecursion));
    CHECK_FALSE(is_value_error(Kind::DirectoryEnteredTwice));
}

TEST_CASE("source hash: a name that is not UTF-8 has no hash unless it is left out", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    SECTION("of a file") {
        tree.file("bad\xff/x\xff", "1");
        const auto refused = refusal(tree.path());
        CHECK(refused.kind == Kind::NameNotUtf8);
        CHECK_THAT(refused.text, Contains(tree.path("bad?").native()));
        CHECK(listed(tree) == Texts{"bad\xff/x\xff", "f"});
        CHECK(hash(tree.path(), with_ignore({"bad?/"})).digest == md5(file_entry("1", "f")));
        SourceHashOptions options;
        options.entry_properties = {"data"};
        CHECK(hash(tree.path(), options).entries.size() == 2);
    }
    SECTION("of a directory that is empty") {
        tree.directory("bad\xff");
        CHECK(hash(tree.path()).digest == md5(file_entry("1", "f")));
        SourceHashOptions options;
        options.empty_dirs = true;
        CHECK(refusal(tree.path(), options).kind == Kind::NameNotUtf8);
    }
}

TEST_CASE("source hash: what may not be read is an error that names it", "[unit][build]") {
    if (geteuid() != 0) {
        WARN("SKIPPED: only root can become nobody");
        return;
    }
    const Tree tree;
    open_to_all(tree);
    tree.file("d/f", "1");
    tree.file("d/secret", "1", 0600);
    SECTION("a file that is taken") {
        const AsNobody nobody;
        const auto refused = system_refusal([&] { hash(tree.path()); });
        CHECK(refused.number == EACCES);
        CHECK_THAT(refused.text, Contains(tree.path("d/secret").native()));
    }
    SECTION("not a file that is left out") {
        const AsNobody nobody;
        CHECK(hash(tree.path(), with_ignore({"secret"})).entries.size() == 1);
    }
    SECTION("a directory, also one that is left out") {
        tree.directory("closed", 0700);
        const AsNobody nobody;
        const auto refused = system_refusal([&] { hash(tree.path(), with_ignore({"closed/", "secret"})); });
        CHECK(refused.number == EACCES);
        CHECK_THAT(refused.text, Contains(tree.path("closed").native()));
        CHECK_THAT(refused.advice, Contains("readable"));
    }
    SECTION("the root") {
        REQUIRE(chmod(tree.path().c_str(), 0711) == 0);
        const AsNobody nobody;
        const auto refused = system_refusal([&] { hash(tree.path()); });
        CHECK(refused.number == EACCES);
        CHECK_THAT(refused.text, Contains(tree.path().native()));
    }
    SECTION("a root below what may not be entered does not exist") {
        REQUIRE(chmod(tree.path("d").c_str(), 0700) == 0);
        const AsNobody nobody;
        CHECK(refusal(tree.path("d/e")).kind == Kind::NoSuchDirectory);
    }
}

TEST_CASE("source hash: a deep tree needs few descriptors", "[unit][build]") {
    const Tree tree;
    std::string path;
    for (int i = 0; i < 100; ++i) {
        tree.directory(path + "e");  // for it the walk comes back to each level
        tree.file(path + "f", "1");
        path += "d/";
    }
    const FileDescriptor next(dup(STDERR_FILENO));
    const FewDescriptors few(static_cast<rlim_t>(next.get()) + 32);
    SourceHashOptions options;
    options.threads = 1;
    CHECK(hash(tree.path(), options).entries.size() == 100);
}

TEST_CASE("source hash: a path that the system does not take is an error", "[unit][build]") {
    const TempDirectory temporary;
    const std::string name(255, 'd');
    FileDescriptor at(open(temporary.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    for (std::size_t length = 0; length <= 4096; length += name.size() + 1) {
        REQUIRE(mkdirat(at.get(), name.c_str(), 0755) == 0);
        at = FileDescriptor(openat(at.get(), name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
        REQUIRE(at.valid());
    }
    CHECK(system_refusal([&] { hash(temporary.path(), with_ignore({"d*"})); }).number == ENAMETOOLONG);
}

TEST_CASE("source hash: a stop is heard", "[unit][build]") {
    const Tree tree;
    tree.file("f", "1");
    std::stop_source stop;
    stop.request_stop();
    CHECK_THROWS_AS(hash_source(tree.path(), {}, Run{}.with_stop(stop.get_token())), Cancelled);
    CHECK_THROWS_AS(list_source(tree.path(), {}, Run{}.with_stop(stop.get_token())), Cancelled);
}

TEST_CASE("source hash: a directory that is swapped for a link meanwhile leads nowhere else", "[unit][build]") {
    const Tree tree;
    tree.file("root/d/s/f", "inside");
    tree.file("out/s/f", "outside");
    tree.symlink("link", "out");
    std::atomic<bool> done = false;
    std::thread swapper([&] {
        while (!done) {
            std::filesystem::rename(tree.path("root/d"), tree.path("kept"));
            std::filesystem::rename(tree.path("link"), tree.path("root/d"));
            std::filesystem::rename(tree.path("root/d"), tree.path("link"));
            std::filesystem::rename(tree.path("kept"), tree.path("root/d"));
        }
    });
    SourceHashOptions options;
    options.linked_dirs = false;
    options.threads = 1;
    int seen_outside = 0;
    int unexpected = 0;
    for (int i = 0; i < 300; ++i) {
        try {
            const auto entries = hash(tree.path("root"), options).entries;
            seen_outside += static_cast<int>(std::count_if(
                entries.begin(), entries.end(), [](const auto& entry) { return entry.digest != md5("inside"); }));
        } catch (const SourceHashError& error) {
            unexpected += error.kind() == Kind::NothingToHash ? 0 : 1;
        } catch (const Error& error) {
            unexpected += std::string(error.what()).find("root/d") == std::string::npos ? 1 : 0;
        }
    }
    done = true;
    swapper.join();
    CHECK(seen_outside == 0);
    CHECK(unexpected == 0);
}
