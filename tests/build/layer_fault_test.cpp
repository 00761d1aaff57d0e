#include "build/layer/read_ahead.hpp"
#include "build/layer/source_tree.hpp"
#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

bool holds_nothing(const std::filesystem::path& directory) {
    return std::filesystem::is_empty(directory);
}

/// Does something when the first bytes of the layer are reported.
class AtFirstProgress final : public Progress {
public:
    explicit AtFirstProgress(std::function<void()> action) : action_(std::move(action)) {}
    void advance(std::string_view, std::uint64_t) noexcept override {
        if (auto action = std::exchange(action_, nullptr)) {
            action();
        }
    }

private:
    std::function<void()> action_;
};

}  // namespace

TEST_CASE("layer: a missing or unreadable directory is named", "[unit][build][fault]") {
    LayerOptions options;
    options.directory = "/no/such/directory";
    CHECK(code_of([&] { make_layer(options); }) == ErrorCode::NotFound);
    CHECK_THROWS_WITH(make_layer(options), Catch::Contains("/no/such/directory"));
    const Tree tree;
    tree.file("file", "");
    options.directory = tree.path("file");
    CHECK_THROWS_WITH(make_layer(options), Catch::Contains("file"));
}

TEST_CASE("layer: an unreadable file is named and nothing stays in the spool", "[unit][build][fault]") {
    if (geteuid() == 0) {
        // Root reads everything: seteuid makes this a test for root as well.
        REQUIRE(seteuid(65534) == 0);
    }
    {
        const Tree tree;
        tree.file("a", "readable");
        tree.file("sub/locked", "secret", 0000);
        LayerOptions options;
        options.directory = tree.path();
        const TempDirectory spool;
        BaseTree base;
        const auto build = [&] { build_layer(options, base, spool.path(), {}); };
        CHECK(code_of(build) == ErrorCode::AccessDenied);
        CHECK_THROWS_WITH(build(), Catch::Contains("sub/locked"));
        CHECK(holds_nothing(spool.path()));
        chmod(tree.path("sub").c_str(), 0000);
        CHECK_THROWS_WITH(build(), Catch::Contains("sub"));
        chmod(tree.path("sub").c_str(), 0755);
    }
    if (getuid() == 0) {
        REQUIRE(seteuid(0) == 0);
    }
}

TEST_CASE("layer: a file that changes after it was listed is an integrity error that names it",
          "[unit][build][fault]") {
    const Tree tree;
    const std::string large(3 << 20, 'x');
    struct Case {
        std::string_view what;
        std::function<void()> change;
    };
    const Case cases[] = {
        {"grows", [&] { std::ofstream(tree.path("victim"), std::ios::app) << "more"; }},
        {"shrinks", [&] { std::filesystem::resize_file(tree.path("victim"), 3); }},
        {"is touched", [&] { tree.set_time("victim", Tree::kTime + 1); }},
        {"goes", [&] { std::filesystem::remove(tree.path("victim")); }},
        {"is replaced",
         [&] {
             tree.file("other", "content");
             std::filesystem::rename(tree.path("other"), tree.path("victim"));
         }},
        {"becomes a symlink",
         [&] {
             std::filesystem::remove(tree.path("victim"));
             tree.symlink("victim", "/etc/passwd");
         }},
        {"becomes a fifo",
         [&] {
             std::filesystem::remove(tree.path("victim"));
             REQUIRE(mkfifo(tree.path("victim").c_str(), 0600) == 0);
         }},
    };
    for (const auto& content : {std::string("content"), large}) {
        for (const auto& [what, change] : cases) {
            CAPTURE(what, content.size());
            std::filesystem::remove_all(tree.path("victim"));
            tree.file("victim", content);
            const SourceTree source(tree.path());
            const auto files = source.list({});
            REQUIRE(files.size() == 1);
            change();
            const auto read = [&] {
                ReadAhead ahead(source, {&files[0]});
                const auto file = ahead.next();
                StringSink sink(1 << 30);
                copy(*file.content, sink);
            };
            const auto code = code_of(read);
            const bool expected =
                code == ErrorCode::Integrity || (what == "becomes a symlink" && code == ErrorCode::InvalidInput);
            CHECK(expected);
            CHECK_THROWS_WITH(read(), Catch::Contains("victim"));
        }
    }
}

TEST_CASE("layer: a large file that changes while it is read leaves nothing in the spool", "[unit][build][fault]") {
    const Tree tree;
    tree.file("a", "first");
    tree.file("victim", std::string(32 << 20, 'x'));
    AtFirstProgress progress([&] { std::filesystem::resize_file(tree.path("victim"), 1000); });
    Run run;
    run.progress = &progress;
    LayerOptions options;
    options.directory = tree.path();
    const TempDirectory spool;
    BaseTree base;
    CHECK(code_of([&] { build_layer(options, base, spool.path(), run); }) == ErrorCode::Integrity);
    CHECK(holds_nothing(spool.path()));
}

TEST_CASE("layer: a stop request ends it and leaves nothing in the spool", "[unit][build][fault]") {
    const Tree tree;
    for (int i = 0; i < 300; ++i) {
        tree.file("f" + std::to_string(i), "content");
    }
    std::stop_source stop;
    AtFirstProgress progress([&] { stop.request_stop(); });
    Run run;
    run.progress = &progress;
    run.stop = stop.get_token();
    LayerOptions options;
    options.directory = tree.path();
    const TempDirectory spool;
    BaseTree base;
    CHECK_THROWS_AS(build_layer(options, base, spool.path(), run), Cancelled);
    CHECK(holds_nothing(spool.path()));
}

TEST_CASE("layer: a parent swapped for a symlink after listing leads nowhere", "[unit][build][fault]") {
    const Tree outside;
    outside.file("file", "secret");
    const Tree tree;
    tree.file("dir/file", "public");
    const SourceTree source(tree.path());
    const auto files = source.list({});
    std::filesystem::remove_all(tree.path("dir"));
    tree.symlink("dir", outside.path());
    ReadAhead ahead(source, {&files.at(1)});
    CHECK_THROWS_AS(ahead.next(), Error);
}
