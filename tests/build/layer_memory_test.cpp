// Layers that are not made again: when they are found, when they must not be, and that bytes never differ.
#include "build/tree_support.hpp"
#include "support/fake_clock.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>
#include <sys/xattr.h>
#include <unistd.h>

#include <chrono>
#include <random>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::chrono_literals;

namespace {

/// A tree, and a directory that stands for the store. The clock is an hour ahead, so that what a test has just written
/// is old enough.
struct Scene {
    Scene() {
        clock.advance(
            std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - clock.now() + 1h));
        run.clock = &clock;
        options.directory = tree.path();
        options.target = "/app";
        for (const auto* name : {"a", "b/c", "b/d"}) {
            tree.file(name, name);
        }
        tree.symlink("link", "a");
    }

    [[nodiscard]] std::filesystem::path blob_file(const Digest& blob) const { return store.path() / blob.hex(); }
    [[nodiscard]] std::filesystem::path memory_directory() const { return store.path() / "memory"; }

    LayerMemory memory() {
        LayerMemory memory;
        memory.directory = memory_directory();
        memory.find = [this](const Digest& blob) -> std::optional<std::filesystem::path> {
            const auto file = blob_file(blob);
            return std::filesystem::exists(file) ? std::optional(file) : std::nullopt;
        };
        memory.keep = [this](const Digest& blob, const std::filesystem::path& file) {
            std::filesystem::rename(file, blob_file(blob));
        };
        return memory;
    }

    /// A layer on `base` with the memory, equal in bytes to what is made without one.
    BuiltLayer build(const oci::Image& base = memory_image({})) {
        LayerBuilder builder(base, spool.path(), memory());
        auto layer = builder.add(options, run);
        const TempDirectory other;
        LayerBuilder plain(base, other.path());
        const auto expected = plain.add(options, run);
        CHECK(layer.descriptor == expected.descriptor);
        CHECK(layer.diff_id == expected.diff_id);
        CHECK(layer.tar_size == expected.tar_size);
        CHECK(layer.files == expected.files);
        CHECK(layer.target == options.target);
        CHECK(layer.descriptor.digest == sha256(read_file(layer.file, 1 << 20)));
        return layer;
    }
    bool reuses(const oci::Image& base = memory_image({})) { return build(base).reused; }

    /// All memories with this ending.
    [[nodiscard]] std::vector<std::filesystem::path> memories(std::string_view suffix) const {
        std::vector<std::filesystem::path> found;
        for (const auto& item : std::filesystem::directory_iterator(memory_directory())) {
            if (item.path().native().ends_with(suffix)) {
                found.push_back(item.path());
            }
        }
        return found;
    }

    Tree tree;
    TempDirectory store, spool;
    FakeClock clock;
    Run run;
    LayerOptions options;
};

oci::Image image_with(const std::vector<TarEntry>& entries, std::shared_ptr<MemoryBlobs>* blobs = nullptr) {
    return memory_image({{LayerSpec::Form::Gzip, tar_of(entries)}}, blobs);
}

}  // namespace

TEST_CASE("layer memory: an unchanged directory is found again, with all that is known of its layer", "[unit][build]") {
    Scene scene;
    const auto first = scene.build();
    CHECK_FALSE(first.reused);
    CHECK(first.file == scene.blob_file(first.descriptor.digest));
    CHECK(std::filesystem::is_empty(scene.spool.path()));
    const auto second = scene.build();
    CHECK(second.reused);
    CHECK(second.compressor == first.compressor);
    CHECK(second.compressor == gzip_fingerprint());
    CHECK(second.file == first.file);
}

TEST_CASE("layer memory: whatever could change the layer makes it anew", "[unit][build]") {
    Scene scene;
    REQUIRE_FALSE(scene.reuses());
    struct Case {
        std::string what;
        std::function<void()> change;
    };
    const auto& tree = scene.tree;
    auto& options = scene.options;
    const Case cases[] = {
        {"content of the same size and time", [&] { tree.file("a", "z"); }},
        {"a new file", [&] { tree.file("new", ""); }},
        {"a file gone", [&] { std::filesystem::remove(tree.path("b/d")); }},
        {"a mode", [&] { chmod(tree.path("a").c_str(), 0755); }},
        {"a time", [&] { tree.set_time("a", Tree::kTime + 1); }},
        {"a time below the second", [&] { tree.set_time("a", Tree::kTime, 5); }},
        {"a link's target",
         [&] {
             std::filesystem::remove(tree.path("link"));
             tree.symlink("link", "b");
         }},
        {"a directory's time", [&] { tree.set_time("b", Tree::kTime + 7); }},
        {"another file of the same content",
         [&] {
             tree.file("other", "z");
             std::filesystem::rename(tree.path("other"), tree.path("a"));
         }},
        {"a second name", [&] { tree.hard_link("b/second", "a"); }},
        {"the target", [&] { options.target = "/srv"; }},
        {"the owner", [&] { options.uid = 5; }},
        {"the group", [&] { options.gid = 5; }},
        {"the epoch", [&] { options.epoch = Tree::kTime - 9; }},
        {"modes as they are", [&] { options.preserve_modes = true; }},
        {"owners as they are", [&] { options.preserve_owners = true; }},
        {"gzip's level", [&] { options.compression.gzip.level = GzipOptions::Level::Small; }},
        {"zstd", [&] { options.compression.kind = Compression::Zstd; }},
        {"zstd's level", [&] { options.compression.zstd.level = 5; }},
        {"no compression", [&] { options.compression.kind = Compression::None; }},
    };
    for (const auto& [what, change] : cases) {
        CAPTURE(what);
        change();
        CHECK_FALSE(scene.reuses());
        CHECK(scene.reuses());
    }
    options.compression.gzip.threads = 1;  // decides no bytes
    CHECK(scene.reuses());
}

TEST_CASE("layer memory: attributes of files and directories count", "[unit][build]") {
    Scene scene;
    if (setxattr(scene.tree.path("a").c_str(), "user.cooper", "1", 1, 0) != 0) {
        WARN("SKIPPED: the file system of temporary files has no user attributes");
        return;
    }
    REQUIRE_FALSE(scene.reuses());
    for (const auto* path : {"a", "b"}) {
        setxattr(scene.tree.path(path).c_str(), "user.cooper", path, 1, 0);
        CHECK_FALSE(scene.reuses());
        CHECK(scene.reuses());
    }
}

TEST_CASE("layer memory: a file as young as the layer is not believed to be unchanged", "[unit][build]") {
    Scene scene;
    scene.clock.advance(
        std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::system_clock::now() - scene.clock.now()));
    scene.tree.file("young", "now");
    scene.tree.set_time("young", Tree::kTime);  // its ctime tells
    CHECK_FALSE(scene.reuses());
    CHECK_FALSE(scene.reuses());
    scene.clock.advance(1h);
    CHECK_FALSE(scene.reuses());  // nothing was remembered while it was young
    CHECK(scene.reuses());
    scene.clock.advance(-2h);  // set back: now the files are of the future
    CHECK_FALSE(scene.reuses());
}

TEST_CASE("layer memory: on another base it is found by the places of its files", "[unit][build]") {
    Scene scene;
    const auto base = image_with({tar_directory("etc"), tar_file("etc/version", "1")});
    const auto updated = image_with({tar_directory("etc"), tar_file("etc/version", "2")});
    const auto with_target = image_with({tar_directory("app"), tar_file("etc/version", "3")});
    const auto with_link = image_with({tar_directory("opt"), tar_symlink("app", "opt")});
    REQUIRE_FALSE(scene.reuses(base));
    CHECK(scene.reuses(updated));
    CHECK_FALSE(scene.reuses(with_target));  // /app is there: no entry for it
    CHECK_FALSE(scene.reuses(with_link));    // all of it lands in /opt
    for (const auto* image : {&base, &updated, &with_target, &with_link}) {
        CHECK(scene.reuses(*image));
    }
}

TEST_CASE("layer memory: a base that was seen before is not read again", "[unit][build]") {
    Scene scene;
    std::shared_ptr<MemoryBlobs> blobs;
    const auto base = image_with({tar_directory("usr"), tar_symlink("app", "usr")}, &blobs);
    const auto add = [&] {
        const TempDirectory spool;
        LayerBuilder builder(base, spool.path(), scene.memory());
        return builder.add(scene.options, scene.run).reused;
    };
    CHECK_FALSE(add());
    CHECK(blobs->opened() == 1);
    CHECK(add());  // neither the layer nor the base
    CHECK(blobs->opened() == 1);
    scene.tree.file("changed", "");
    CHECK_FALSE(add());  // the layer, but not the base
    CHECK(blobs->opened() == 1);
}

TEST_CASE("layer memory: layers on layers are found as well, and made on what was found", "[unit][build]") {
    Scene scene;
    const Tree links;
    links.symlink("data", "real");
    links.directory("real");
    links.set_all_times(Tree::kTime);
    const Tree onto;
    onto.file("data/file", "lands in /real");
    const auto add = [&](bool expect_first, bool expect_second) {
        const TempDirectory spool;
        LayerBuilder builder(memory_image({}), spool.path(), scene.memory());
        LayerOptions options;
        options.directory = links.path();
        CHECK(builder.add(options, scene.run).reused == expect_first);
        options.directory = onto.path();
        const auto second = builder.add(options, scene.run);
        CHECK(second.reused == expect_second);
        CHECK(names_of(unpacked(second.file)) == std::vector<std::string>{"real/file"});
    };
    add(false, false);
    add(true, true);
    onto.file("data/file", "changed, on a first layer that is only remembered");
    add(true, false);
    for (const auto& file : scene.memories(".paths")) {
        std::filesystem::remove(file);
    }
    onto.file("data/file", "its paths are read from its blob then");
    add(true, false);
    links.set_time("data", Tree::kTime + 1);
    add(false, true);  // the second is found by its places
}

TEST_CASE("layer memory: what is damaged, foreign, cut or gone is not believed", "[unit][build]") {
    Scene scene;
    const auto base = image_with({tar_directory("opt"), tar_symlink("app", "opt")});
    const auto layer = scene.build(base);
    REQUIRE(scene.reuses(base));
    std::minstd_rand random(5);

    SECTION("bits of memories") {
        for (const std::string_view suffix : {".layer", ".paths"}) {
            for (int i = 0; i < 20; ++i) {
                for (const auto& file : scene.memories(suffix)) {
                    auto text = read_file(file, 1 << 20);
                    text[random() % text.size()] ^= static_cast<char>(1U << random() % 8);
                    write_file(file, text, 0600);
                }
                CHECK(scene.reuses(base) == (suffix == ".paths"));
            }
        }
    }
    SECTION("writable by others") {
        for (const auto& file : scene.memories(".layer")) {
            chmod(file.c_str(), 0622);
        }
        CHECK_FALSE(scene.reuses(base));
    }
    SECTION("a blob gone") {
        std::filesystem::remove(layer.file);
        CHECK_FALSE(scene.reuses(base));
        CHECK(scene.reuses(base));
    }
    SECTION("a blob cut") {
        std::filesystem::resize_file(layer.file, layer.descriptor.size - 1);
        CHECK_FALSE(scene.reuses(base));
    }
    SECTION("memories of other things under the right names") {
        const auto files = scene.memories(".paths");
        REQUIRE(files.size() == 2);
        const auto one = read_file(files[0], 1 << 20), other = read_file(files[1], 1 << 20);
        write_file(files[0], std::string("cooper layer paths 9\n") + std::string(32, '\0'), 0600);
        write_file(files[1], "", 0600);
        scene.tree.file("new", "");
        CHECK_FALSE(scene.reuses(base));
        CHECK((read_file(files[0], 1 << 20) == one || read_file(files[1], 1 << 20) == other));
    }
}

TEST_CASE("layer memory: without a place to remember layers are made all the same", "[unit][build]") {
    Scene scene;
    scene.tree.file("more", "");
    SECTION("the directory is a file") {
        write_file(scene.memory_directory(), "");
        CHECK_FALSE(scene.reuses());
        CHECK_FALSE(scene.reuses());
    }
    SECTION("the store refuses") {
        auto memory = scene.memory();
        memory.keep = [](const Digest&, const std::filesystem::path&) {
            throw Error(ErrorCode::System, "no space left on device");
        };
        LayerBuilder builder(memory_image({}), scene.spool.path(), memory);
        const auto layer = builder.add(scene.options, scene.run);
        CHECK(layer.file.parent_path() == scene.spool.path());
        CHECK(layer.descriptor.digest == sha256(read_file(layer.file, 1 << 20)));
    }
}

TEST_CASE("layer memory: the same blob with another diff ID is read, and found out", "[unit][build]") {
    Scene scene;
    const auto base = image_with({tar_directory("opt")});
    REQUIRE_FALSE(scene.reuses(base));
    auto lying = base;
    lying.config.diff_ids[0] = sha256("another tar");
    LayerBuilder builder(lying, scene.spool.path(), scene.memory());
    scene.tree.file("new", "");
    CHECK(code_of([&] { builder.add(scene.options, scene.run); }) == ErrorCode::Integrity);
}
