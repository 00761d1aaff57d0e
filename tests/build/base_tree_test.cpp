#include "build/tree_support.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

using Form = LayerSpec::Form;

BaseTree tree_of(const std::vector<std::vector<TarEntry>>& layers) {
    std::vector<LayerSpec> specs;
    for (const auto& layer : layers) {
        specs.push_back({specs.size() % 2 == 0 ? Form::Gzip : Form::Plain, tar_of(layer)});
    }
    return BaseTree::read(memory_image(specs), {});
}

/// A merged-/usr base, as Debian 12 has it.
BaseTree merged_usr() {
    return tree_of(
        {{tar_directory("usr"), tar_directory("usr/lib"), tar_directory("usr/bin"), tar_symlink("lib", "usr/lib"),
          tar_symlink("bin", "/usr/bin"), tar_directory("tmp"), tar_directory("etc"), tar_file("etc/passwd"),
          tar_directory("var"), tar_symlink("var/run", "/run"), tar_symlink("passwd", "etc/passwd")}});
}

Made layer_on(const BaseTree& base, const Tree& tree, const std::string& target = "/") {
    LayerOptions options;
    options.directory = tree.path();
    options.target = target;
    return make_layer(options, base);
}

}  // namespace

TEST_CASE("base: layers of any compression are merged, whiteouts hide what lies below", "[unit][build]") {
    const auto image = memory_image({
        {Form::Plain, tar_of({tar_directory("a"), tar_file("a/gone"), tar_file("a/stays"), tar_directory("b"),
                              tar_directory("b/deep"), tar_file("b/deep/file"), tar_file("b.sibling"),
                              tar_directory("c"), tar_file("c/old")})},
        {Form::Zstd, tar_of({tar_file("a/.wh.gone"), tar_file(".wh.b")})},
        {Form::Gzip,
         tar_of({tar_directory("c"), tar_file("c/new"), tar_file("c/.wh..wh..opq"), tar_file("./d/implied/file")})},
    });
    const auto tree = BaseTree::read(image, {});
    CHECK(tree.find("a/gone") == nullptr);
    CHECK(tree.find("a/stays") != nullptr);
    CHECK(tree.find("b") == nullptr);
    CHECK(tree.find("b/deep/file") == nullptr);
    CHECK(tree.find("b.sibling") != nullptr);
    CHECK(tree.find("c/old") == nullptr);
    // An opaque marker speaks of lower layers, wherever in its own it stands.
    REQUIRE(tree.find("c/new") != nullptr);
    REQUIRE(tree.find("d/implied") != nullptr);
    CHECK(tree.find("d/implied")->type == TarType::Directory);
    CHECK(tree.find("") == nullptr);
}

TEST_CASE("base: later layers change what a path is", "[unit][build]") {
    const auto tree = tree_of({{tar_directory("x"), tar_file("x/below"), tar_file("y"), tar_symlink("z", "x"),
                                tar_directory("w"), tar_file("w/f")},
                               {tar_file("x"), tar_directory("y"), tar_file("z/real"), tar_directory("w")}});
    CHECK(tree.find("x")->type == TarType::File);
    CHECK(tree.find("x/below") == nullptr);
    CHECK(tree.find("y")->type == TarType::Directory);
    CHECK(tree.find("z")->type == TarType::Directory);  // a lower symlink gives way to a real directory
    CHECK(tree.find("w/f") != nullptr);
}

TEST_CASE("base: a symlink of the same layer is followed", "[unit][build]") {
    const auto tree = tree_of({{tar_directory("usr"), tar_symlink("lib", "usr/lib"), tar_file("lib/x")}});
    CHECK(tree.find("lib")->type == TarType::Symlink);
    CHECK(tree.find("usr/lib/x") != nullptr);
}

TEST_CASE("base: an overlay whiteout device hides, aufs files do not", "[unit][build]") {
    TarEntry device;
    device.type = TarType::CharDevice;
    device.path = "file";
    const auto tree =
        tree_of({{tar_file("file"), tar_file("kept")}, {device, tar_file(".wh..wh.plnk"), tar_file(".wh..wh.aufs")}});
    CHECK(tree.find("file") == nullptr);
    CHECK(tree.find("kept") != nullptr);
    for (const auto* name : {".wh.", ".wh..", ".wh..."}) {
        CHECK(code_of([&] { tree_of({{tar_file(name)}}); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("base: parents are resolved inside the root", "[unit][build]") {
    auto tree = merged_usr();
    CHECK(tree.resolve_parents("lib/x") == "usr/lib/x");
    CHECK(tree.resolve_parents("bin/x") == "usr/bin/x");
    CHECK(tree.resolve_parents("lib") == "lib");
    CHECK(tree.resolve_parents("/lib//./x/") == "usr/lib/x");
    CHECK(tree.resolve_parents("new/dir/x") == "new/dir/x");
    CHECK(tree.resolve_parents("var/run/x") == "run/x");
    CHECK(tree.resolve_parents("../../lib/x") == "usr/lib/x");
    CHECK(code_of([&] { (void)tree.resolve_parents("etc/passwd/x"); }) == ErrorCode::InvalidInput);
    CHECK(code_of([&] { (void)tree.resolve_parents("passwd/x"); }) == ErrorCode::InvalidInput);

    tree.apply(tar_symlink("up", "../../../usr"));
    CHECK(tree.resolve_parents("up/x") == "usr/x");
    tree.apply(tar_symlink("usr/lib/arch", "."));
    CHECK(tree.resolve_parents("lib/arch/arch/x") == "usr/lib/x");
    tree.apply(tar_symlink("one", "two"));
    tree.apply(tar_symlink("two", "one"));
    CHECK_THROWS_WITH(tree.resolve_parents("one/x"), Catch::Contains("loop"));
    // A chain that doubles at every step must not take forever.
    for (int i = 0; i < 30; ++i) {
        const auto next = "c" + std::to_string(i + 1);
        tree.apply(tar_symlink("c" + std::to_string(i), next + "/../" + next));
    }
    CHECK(code_of([&] { (void)tree.resolve_parents("c0/x"); }) == ErrorCode::InvalidInput);
}

TEST_CASE("base: a blob or diff ID that does not agree is an integrity error", "[unit][build][fault]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const auto tar = tar_of({tar_file("file", "content")});
    const auto image = memory_image({{Form::Gzip, tar}}, &blobs);
    auto other = image;
    other.config.diff_ids[0] = sha256("another");
    CHECK(code_of([&] { BaseTree::read(other, {}); }) == ErrorCode::Integrity);
    CHECK_THROWS_WITH(BaseTree::read(other, {}), Catch::Contains("layer 1 of 1") && Catch::Contains("diff ID"));
    blobs->replace(image.manifest.layers[0].digest, gzip_text(tar_of({tar_file("file", "changed")})));
    CHECK(code_of([&] { BaseTree::read(image, {}); }) == ErrorCode::Integrity);
    // Bytes after the tar's end belong to the layer as well.
    const auto padded = memory_image({{Form::Gzip, tar + std::string(9000, '\0')}});
    CHECK(BaseTree::read(padded, {}).find("file") != nullptr);
}

TEST_CASE("base: hostile paths are bounded", "[unit][build]") {
    std::string deep;
    for (int i = 0; i < 600; ++i) {
        deep += "d/";
    }
    CHECK(code_of([&] { tree_of({{tar_file(deep + "f")}}); }) == ErrorCode::InvalidInput);
    BaseTree tree;
    tree.apply(tar_file("../../etc/passwd"));
    CHECK(tree.find("etc/passwd") != nullptr);
}

TEST_CASE("layer on a base: symlinked parents are followed, existing directories not repeated", "[unit][build]") {
    const Tree tree;
    tree.file("lib/x.so", "library");
    tree.file("tmp/t", "tmp keeps its mode");
    tree.file("opt/new/f", "new");
    tree.file("var/run/app/pid", "through a link to what is missing");
    CHECK(names_of(layer_on(merged_usr(), tree).tar) == std::vector<std::string>{"opt/", "opt/new/", "opt/new/f",
                                                                                 "run/", "run/app/", "run/app/pid",
                                                                                 "tmp/t", "usr/lib/x.so"});
}

TEST_CASE("layer on a base: a target below a symlink lands where the link leads", "[unit][build]") {
    const Tree tree;
    tree.file("f", "");
    CHECK(names_of(layer_on(merged_usr(), tree, "/lib/app").tar) ==
          std::vector<std::string>{"usr/lib/app/", "usr/lib/app/f"});
    CHECK(names_of(layer_on(merged_usr(), tree, "/lib").tar) == std::vector<std::string>{"usr/lib/f"});
    CHECK(names_of(layer_on(merged_usr(), tree, "/").tar) == std::vector<std::string>{"f"});
    CHECK(code_of([&] { layer_on(merged_usr(), tree, "/etc/passwd"); }) == ErrorCode::InvalidInput);
    CHECK(code_of([&] { layer_on(merged_usr(), tree, "/passwd/x"); }) == ErrorCode::InvalidInput);
}

TEST_CASE("layer on a base: two ways to one path are refused by name, two directories merge", "[unit][build]") {
    const Tree tree;
    tree.file("lib/a", "");
    tree.file("usr/lib/b", "");
    tree.file("var/run/x/a", "");
    tree.file("run/x/b", "");
    CHECK(names_of(layer_on(merged_usr(), tree).tar) ==
          std::vector<std::string>{"run/", "run/x/", "run/x/a", "run/x/b", "usr/lib/a", "usr/lib/b"});
    tree.file("usr/lib/a", "");
    CHECK_THROWS_WITH(layer_on(merged_usr(), tree), Catch::Contains("lib/a") && Catch::Contains("/usr/lib/a"));
}

TEST_CASE("layer on a base: files and directories may take each other's place", "[unit][build]") {
    const Tree tree;
    tree.file("tmp", "a file now");
    tree.file("etc/passwd/entry", "a directory now");
    tree.symlink("usr/bin", "elsewhere");
    CHECK(names_of(layer_on(merged_usr(), tree).tar) ==
          std::vector<std::string>{"etc/passwd/", "etc/passwd/entry", "tmp", "usr/bin"});
}

TEST_CASE("layer on a base: nothing may lie below what the layer makes a file", "[unit][build]") {
    const Tree tree;
    tree.symlink("run", "/tmp");              // becomes /run
    tree.file("var/run/app/pid", "content");  // the base's link leads to /run/app/pid
    CHECK(code_of([&] { layer_on(merged_usr(), tree); }) == ErrorCode::InvalidInput);
}

TEST_CASE("layer on a base: the second layer sees the first", "[unit][build]") {
    const Tree first;
    first.symlink("current", "releases/1");
    first.directory("releases/1");
    const Tree second;
    second.file("current/app", "");
    const TempDirectory spool;
    BaseTree base;
    LayerOptions options;
    options.directory = first.path();
    build_layer(options, base, spool.path(), {});
    options.directory = second.path();
    CHECK(names_of(unpacked(build_layer(options, base, spool.path(), {}).file)) ==
          std::vector<std::string>{"releases/1/app"});
}
