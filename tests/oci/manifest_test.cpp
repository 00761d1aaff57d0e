#include "cooper/oci/manifest.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <vector>

using namespace cooper;
using namespace cooper::oci;

namespace {

const std::string kHex(64, 'a');

std::string descriptor(std::string_view type, std::string_view more = "") {
    return R"({"mediaType":")" + std::string(type) + R"(","digest":"sha256:)" + kHex + R"(","size":10)" +
           std::string(more) + "}";
}

std::string manifest_text(std::string_view layers, std::string_view config_type = media_type::kOciConfig,
                          std::string_view type = media_type::kOciManifest) {
    return R"({"schemaVersion":2,"mediaType":")" + std::string(type) + R"(","config":)" + descriptor(config_type) +
           R"(,"layers":[)" + std::string(layers) + "]}";
}

std::string index_text(std::string_view entries) {
    return R"({"schemaVersion":2,"mediaType":")" + std::string(media_type::kOciIndex) + R"(","manifests":[)" +
           std::string(entries) + "]}";
}

std::string entry(std::string_view platform, std::string_view more = "",
                  std::string_view type = media_type::kOciManifest) {
    return descriptor(type, R"(,"platform":)" + std::string(platform) + std::string(more));
}

ErrorCode code_of(const std::string& text, std::string_view content_type = "") {
    try {
        ClassifiedManifest found = classify_manifest(text, content_type);
        if (found.kind == ManifestKind::Image) {
            Manifest::parse(std::move(found.raw));
        } else {
            Index::parse(std::move(found.raw));
        }
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("accepted: " << text);
    return ErrorCode::System;
}

Index index_of(const std::string& text) {
    return Index::parse(classify_manifest(text, "").raw);
}

std::string chosen(const Index& index, std::string_view platform) {
    return choose_platform(index, Platform::parse(platform)).annotations.at("n");
}

std::string named(std::string_view platform, std::string_view name) {
    return entry(platform, R"(,"annotations":{"n":")" + std::string(name) + R"("})");
}

}  // namespace

TEST_CASE("manifest: raw bytes, digest and type are kept", "[unit][oci]") {
    const std::string text = " " + manifest_text(descriptor(media_type::kOciLayerGzip)) + "\n";
    ClassifiedManifest found = classify_manifest(text, "application/vnd.oci.image.manifest.v1+json; charset=utf-8");
    CHECK(found.kind == ManifestKind::Image);
    CHECK(found.raw.bytes == text);
    CHECK(found.raw.digest == sha256(text));
    const Manifest manifest = Manifest::parse(found.raw);
    CHECK(manifest.config.size == 10);
    REQUIRE(manifest.layers.size() == 1);
    CHECK(manifest.layers[0].media_type == media_type::kOciLayerGzip);
    CHECK(manifest.raw.bytes == text);
}

TEST_CASE("manifest: images of the field are read", "[unit][oci][golden]") {
    const auto golden = [](const std::string& name) {
        return read_file(std::string(COOPER_GOLDEN) + "/oci/manifests/" + name, kMaxDocument);
    };
    const ClassifiedManifest docker = classify_manifest(golden("docker-schema2.json"), "");
    CHECK(docker.raw.media_type == media_type::kDockerManifest);
    CHECK(Manifest::parse(docker.raw).layers.size() == 2);

    const ClassifiedManifest untyped = classify_manifest(golden("oci-without-mediatype.json"), "text/plain");
    CHECK(untyped.raw.media_type == media_type::kOciManifest);

    const Index index = index_of(golden("buildkit-index.json"));
    CHECK(index.manifests.size() == 4);
    CHECK(choose_platform(index, Platform::parse("arm64")).digest.text().substr(7, 4) == "2222");
    CHECK_THROWS_WITH(
        choose_platform(index, Platform::parse("s390x")),
        Catch::Contains("linux/s390x") && Catch::Contains("linux/amd64, linux/arm64") && !Catch::Contains("unknown"));
}

TEST_CASE("manifest: the type is the document's own, else the server's, else guessed from the shape", "[unit][oci]") {
    const std::string untyped =
        R"({"schemaVersion":2,"config":)" + descriptor(media_type::kOciConfig) + R"(,"layers":[]})";
    CHECK(classify_manifest(untyped, "").raw.media_type == media_type::kOciManifest);
    CHECK(classify_manifest(untyped, media_type::kDockerManifest).raw.media_type == media_type::kDockerManifest);
    const std::string docker =
        R"({"schemaVersion":2,"config":)" + descriptor(media_type::kDockerConfig) + R"(,"layers":[]})";
    CHECK(classify_manifest(docker, "application/json").raw.media_type == media_type::kDockerManifest);
    CHECK(classify_manifest(R"({"schemaVersion":2,"manifests":[]})", "").kind == ManifestKind::Index);
    CHECK(classify_manifest(manifest_text(""), "application/octet-stream").kind == ManifestKind::Image);
    CHECK(classify_manifest(manifest_text(""), "APPLICATION/VND.OCI.image.manifest.v1+json").kind ==
          ManifestKind::Image);
}

TEST_CASE("manifest: one that can be read in two ways is refused", "[unit][oci]") {
    const std::string config = descriptor(media_type::kOciConfig);
    CHECK(code_of(R"({"schemaVersion":2,"layers":[],"manifests":[]})") == ErrorCode::Integrity);
    CHECK(code_of(R"({"schemaVersion":2,"config":)" + config + R"(,"manifests":[]})") == ErrorCode::Integrity);
    CHECK(code_of(manifest_text(""), media_type::kOciIndex) == ErrorCode::Integrity);
    CHECK(code_of(manifest_text(""), media_type::kDockerManifest) == ErrorCode::Integrity);
    CHECK(code_of(manifest_text("", media_type::kOciConfig, media_type::kOciIndex)) == ErrorCode::Integrity);
    CHECK(code_of(R"({"schemaVersion":2,"manifests":[]})", media_type::kOciManifest) == ErrorCode::Integrity);
    CHECK(code_of(R"({"schemaVersion":2,"mediaType":"a","mediaType":"b"})") == ErrorCode::InvalidInput);
    CHECK(code_of(R"({"schemaVersion":2,"layers":[],"layers":[],"config":)" + config + "}") == ErrorCode::InvalidInput);
}

TEST_CASE("manifest: schema 1 is named", "[unit][oci]") {
    const std::string old = R"({"schemaVersion":1,"name":"a","tag":"b","fsLayers":[],"history":[]})";
    CHECK_THROWS_WITH(classify_manifest(old, ""), Catch::Contains("schema 1"));
    CHECK_THROWS_WITH(classify_manifest(old, "application/vnd.docker.distribution.manifest.v1+prettyjws"),
                      Catch::Contains("schema 1"));
    CHECK(code_of(old, "application/json") == ErrorCode::Unsupported);
}

TEST_CASE("manifest: foreign layers, artifacts and other types are refused by name", "[unit][oci]") {
    for (const char* type : {"application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
                             "application/vnd.oci.image.layer.nondistributable.v1.tar",
                             "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd"}) {
        CAPTURE(type);
        CHECK(is_foreign_layer(type));
        CHECK_FALSE(is_layer_media_type(type));
        const auto raw =
            classify_manifest(manifest_text(descriptor(media_type::kOciLayer) + "," + descriptor(type)), "").raw;
        CHECK_THROWS_WITH(Manifest::parse(raw),
                          Catch::Contains("layers[1] is a foreign layer") && Catch::Contains(type));
    }
    CHECK(code_of(manifest_text("", "application/vnd.oci.empty.v1+json")) == ErrorCode::Unsupported);
    CHECK(code_of(manifest_text("", "application/vnd.cncf.helm.config.v1+json")) == ErrorCode::Unsupported);
    CHECK(code_of(manifest_text(descriptor("application/vnd.in-toto+json"))) == ErrorCode::Unsupported);
    CHECK(code_of(manifest_text(descriptor("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"))) ==
          ErrorCode::Unsupported);
    CHECK(code_of(manifest_text("", media_type::kOciConfig, "application/vnd.oci.artifact.manifest.v1+json")) ==
          ErrorCode::Unsupported);
    CHECK(code_of(R"({"schemaVersion":2})") == ErrorCode::Unsupported);
    CHECK_FALSE(is_foreign_layer("application/vnd.oci.image.layer.nondistributable.v1.tarball"));
}

TEST_CASE("manifest: configs that Docker Hub once mislabelled pass in schema 2 only", "[unit][oci]") {
    const std::string text = manifest_text("", "application/octet-stream", media_type::kDockerManifest);
    CHECK(Manifest::parse(classify_manifest(text, "").raw).layers.empty());
    CHECK(code_of(manifest_text("", "application/octet-stream")) == ErrorCode::Unsupported);
}

TEST_CASE("manifest: members of wrong types and sizes are named", "[unit][oci]") {
    const auto with_layer = [](const std::string& layer) { return manifest_text(layer); };
    const std::string digest = R"("digest":"sha256:)" + kHex + '"';
    const std::string type = R"("mediaType":")" + std::string(media_type::kOciLayer) + '"';
    for (const std::string size : {"-1", "1.5", "1e3", "\"10\"", "null", "18446744073709551616", "18446744073709551615",
                                   "1125899906842625", "[]", "true"}) {
        const std::string text = with_layer("{" + type + "," + digest + ",\"size\":" + size + "}");
        CAPTURE(text);
        CHECK(code_of(text) == ErrorCode::InvalidInput);
    }
    for (const std::string& layer :
         {std::string("1"), std::string("null"), std::string("[]"), "{" + type + "," + digest + "}",
          "{" + type + ",\"size\":1}", "{" + digest + ",\"size\":1}",
          "{" + type + R"(,"digest":"sha256:../../etc/passwd","size":1})", "{" + type + R"(,"digest":7,"size":1})",
          R"({"mediaType":{},)" + digest + ",\"size\":1}", "{" + type + "," + digest + R"(,"size":1,"urls":"x"})",
          "{" + type + "," + digest + R"(,"size":1,"urls":[1]})",
          "{" + type + "," + digest + R"(,"size":1,"annotations":[]})",
          "{" + type + "," + digest + R"(,"size":1,"annotations":{"a":1}})"}) {
        CAPTURE(layer);
        CHECK(code_of(with_layer(layer)) == ErrorCode::InvalidInput);
    }
    CHECK_THROWS_WITH(Manifest::parse(classify_manifest(with_layer(descriptor(media_type::kOciLayer) + ",{}"), "").raw),
                      Catch::Contains("manifest: layers[1]."));
    for (const char* text :
         {"", "[]", "null", "{", "{}x", "\"a\"", R"({"schemaVersion":"2","manifests":[]})", R"({"manifests":[]})",
          R"({"schemaVersion":3,"manifests":[]})", R"({"schemaVersion":2,"manifests":{}})",
          R"({"schemaVersion":2,"mediaType":7,"manifests":[]})",
          R"({"schemaVersion":2,"manifests":[],"mediaType":[]})"}) {
        CAPTURE(text);
        CHECK(code_of(text) == ErrorCode::InvalidInput);
    }
    const std::string big_config = R"({"schemaVersion":2,"config":{"mediaType":")" +
                                   std::string(media_type::kOciConfig) + "\"," + digest +
                                   R"(,"size":4194305},"layers":[]})";
    CHECK(code_of(big_config) == ErrorCode::InvalidInput);
}

TEST_CASE("manifest: null counts as absent where Go writes it", "[unit][oci]") {
    const std::string text =
        manifest_text(descriptor(media_type::kOciLayer, R"(,"annotations":null,"urls":null,"platform":null)"));
    CHECK(Manifest::parse(classify_manifest(text, "").raw).layers.size() == 1);
}

TEST_CASE("manifest: depth, counts and bytes are bounded", "[unit][oci]") {
    CHECK(code_of(R"({"schemaVersion":2,"manifests":[],"x":)" + std::string(100, '[') + std::string(100, ']') + "}") ==
          ErrorCode::InvalidInput);
    CHECK(code_of(std::string(kMaxDocument + 1, ' ')) == ErrorCode::InvalidInput);
    std::string layers = descriptor(media_type::kOciLayer);
    for (std::size_t i = 1; i <= kMaxLayers; ++i) {
        layers += "," + descriptor(media_type::kOciLayer);
    }
    CHECK(code_of(manifest_text(layers)) == ErrorCode::InvalidInput);
    CHECK_THROWS_WITH(Manifest::parse(classify_manifest(manifest_text(layers), "").raw),
                      Catch::Contains("limit is 1000"));
}

TEST_CASE("index: the best entry wins, whatever the order", "[unit][oci]") {
    const Index index =
        index_of(index_text(named(R"({"os":"linux","architecture":"amd64","variant":"v3"})", "amd64v3") + "," +
                            named(R"({"os":"linux","architecture":"amd64"})", "amd64") + "," +
                            named(R"({"os":"linux","architecture":"arm","variant":"v5"})", "armv5") + "," +
                            named(R"({"os":"linux","architecture":"arm","variant":"v6"})", "armv6") + "," +
                            named(R"({"os":"linux","architecture":"arm64","variant":"v8"})", "arm64") + "," +
                            named(R"({"os":"windows","architecture":"amd64","os.version":"10"})", "windows")));
    CHECK(chosen(index, "amd64") == "amd64");
    CHECK(chosen(index, "linux/amd64/v3") == "amd64v3");
    CHECK(chosen(index, "linux/amd64/v2") == "amd64");
    CHECK(chosen(index, "arm/v7") == "armv6");
    CHECK(chosen(index, "arm64") == "arm64");
    CHECK(chosen(index, "windows/amd64") == "windows");
    CHECK_THROWS_WITH(chosen(index, "386"), Catch::Contains("present: linux/amd64/v3, linux/amd64, linux/arm/v5"));
}

TEST_CASE("index: attestations, unknown platforms and other documents are no images", "[unit][oci]") {
    const std::string attestation = entry(R"({"os":"linux","architecture":"amd64"})",
                                          R"(,"annotations":{"vnd.docker.reference.type":"attestation-manifest"})");
    const std::string unknown = entry(R"({"os":"unknown","architecture":"unknown"})");
    const std::string other = entry(R"({"os":"linux","architecture":"amd64"})", "", "application/vnd.example+json");
    const std::string real = named(R"({"os":"linux","architecture":"amd64"})", "real");
    CHECK(chosen(index_of(index_text(attestation + "," + unknown + "," + other + "," + real)), "amd64") == "real");
    const Index nothing = index_of(index_text(attestation + "," + unknown + "," + other));
    CHECK_THROWS_WITH(choose_platform(nothing, Platform::parse("amd64")), Catch::Contains("present: none"));
    const Index nested = index_of(index_text(descriptor(media_type::kOciIndex)));
    CHECK_THROWS_WITH(choose_platform(nested, Platform::parse("amd64")), Catch::Contains("further indexes"));
}

TEST_CASE("index: an entry without platform is taken if it is the only one", "[unit][oci]") {
    const std::string bare = descriptor(media_type::kOciManifest);
    CHECK(choose_platform(index_of(index_text(bare)), Platform::parse("s390x")).size == 10);
    CHECK_THROWS_AS(choose_platform(index_of(index_text(bare + "," + bare)), Platform::parse("s390x")), Error);
}
