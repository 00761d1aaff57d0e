// Where a build reads: directories, tars, standard input (dockerfile.md section 5).
#include "cooper/build/build_source.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

/// Standard input and a spool; no network.
struct ContextWorld {
    Tree tree;
    TempDirectory spool;
    Environment environment{{}};
    std::string input;
    std::unique_ptr<MemorySource> input_source;

    SourceAccess access() {
        SourceAccess access;
        access.http = []() -> HttpClient& { throw Error(ErrorCode::Unavailable, "no network"); };
        access.input = [this]() -> Source& {
            input_source = std::make_unique<MemorySource>(input);
            return *input_source;
        };
        access.spool = [this] { return spool.path(); };
        access.environment = &environment;
        return access;
    }
    ContextTree open(const std::string& context, const std::string& dockerfile = "") {
        return open_context({context, dockerfile}, access(), Run());
    }
    ContextTree open_tree(const std::string& dockerfile = "") { return open(tree.path().string(), dockerfile); }
    ErrorCode fails(const std::string& context, const std::string& dockerfile = "") {
        return code_of([&] { open(context, dockerfile); });
    }
};

std::string text_of(const ContextTree& context, const std::string& name) {
    return read_file(context.root / name, 1000);
}

}  // namespace

TEST_CASE("contexts: a directory with its Dockerfile and ignore file", "[unit][build][source]") {
    ContextWorld world;
    world.tree.file("Dockerfile", "FROM scratch\n");
    world.tree.file(".dockerignore", "Dockerfile\n*.log\n");
    const auto context = world.open_tree();
    CHECK(context.root == world.tree.path());
    CHECK(context.dockerfile == "FROM scratch\n");
    CHECK(context.ignore.excludes("a.log"));
    CHECK(context.ignore.excludes("Dockerfile"));
    CHECK_FALSE(context.commit);

    const auto link = world.spool.path() / "link";  // a context may be a symlink
    std::filesystem::create_directory_symlink(world.tree.path(), link);
    CHECK(world.open(link.string()).dockerfile == "FROM scratch\n");
}

TEST_CASE("contexts: a Dockerfile's own ignore file counts instead of the context's", "[unit][build][source]") {
    ContextWorld world;
    world.tree.file("Dockerfile", "default");
    world.tree.file("Dockerfile.dockerignore", "b\n");
    world.tree.file("sub/Other", "other");
    world.tree.file("sub/Other.dockerignore", "c\n");
    world.tree.file(".dockerignore", "a\n");
    CHECK(world.open_tree().ignore.patterns() == std::vector<std::string>{"b"});
    CHECK(world.open_tree(world.tree.path("sub/Other").string()).ignore.patterns() == std::vector<std::string>{"c"});
    CHECK(world.open_tree(world.tree.path("sub/Other").string()).dockerfile == "other");
    CHECK(open_named_context(world.tree.path().string(), world.access(), Run()).ignore.patterns() ==
          std::vector<std::string>{"a"});
}

TEST_CASE("contexts: a missing Dockerfile says what there is", "[unit][build][source]") {
    ContextWorld world;
    world.tree.file("Dockerfile.dev", "");
    try {
        world.open_tree();
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::NotFound);
        CHECK(error.advice() == "name it with -f; there is Dockerfile.dev");
    }
    world.tree.file("dockerfile", "lower");
    CHECK(world.open_tree().dockerfile == "lower");
    CHECK(world.fails(world.tree.path().string(), "/absent/Dockerfile") == ErrorCode::NotFound);
    CHECK(world.fails("/absent/context") == ErrorCode::NotFound);
    CHECK(world.fails(world.tree.path("Dockerfile.dev").string()) == ErrorCode::InvalidInput);
}

TEST_CASE("contexts: a fifo or a link out of the context is no Dockerfile, and nobody waits", "[unit][build][source]") {
    ContextWorld world;
    REQUIRE(mkfifo(world.tree.path("Dockerfile").c_str(), 0600) == 0);
    CHECK(world.fails(world.tree.path().string()) == ErrorCode::NotFound);
    CHECK(world.fails(world.tree.path().string(), world.tree.path("Dockerfile").string()) == ErrorCode::InvalidInput);
    ContextWorld linked;
    const TempDirectory outside;
    write_file(outside.path() / "secret", "secret");
    linked.tree.symlink("Dockerfile", (outside.path() / "secret").string());
    CHECK(linked.fails(linked.tree.path().string()) == ErrorCode::NotFound);
}

TEST_CASE("contexts: the Dockerfile from standard input", "[unit][build][source]") {
    ContextWorld world;
    world.tree.file(".dockerignore", "a\n");
    world.input = "FROM input\n";
    const auto context = world.open_tree("-");
    CHECK(context.dockerfile == "FROM input\n");
    CHECK(context.ignore.excludes("a"));
    CHECK(world.fails("-", "-") == ErrorCode::InvalidInput);
}

TEST_CASE("contexts: a text on standard input is a Dockerfile without a context", "[unit][build][source]") {
    ContextWorld world;
    world.input = "FROM scratch\n";
    const auto context = world.open("-");
    CHECK(context.dockerfile == "FROM scratch\n");
    CHECK(std::filesystem::is_empty(context.root));
    CHECK(world.fails("-", "Other") == ErrorCode::InvalidInput);
}

TEST_CASE("contexts: tars from standard input, files and memory", "[unit][build][source]") {
    ContextWorld world;
    TarEntry script = tar_file("bin/run", "#!");
    script.mode = 0755;
    script.uid = 1234;
    TarEntry device;
    device.type = TarType::CharDevice;
    device.path = "dev/null";
    const std::string tar = tar_of({tar_file("./Dockerfile", "FROM tar\n"), tar_file("sub/Other", "FROM other\n"),
                                    tar_file("sub/Other.dockerignore", "x\n"), script, device,
                                    tar_symlink("link", "/etc/passwd"), tar_file("../../up", "up")});
    world.tree.file("context.tar", tar);
    world.input = tar;
    std::filesystem::path root;
    {
        const auto contexts = {world.open("-"), world.open(world.tree.path("context.tar").string()),
                               open_context(MemoryRanged(tar), "", world.access(), Run())};
        for (const auto& context : contexts) {
            CHECK(context.dockerfile == "FROM tar\n");
            CHECK(text_of(context, "bin/run") == "#!");
            CHECK(text_of(context, "up") == "up");
            CHECK(std::filesystem::is_symlink(context.root / "link"));
            CHECK_FALSE(std::filesystem::exists(context.root / "dev/null"));
            root = context.root;
        }
    }
    CHECK_FALSE(std::filesystem::exists(root));  // it goes with the last who holds it
    const auto other = world.open("-", "sub/Other");
    CHECK(other.dockerfile == "FROM other\n");
    CHECK(other.ignore.excludes("x"));
    CHECK(world.fails("-", "../absent") == ErrorCode::NotFound);
}

TEST_CASE("contexts: a tar with a way out of the directory is refused", "[unit][build][source]") {
    ContextWorld world;
    const TempDirectory outside;
    world.input =
        tar_of({tar_file("Dockerfile", ""), tar_symlink("out", outside.path().string()), tar_file("out/evil", "evil")});
    CHECK(world.fails("-") == ErrorCode::InvalidInput);
    CHECK(std::filesystem::is_empty(outside.path()));
}

TEST_CASE("contexts: what is larger than allowed is refused", "[unit][build][source]") {
    ContextWorld world;
    auto access = world.access();
    access.max_bytes = 5000;
    world.input = std::string(6000, 'x');
    CHECK(code_of([&] { open_context({"-", ""}, access, Run()); }) == ErrorCode::InvalidInput);
    StringSink sink(1 << 20);
    const auto gzip = gzip_compressing(sink);
    gzip->write(as_bytes(tar_of({tar_file("Dockerfile", ""), tar_file("bomb", std::string(100'000, '\0'))})));
    gzip->finish();
    world.input = sink.take();
    REQUIRE(world.input.size() < 5000);
    CHECK(code_of([&] { open_context({"-", ""}, access, Run()); }) == ErrorCode::InvalidInput);
}
