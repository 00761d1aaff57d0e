#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/build/context.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

using namespace cooper;
using namespace cooper::build;
using Catch::Contains;
using cooper::testing::code_of;

namespace {

constexpr const char* kList = ".cooper-context";

class DirectoryNotices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override { texts.emplace_back(text); }
    std::vector<std::string> texts;
};

/// An output directory, and something to write into it.
struct Outputs {
    Outputs() {
        tree.file("a", "a");
        run.progress = &notices;
    }

    [[nodiscard]] BuildContext context(const std::string& dockerfile = "FROM scratch\n") const {
        ContextOptions options;
        options.root = tree.path();
        options.dockerfile = dockerfile;
        return BuildContext::make(options, {});
    }
    WrittenContext write(const std::string& name) { return ContextDirectory(path()).write(context(), name, run); }
    std::vector<std::string> clean() { return ContextDirectory(path()).clean(run); }
    [[nodiscard]] std::filesystem::path path(const std::string& name = "") const {
        return name.empty() ? top.path() / "out" : top.path() / "out" / name;
    }
    void file(const std::string& name, const std::string& text) const {
        std::filesystem::create_directories(path());
        std::ofstream(path(name), std::ios::binary) << text;
    }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> found;
        for (const auto& item : std::filesystem::directory_iterator(path())) {
            found.push_back(item.path().filename());
        }
        std::sort(found.begin(), found.end());
        return found;
    }

    TempDirectory top;
    cooper::testing::Tree tree;
    DirectoryNotices notices;
    Run run;
};

using Names = std::vector<std::string>;

/// A line as cooper writes it for a file that is there.
std::string list_line(const std::filesystem::path& file, const std::string& name) {
    struct stat status {};
    REQUIRE(lstat(file.c_str(), &status) == 0);
    const auto changed = status.st_ctim.tv_sec * 1'000'000'000L + status.st_ctim.tv_nsec;
    return sha256(read_file(file, 1 << 20)).text() + " " + std::to_string(status.st_size) + " " +
           std::to_string(status.st_ino) + " " + std::to_string(changed) + " " + name + "\n";
}

const std::string kHead = "cooper.context-list/v1\n";

}  // namespace

TEST_CASE("context directory: what was written is removed, what is foreign stays", "[unit][build]") {
    Outputs out;
    CHECK(out.clean().empty());
    CHECK_FALSE(std::filesystem::exists(out.path()));
    const auto written = out.write("one.tar.gz");
    CHECK(written.file == out.path("one.tar.gz"));
    out.write("two.tar.gz");
    out.file("mine.txt", "mine");
    std::filesystem::create_directory(out.path("three.tar.gz"));
    CHECK(out.clean() == Names{"one.tar.gz", "two.tar.gz"});
    CHECK(out.names() == Names{"mine.txt", "three.tar.gz"});
    CHECK(out.clean().empty());
    CHECK(out.notices.texts.empty());
}

TEST_CASE("context directory: what changed since is kept, and told once", "[unit][build]") {
    Outputs out;
    out.write("one.tar.gz");
    SECTION("other bytes") {
        out.file("one.tar.gz", "mine now");
    }
    SECTION("bytes added") {
        std::ofstream(out.path("one.tar.gz"), std::ios::app) << "x";
    }
    SECTION("a copy of itself") {
        std::filesystem::copy(out.path("one.tar.gz"), out.path("copy"));
        std::filesystem::rename(out.path("copy"), out.path("one.tar.gz"));
    }
    SECTION("a directory") {
        std::filesystem::remove(out.path("one.tar.gz"));
        std::filesystem::create_directory(out.path("one.tar.gz"));
    }
    SECTION("a link to a file that is the same") {
        std::filesystem::rename(out.path("one.tar.gz"), out.top.path() / "elsewhere");
        std::filesystem::create_symlink(out.top.path() / "elsewhere", out.path("one.tar.gz"));
    }
    SECTION("a fifo") {
        std::filesystem::remove(out.path("one.tar.gz"));
        REQUIRE(mkfifo(out.path("one.tar.gz").c_str(), 0600) == 0);
    }
    CHECK(out.clean().empty());
    CHECK(std::filesystem::exists(std::filesystem::symlink_status(out.path("one.tar.gz"))));
    REQUIRE(out.notices.texts.size() == 1);
    CHECK_THAT(out.notices.texts[0], Contains("one.tar.gz") && Contains("kept"));
    CHECK(out.clean().empty());
    CHECK(out.notices.texts.size() == 1);
}

TEST_CASE("context directory: a list that somebody else wrote removes nothing", "[unit][build]") {
    Outputs out;
    out.file("victim", "precious");
    std::ofstream(out.top.path() / "outside") << "precious";
    const auto digest = sha256("precious").text();
    struct stat status {};
    REQUIRE(lstat(out.path("victim").c_str(), &status) == 0);
    SECTION("by size and digest alone") {
        out.file(kList, kHead + digest + " 8 victim\n");
    }
    SECTION("with an inode that is guessed") {
        out.file(kList, kHead + digest + " 8 " + std::to_string(status.st_ino) + " 0 victim\n");
    }
    SECTION("out of the directory") {
        out.file(kList, kHead + list_line(out.top.path() / "outside", "../outside"));
    }
    SECTION("by an absolute path") {
        out.file(kList, kHead + list_line(out.path("victim"), out.path("victim").native()));
    }
    SECTION("the directory itself") {
        out.file(kList, kHead + digest + " 8 1 1 .\n" + digest + " 8 1 1 ..\n" + digest + " 8 1 1 \n");
    }
    SECTION("another head") {
        out.file(kList, "list\n" + list_line(out.path("victim"), "victim"));
    }
    SECTION("no text at all") {
        out.file(kList, std::string(100, '\0'));
    }
    SECTION("a link to a list that is right") {
        std::ofstream(out.top.path() / "list") << kHead + list_line(out.path("victim"), "victim");
        std::filesystem::create_symlink(out.top.path() / "list", out.path(kList));
    }
    SECTION("a directory") {
        std::filesystem::create_directory(out.path(kList));
    }
    SECTION("a fifo") {
        REQUIRE(mkfifo(out.path(kList).c_str(), 0600) == 0);
    }
    SECTION("larger than any") {
        out.file(kList, kHead + std::string(2 << 20, '\n'));
    }
    CHECK(out.clean().empty());
    CHECK(read_file(out.path("victim"), 100) == "precious");
    CHECK(read_file(out.top.path() / "outside", 100) == "precious");
}

TEST_CASE("context directory: the line that cooper writes is the one that removes", "[unit][build]") {
    Outputs out;
    out.write("one.tar.gz");
    CHECK(read_file(out.path(kList), 1000) == kHead + list_line(out.path("one.tar.gz"), "one.tar.gz"));
}

TEST_CASE("context directory: a symlinked directory is cleaned of what was written there", "[unit][build]") {
    Outputs out;
    std::filesystem::create_directory(out.top.path() / "real");
    std::ofstream(out.top.path() / "real" / "mine") << "mine";
    std::filesystem::create_directory_symlink("real", out.path());
    out.write("one.tar.gz");
    CHECK(out.clean() == Names{"one.tar.gz"});
    CHECK(std::filesystem::is_symlink(out.path()));
    CHECK(std::filesystem::exists(out.top.path() / "real" / "mine"));
    SECTION("it leads elsewhere now") {
        out.write("one.tar.gz");
        std::filesystem::create_directory(out.top.path() / "other");
        std::filesystem::copy(out.path("one.tar.gz"), out.top.path() / "other" / "one.tar.gz");
        std::filesystem::remove(out.path());
        std::filesystem::create_directory_symlink("other", out.path());
        CHECK(out.clean().empty());
        CHECK(std::filesystem::exists(out.top.path() / "other" / "one.tar.gz"));
    }
}

TEST_CASE("context directory: nothing foreign is written over", "[unit][build]") {
    Outputs out;
    SECTION("a file") {
        out.file("one.tar.gz", "mine");
        CHECK(code_of([&] { out.write("one.tar.gz"); }) == ErrorCode::InvalidInput);
        CHECK(read_file(out.path("one.tar.gz"), 100) == "mine");
    }
    SECTION("a link to nothing") {
        std::filesystem::create_directories(out.path());
        std::filesystem::create_symlink("nowhere", out.path("one.tar.gz"));
        CHECK(code_of([&] { out.write("one.tar.gz"); }) == ErrorCode::InvalidInput);
    }
    SECTION("one of ours that was changed") {
        out.write("one.tar.gz");
        out.file("one.tar.gz", "mine");
        CHECK(code_of([&] { out.write("one.tar.gz"); }) == ErrorCode::InvalidInput);
    }
    SECTION("one of ours is") {
        out.write("one.tar.gz");
        out.write("one.tar.gz");
        CHECK(out.names() == Names{kList, "one.tar.gz"});
        CHECK(out.clean() == Names{"one.tar.gz"});
    }
    SECTION("a list of somebody else") {
        out.file(kList, "notes");
        CHECK(code_of([&] { out.write("one.tar.gz"); }) == ErrorCode::InvalidInput);
        CHECK(read_file(out.path(kList), 100) == "notes");
    }
}

TEST_CASE("context directory: names are one component", "[unit][build]") {
    Outputs out;
    for (const auto* name : {"", ".", "..", "a/b", "/etc/x", "../x", ".cooper-context", "new\nline"}) {
        INFO(name);
        CHECK(code_of([&] { out.write(name); }) == ErrorCode::InvalidInput);
    }
    CHECK_FALSE(std::filesystem::exists(out.path()));
}

TEST_CASE("context directory: a file in its place is an error", "[unit][build]") {
    Outputs out;
    std::ofstream(out.path()) << "file";
    CHECK_THROWS_AS(out.write("one.tar.gz"), SystemError);
    CHECK_THROWS_AS(out.clean(), SystemError);
    CHECK(read_file(out.path(), 10) == "file");
}
