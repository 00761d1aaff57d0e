// A real engine, found by the environment as the command finds it. Hidden: tests/integration/test_engine.py starts
// engines and runs these against each of them.
#include "cooper/base/files.hpp"
#include "cooper/base/tar.hpp"
#include "cooper/oci/archive_reader.hpp"
#include "cooper/oci/engine.hpp"

#include "base/http_support.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

#include <algorithm>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

std::string tar_of(const std::string& path, const std::string& content) {
    StringSink sink(64 << 20);
    TarWriter tar(sink);
    TarEntry entry;
    entry.path = path;
    entry.size = content.size();
    entry.mtime = 1'700'000'000;
    MemorySource source{std::string_view(content)};
    tar.add(entry, source);
    tar.finish();
    return sink.take();
}

/// An image of its own for each `name`, so that no test finds another's.
std::vector<LayerSpec> layers_of(const std::string& name, std::size_t count = 3) {
    std::vector<LayerSpec> layers;
    for (std::size_t i = 0; i < count; ++i) {
        layers.push_back({i % 2 == 0 ? LayerSpec::Form::Gzip : LayerSpec::Form::Plain,
                          tar_of("layer" + std::to_string(i), name + random_bytes(50'000, static_cast<unsigned>(i)))});
    }
    return layers;
}

class Engine {
public:
    [[nodiscard]] EngineClient& client() { return client_; }
    [[nodiscard]] EngineImage inspect(const std::string& name) {
        CAPTURE(name);
        const auto found = client_.find(name, {});
        REQUIRE(found);
        return *found;
    }
    EngineClient::Loaded load(const std::vector<ArchiveImage>& images, ArchiveFormat format = ArchiveFormat::Hybrid) {
        return client_.load(images, ArchivePlan::make(images, format), "", {});
    }
    ArchiveFile save(const std::vector<std::string>& names) {
        const auto path = directory_.path() / "saved.tar";
        AtomicFile file(path);
        client_.save(names, file, std::nullopt, {});
        file.commit();
        return ArchiveFile::open(path, directory_.path(), {});
    }

private:
    Environment environment_ = Environment::process();
    TempDirectory directory_;
    std::unique_ptr<HttpClient> http_ = make_http_client({}, environment_);
    EngineClient client_{*http_, EngineEndpoint::find(environment_)};
};

/// The engine's own ID of an image that was loaded from a hybrid archive.
bool is_id_of(const Image& image, const std::string& id) {
    return id == image.config.image_id().text() || id == image.manifest.raw.digest.text();
}

}  // namespace

TEST_CASE("real engine: what was loaded is saved again, the same image", "[.engine]") {
    Engine engine;
    const Image image = memory_image(layers_of("round trip"));
    const auto format = GENERATE(ArchiveFormat::Hybrid, ArchiveFormat::Docker);
    engine.load({{image, {"docker.io/acme/round:1", "registry.example/acme/trip:2"}}}, format);
    for (const char* const name : {"acme/round:1", "registry.example/acme/trip:2"}) {
        const EngineImage found = engine.inspect(name);
        REQUIRE(found.diff_ids == image.config.diff_ids);
        REQUIRE(found.platform.text() == "linux/amd64");
        REQUIRE((format == ArchiveFormat::Docker || is_id_of(image, found.id)));
        REQUIRE(std::any_of(found.repo_tags.begin(), found.repo_tags.end(),
                            [&](const std::string& tag) { return contains(tag, name); }));
        const ArchiveFile saved = engine.save({name});
        REQUIRE(saved.images().size() == 1);
        REQUIRE(saved.images()[0].image_id == image.config.image_id());
        REQUIRE(saved.image(0, {}).config.raw == image.config.raw);
    }
}

TEST_CASE("real engine: several images in one archive, in and out", "[.engine]") {
    Engine engine;
    std::vector<LayerSpec> shared = layers_of("first");
    const Image first = memory_image(shared);
    shared.push_back({LayerSpec::Form::Gzip, tar_of("more", "more")});
    const Image second = memory_image(shared);
    engine.load({{first, {"docker.io/acme/first:1"}}, {second, {"docker.io/acme/second:1"}}});
    const ArchiveFile saved = engine.save({"acme/first:1", "acme/second:1"});
    REQUIRE(saved.images().size() == 2);
    REQUIRE(saved.images()[saved.find(Reference::parse("acme/first:1"), "")].image_id == first.config.image_id());
    REQUIRE(saved.images()[saved.find(Reference::parse("acme/second:1"), "")].image_id == second.config.image_id());
}

TEST_CASE("real engine: an image without a name is found and saved by its ID", "[.engine]") {
    Engine engine;
    const Image image = memory_image(layers_of("nameless"));
    const EngineClient::Loaded loaded = engine.load({{image, {}}});
    REQUIRE(loaded.names.empty());
    REQUIRE(loaded.ids.size() == 1);
    const std::string id = image.config.image_id().text();
    REQUIRE(engine.inspect(id).diff_ids == image.config.diff_ids);
    REQUIRE(engine.inspect(std::string(image.config.image_id().hex().substr(0, 12))).diff_ids == image.config.diff_ids);
    const ArchiveFile saved = engine.save({id});
    REQUIRE(saved.images().at(0).repo_tags.empty());
    REQUIRE(saved.images().at(0).image_id == image.config.image_id());
}

TEST_CASE("real engine: names are given and taken, and the image goes with the last", "[.engine]") {
    Engine engine;
    const Image image = memory_image(layers_of("names"));
    engine.load({{image, {"docker.io/acme/names:1"}}});
    engine.client().tag("acme/names:1", Reference::parse("registry.example:5000/deep/er/names"), {});
    const EngineImage found = engine.inspect("registry.example:5000/deep/er/names:latest");
    REQUIRE(found.id == engine.inspect("acme/names:1").id);
    engine.client().tag(found.id, Reference::parse("acme/names:2"), {});
    REQUIRE(engine.inspect("acme/names:2").id == found.id);
    for (const char* name : {"acme/names:1", "acme/names:2", "registry.example:5000/deep/er/names"}) {
        CAPTURE(name);
        REQUIRE(engine.client().remove(name, false, {}));
        REQUIRE_FALSE(engine.client().find(name, {}));
        REQUIRE_FALSE(engine.client().remove(name, true, {}));
    }
    REQUIRE_FALSE(engine.client().find(found.id, {}));
}

TEST_CASE("real engine: what is not there is not found", "[.engine]") {
    Engine engine;
    REQUIRE_FALSE(engine.client().find("acme/absent:1", {}));
    const auto error = error_of([&] { engine.save({"acme/absent:1"}); });
    REQUIRE(error);
    CAPTURE(error->what());
    REQUIRE(error->code() == ErrorCode::NotFound);
    REQUIRE(contains(error->what(), "acme/absent:1"));
    REQUIRE(error_of([&] { engine.client().tag("acme/absent:1", Reference::parse("b:1"), {}); })->code() ==
            ErrorCode::NotFound);
}

TEST_CASE("real engine: of an archive with a wrong blob nothing is loaded", "[.engine]") {
    Engine engine;
    std::shared_ptr<MemoryBlobs> blobs;
    const std::size_t wrong = GENERATE(0U, 2U);
    const Image image = memory_image(layers_of("wrong blob " + std::to_string(wrong)), &blobs);
    const Descriptor& layer = image.manifest.layers[wrong];
    blobs->replace(layer.digest, random_bytes(layer.size, 7));
    const auto error = error_of([&] { engine.load({{image, {"docker.io/acme/wrong-blob:1"}}}); });
    REQUIRE(error);
    CAPTURE(error->what());
    REQUIRE(error->code() == ErrorCode::Integrity);
    REQUIRE_FALSE(engine.client().find("acme/wrong-blob:1", {}));
    REQUIRE_FALSE(engine.client().find(image.config.image_id().text(), {}));
}

TEST_CASE("real engine: what the engine itself refuses is an error with its words", "[.engine]") {
    Engine engine;
    // The blobs are what their descriptors say, but the config promises other contents.
    Image image = memory_image(layers_of("content"));
    const Image promised = memory_image(layers_of("promise"));
    std::string manifest = image.manifest.raw.bytes;
    const std::string config = image.manifest.config.digest.text();
    manifest.replace(manifest.find(config), config.size(), promised.manifest.config.digest.text());
    image = with_manifest(image, manifest);
    image.config = promised.config;
    const auto error = error_of([&] { engine.load({{image, {"docker.io/acme/wrong-diff:1"}}}); });
    REQUIRE(error);
    CAPTURE(error->what());
    REQUIRE((error->code() == ErrorCode::Integrity || error->code() == ErrorCode::Unavailable));
    REQUIRE_FALSE(engine.client().find("acme/wrong-diff:1", {}));
}
