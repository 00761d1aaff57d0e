#include "cooper/build/edit.hpp"

#include "cooper/base/files.hpp"
#include "cooper/oci/docker_archive.hpp"

#include "build/tree_support.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

#include <cstdlib>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

using Form = LayerSpec::Form;

/// `config` wrapped around what an edit sees of it.
std::string edited(const std::string& container, const ConfigEdit& edit) {
    const auto before = R"({"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","config":)" +
                        container + R"(,"rootfs":{"type":"layers","diff_ids":[]}})";
    const auto raw = append(image_of_config(before), {}, edit).config.raw;
    const auto begin = raw.find(R"("config":)") + 9;
    return raw.substr(begin, raw.find(R"(,"rootfs")") - begin);
}

BuiltLayer layer_of(const Tree& tree, const TempDirectory& spool, const std::string& target = "/") {
    LayerOptions options;
    options.directory = tree.path();
    options.target = target;
    options.epoch = 0;
    BaseTree base;
    return build_layer(options, base, spool.path(), {});
}

/// Compares with a golden file; COOPER_ACCEPT=1 writes it anew.
void check_golden(const std::string& name, const std::string& text) {
    const auto path = std::filesystem::path(COOPER_GOLDEN) / "build" / "edit" / name;
    if (std::getenv("COOPER_ACCEPT") != nullptr) {
        write_file(path, text);
        WARN("SKIPPED: wrote " << path);
        return;
    }
    CHECK(text == read_file(path, 1 << 20));
}

}  // namespace

TEST_CASE("edit: a config keeps unknown members, order, numbers and spacing", "[unit][build][golden]") {
    const auto golden = std::filesystem::path(COOPER_GOLDEN) / "build" / "edit";
    const TempDirectory spool;
    const Tree tree;
    tree.file("file", "content");
    const auto layer = layer_of(tree, spool, "/opt/app");
    ConfigEdit edit;
    edit.env = {{"PATH", "/opt/app/bin:/usr/bin"}, {"NEW", "a=b <&>"}};
    edit.entrypoint = {"/opt/app/run", "--flag"};
    edit.workdir = "/opt/app";
    edit.labels = {{"z.label", "last"}, {"maintainer", "new \"quoted\""}, {"a.label", "first"}};
    edit.created = TimePoint(std::chrono::seconds(1'700'000'000));
    for (const auto* name : {"docker", "spaced", "minimal"}) {
        const auto base_config = read_file(golden / (std::string(name) + ".json"), 1 << 20);
        const auto base = image_of_config(base_config);
        check_golden(std::string(name) + ".expected.json", append(base, {layer}, edit).config.raw);
    }
}

TEST_CASE("edit: nothing to do changes the creation time alone", "[unit][build]") {
    const auto before =
        R"({"architecture":"amd64","os":"linux","created":"2020-01-01T00:00:00Z","rootfs":{"type":"layers","diff_ids":[]}})"s;
    const auto image = append(image_of_config(before), {}, {});
    CHECK(
        image.config.raw ==
        R"({"architecture":"amd64","os":"linux","created":"1970-01-01T00:00:00Z","rootfs":{"type":"layers","diff_ids":[]}})");
}

TEST_CASE("edit: variables keep their places", "[unit][build]") {
    ConfigEdit edit;
    edit.env = {{"B", "2"}, {"C", "3"}, {"B", "4"}};
    CHECK(edited(R"({"Env":["A=1","B=0","AB=5"]})", edit) == R"({"Env":["A=1","B=4","AB=5","C=3"]})");
    CHECK(edited(R"({"Env":null,"User":"me"})", edit) == R"({"Env":["B=4","C=3"],"User":"me"})");
    CHECK(edited(R"({"Env":["B"]})", edit) == R"({"Env":["B=4","C=3"]})");
    CHECK(edited("null", edit) == R"({"Env":["B=4","C=3"]})");
    for (const auto& name : {""s, "A=B"s, "A\0"s, "\xff"s}) {
        edit.env = {{name, "value"}};
        CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
    }
    edit.env = {{"A", "\xff"}};
    CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
}

TEST_CASE("edit: an entrypoint resets the command unless one is given", "[unit][build]") {
    ConfigEdit edit;
    edit.entrypoint = {"/run"};
    CHECK(edited(R"({"Cmd":["old"],"Entrypoint":["sh"]})", edit) == R"({"Cmd":null,"Entrypoint":["/run"]})");
    CHECK(edited("{}", edit) == R"({"Entrypoint":["/run"]})");
    edit.cmd = {"new"};
    CHECK(edited(R"({"Cmd":["old"]})", edit) == R"({"Cmd":["new"],"Entrypoint":["/run"]})");
    edit.entrypoint.reset();
    CHECK(edited(R"({"Cmd":["old"],"Entrypoint":["sh"]})", edit) == R"({"Cmd":["new"],"Entrypoint":["sh"]})");
    edit.cmd = std::vector<std::string>();
    CHECK(edited(R"({"Cmd":["old"]})", edit) == R"({"Cmd":[]})");
}

TEST_CASE("edit: workdir, user and labels", "[unit][build]") {
    ConfigEdit edit;
    edit.workdir = "/srv";
    edit.user = "1000:1000";
    edit.labels = {{"b", "2"}, {"a", "1"}, {"known", "new"}};
    CHECK(edited(R"({"Labels":{"known":"old","other":"x"}})", edit) ==
          R"({"Labels":{"known":"new","other":"x","a":"1","b":"2"},"WorkingDir":"/srv","User":"1000:1000"})");
    edit.workdir = "srv";
    CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
    edit = {};
    edit.labels = {{"", "x"}};
    CHECK(code_of([&] { edited("{}", edit); }) == ErrorCode::InvalidInput);
}

TEST_CASE("edit: a config whose members are of another kind is refused", "[unit][build]") {
    ConfigEdit edit;
    edit.env = {{"A", "1"}};
    edit.labels = {{"a", "1"}};
    for (const auto* container : {"[]", "1", R"({"Env":{}})", R"({"Env":[1]})", R"({"Labels":[]})"}) {
        CAPTURE(container);
        CHECK(code_of([&] { edited(container, edit); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("append: history tells of each layer and of the edit, without values", "[unit][build]") {
    const TempDirectory spool;
    const Tree tree;
    tree.file("file", "content");
    const auto layer = layer_of(tree, spool, "opt/app");
    ConfigEdit edit;
    edit.env = {{"TOKEN", "hunter2"}};
    edit.labels = {{"a", "b"}};
    edit.user = "me";
    const auto scratch = scratch_image(oci::Platform::parse("linux/arm64"));
    const auto image = append(scratch, {layer, layer}, edit);
    CHECK(
        image.config.raw.find(
            R"("history":[{"created":"1970-01-01T00:00:00Z","created_by":"cooper append /opt/app"},)"
            R"({"created":"1970-01-01T00:00:00Z","created_by":"cooper append /opt/app"},)"
            R"({"created":"1970-01-01T00:00:00Z","created_by":"cooper append: env TOKEN, user, label a","empty_layer":true}])") !=
        std::string::npos);
    const auto history = image.config.raw.substr(image.config.raw.find("history"));
    CHECK(history.find("hunter2") == std::string::npos);
    CHECK(image.config.has_history);
    CHECK(image.config.non_empty_history == 2);
    CHECK(image.config.diff_ids.size() == 2);
    CHECK(image.config.platform == oci::Platform::parse("linux/arm64"));

    SECTION("a base with layers and no history stays without") {
        const auto base = memory_image({{Form::Gzip, tar_of({tar_file("x")})}});
        const auto appended = append(base, {layer}, edit);
        CHECK(appended.config.raw.find("history") == std::string::npos);
        CHECK(appended.config.diff_ids.size() == 2);
    }
    SECTION("a base with history gets more of it") {
        const auto base =
            memory_image({{Form::Gzip, tar_of({tar_file("x")})}}, nullptr, R"("history":[{"created_by":"base"}],)");
        const auto appended = append(base, {layer}, {});
        CHECK(appended.config.non_empty_history == 2);
        CHECK(appended.config.raw.find(R"([{"created_by":"base"},{"created")") != std::string::npos);
    }
}

TEST_CASE("append: a schema 2 base becomes an OCI image with the same blobs", "[unit][build]") {
    std::shared_ptr<MemoryBlobs> blobs;
    auto base = memory_image({{Form::Gzip, tar_of({tar_file("x")})}, {Form::Plain, tar_of({tar_file("y")})}}, &blobs);
    auto manifest =
        R"({"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":{"mediaType":")" +
        std::string(oci::media_type::kDockerConfig) + R"(","size":)" + std::to_string(base.config.raw.size()) +
        R"(,"digest":")" + base.config.image_id().text() + R"("},"layers":[)";
    for (int i = 0; i < 2; ++i) {
        const auto& layer = base.manifest.layers[static_cast<std::size_t>(i)];
        manifest += (i > 0 ? "," : "") + R"({"mediaType":")"s +
                    std::string(i == 0 ? oci::media_type::kDockerLayerGzip : oci::media_type::kDockerLayer) +
                    R"(","size":)" + std::to_string(layer.size) + R"(,"digest":")" + layer.digest.text() + R"("})";
    }
    base.manifest = oci::Manifest::parse(oci::classify_manifest(manifest + "]}", oci::media_type::kDockerManifest).raw);

    const TempDirectory spool;
    const Tree tree;
    tree.file("z", "content");
    const auto layer = layer_of(tree, spool);
    const auto image = append(base, {layer}, {});
    CHECK(image.manifest.raw.media_type == oci::media_type::kOciManifest);
    CHECK(image.manifest.raw.digest == sha256(image.manifest.raw.bytes));
    CHECK(image.manifest.config.media_type == oci::media_type::kOciConfig);
    CHECK(image.manifest.config.digest == image.config.image_id());
    REQUIRE(image.manifest.layers.size() == 3);
    CHECK(image.manifest.layers[0].media_type == oci::media_type::kOciLayerGzip);
    CHECK(image.manifest.layers[1].media_type == oci::media_type::kOciLayer);
    CHECK(image.manifest.layers[0].digest == base.manifest.layers[0].digest);
    CHECK(image.manifest.layers[2] == layer.descriptor);
    // Every blob opens: the base's from its place, ours from the spool; and the whole reads as an image again.
    const auto merged = BaseTree::read(image, {});
    for (const auto* name : {"x", "y", "z"}) {
        CHECK(merged.find(name) != nullptr);
    }
    const auto plan = oci::ArchivePlan::make({{image, {"docker.io/library/app:1"}}});
    CHECK(plan.size() > layer.descriptor.size);
}

TEST_CASE("append: manifest annotations and those of kept layers stay", "[unit][build]") {
    const auto plain = memory_image({{Form::Gzip, tar_of({tar_file("x")})}});
    auto text = plain.manifest.raw.bytes;
    text.insert(text.rfind("}]}"), R"(,"annotations":{"toc":"digest"})");
    text.insert(text.size() - 1, R"(, "annotations":{"org.example":"kept"}, "x-unknown": 1.10 )");
    const auto image = append(with_manifest(plain, text), {}, {});
    CHECK(image.manifest.annotations.at("org.example") == "kept");
    CHECK(image.manifest.layers[0].annotations.at("toc") == "digest");
    CHECK(image.manifest.raw.bytes.ends_with(R"(, "annotations":{"org.example":"kept"}, "x-unknown": 1.10 })"));
}

TEST_CASE("append: scratch is an image of its platform without layers", "[unit][build]") {
    const auto image = scratch_image(oci::Platform::parse("linux/arm/v6"));
    image.check();
    CHECK(image.config.raw ==
          R"({"architecture":"arm","os":"linux","variant":"v6","config":{},"rootfs":{"type":"layers","diff_ids":[]}})");
    CHECK(image.manifest.layers.empty());
    CHECK(image.manifest.config.digest == image.config.image_id());
    CHECK(read_all(*image.blobs->open(image.manifest.config, 0, {}), 1 << 20, "config") == image.config.raw);
    CHECK(code_of([&] {
              (void)image.blobs->open({"", sha256("x"), 1, {}, {}, {}, {}}, 0, {});
          }) == ErrorCode::NotFound);
    CHECK(scratch_image(oci::Platform::parse("linux/arm/v6")).manifest.raw.digest == image.manifest.raw.digest);
}

TEST_CASE("append: more layers than an image may have are refused", "[unit][build]") {
    const TempDirectory spool;
    const Tree tree;
    const std::vector<BuiltLayer> layers(oci::kMaxLayers + 1, layer_of(tree, spool));
    CHECK(code_of([&] { append(scratch_image(oci::Platform::host()), layers, {}); }) == ErrorCode::InvalidInput);
}
