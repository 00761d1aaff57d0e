#include "cooper/build/rebase.hpp"

#include "build/edit_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

using Form = LayerSpec::Form;

std::string container(const std::string& members) {
    return "\"config\":{" + members + "},";
}

/// A base of two layers, whose content is `version`.
oci::Image base_of(const std::string& version, const std::string& extra = "", const std::vector<TarEntry>& more = {}) {
    std::vector<TarEntry> first{tar_directory("etc"), tar_file("etc/version", version)};
    first.insert(first.end(), more.begin(), more.end());
    return memory_image({{Form::Gzip, tar_of(first)}, {Form::Gzip, tar_of({tar_file("base", version)})}}, nullptr,
                        extra);
}

/// An image with the layers of `base` and one of its own.
oci::Image image_on(const std::string& version, const std::string& extra = "", const std::vector<TarEntry>& more = {},
                    const std::vector<TarEntry>& own = {tar_file("app", "app")}) {
    std::vector<TarEntry> first{tar_directory("etc"), tar_file("etc/version", version)};
    first.insert(first.end(), more.begin(), more.end());
    return memory_image(
        {{Form::Gzip, tar_of(first)}, {Form::Gzip, tar_of({tar_file("base", version)})}, {Form::Zstd, tar_of(own)}},
        nullptr, extra);
}

/// The image's config after old base, image and new base had these values.
std::string rebased(const std::string& old_base, const std::string& image, const std::string& new_base) {
    return config_member(rebase(image_on("1", container(image)), base_of("1", container(old_base)),
                                base_of("2", container(new_base)), {}, {})
                             .image,
                         "config");
}

}  // namespace

TEST_CASE("rebase: the base's layers and history are exchanged, the rest stays", "[unit][build]") {
    const auto old_base = base_of(
        "1", R"("history":[{"created_by":"one"},{"created_by":"ENV","empty_layer":true},{"created_by":"two"}],)");
    const auto new_base = base_of("2", R"("history":[{"created_by":"uno"},{"created_by":"due"}],)");
    const auto image = image_on(
        "1",
        R"("history":[{"created_by":"one"},{"created_by":"ENV","empty_layer":true},{"created_by":"two"},)"
        R"({"created_by":"USER","empty_layer":true},{"created_by":"COPY app","x":1.10}],"created":"2024-01-01T00:00:00Z","x":2.50,)");
    const auto result = rebase(image, old_base, new_base, {}, {});
    CHECK(result.layers_kept == 1);
    CHECK(result.taken_from_base.empty());
    CHECK(result.warnings.empty());
    REQUIRE(result.image.manifest.layers.size() == 3);
    CHECK(result.image.manifest.layers[0] == new_base.manifest.layers[0]);
    CHECK(result.image.manifest.layers[1] == new_base.manifest.layers[1]);
    CHECK(result.image.manifest.layers[2] == image.manifest.layers[2]);
    CHECK(result.image.config.diff_ids[1] == new_base.config.diff_ids[1]);
    CHECK(result.image.config.diff_ids[2] == image.config.diff_ids[2]);
    CHECK(config_member(result.image, "history") ==
          R"([{"created_by":"uno"},{"created_by":"due"},{"created_by":"USER","empty_layer":true},)"
          R"({"created_by":"COPY app","x":1.10}])");
    CHECK(config_member(result.image, "created") == "\"2024-01-01T00:00:00Z\"");
    CHECK(config_member(result.image, "x") == "2.50");
    check_blobs(result.image);
    CHECK(rebase(result.image, new_base, old_base, {}, {}).image.manifest.raw.digest == image.manifest.raw.digest);
    CHECK(rebase(image, old_base, old_base, {}, {}).image.manifest.raw.digest == image.manifest.raw.digest);
}

TEST_CASE("rebase: what is unchanged from the old base is as the new base has it", "[unit][build]") {
    CHECK(rebased(R"("Env":["PATH=/old","A=1","GONE=1"])", R"("Env":["PATH=/app:/old","A=1","OWN=x","GONE=1"])",
                  R"("Env":["A=2","PATH=/new","NEW=y"])") == R"({"Env":["PATH=/app:/old","A=2","OWN=x","NEW=y"]})");
    CHECK(rebased(R"("Labels":{"version":"1","gone":"1"})", R"("Labels":{"version":"1","gone":"mine","own":"x"})",
                  R"("Labels":{"version":"2","added":"3"})") ==
          R"({"Labels":{"version":"2","gone":"mine","own":"x","added":"3"}})");
    CHECK(rebased(R"("Entrypoint":["/e"],"Cmd":["old"])", R"("Entrypoint":["/e"],"Cmd":["old"],"User":"me")",
                  R"("Cmd":["new"],"User":"root")") == R"({"Cmd":["new"],"User":"me"})");
    CHECK(rebased(R"("Entrypoint":["/e"],"Cmd":["old"])", R"("Entrypoint":["/e"],"Cmd":["mine"])",
                  R"("Entrypoint":["/f"],"Cmd":["new"])") == R"({"Entrypoint":["/e"],"Cmd":["mine"]})");
    CHECK(rebased(R"("ExposedPorts":{"80/tcp":{}},"WorkingDir":"/w")",
                  R"("ExposedPorts":{"80/tcp":{},"9/tcp":{}},"WorkingDir":"/w")",
                  "") == R"({"ExposedPorts":{"9/tcp":{}}})");
    CHECK(rebased("", "", R"("Healthcheck":{"Test":["CMD","x"]},"StopSignal":"9")") ==
          R"({"StopSignal":"9","Healthcheck":{"Test":["CMD","x"]}})");
    CHECK(rebased(R"("Env":["A=1"])", R"( "Env" : [ "A=1" ] )", R"("Env":[ "A=1" ])") == R"({ "Env" : [ "A=1" ] })");
}

TEST_CASE("rebase: what came along is told", "[unit][build]") {
    const auto result = rebase(image_on("1", container(R"("Env":["A=1"],"Labels":{"l":"1"})")),
                               base_of("1", container(R"("Env":["A=1"],"Labels":{"l":"1"})")),
                               base_of("2", container(R"("Env":["A=2"],"Cmd":["x"])")), {}, {});
    CHECK(result.taken_from_base == std::vector<std::string>{"env A", "label l", "entrypoint and cmd"});
}

TEST_CASE("rebase: history that is missing somewhere is filled or stays away", "[unit][build]") {
    const auto history = R"("history":[{"created_by":"1"},{"created_by":"2"}],)"s;
    const auto own = R"("history":[{"created_by":"1"},{"created_by":"2"},{"created_by":"own"}],)"s;
    CHECK_FALSE(rebase(image_on("1"), base_of("1", history), base_of("2", history), {}, {}).image.config.has_history);
    const auto filled = rebase(image_on("1", own), base_of("1"), base_of("2"), {}, {}).image;
    CHECK(filled.config.non_empty_history == 3);
    CHECK(config_member(filled, "history").ends_with(R"(,{"created_by":"own"}])"));
}

TEST_CASE("rebase: an image that is not built on the old base is refused, saying where they part", "[unit][build]") {
    const auto says = [](const oci::Image& image, const oci::Image& old_base, const oci::Image& new_base) {
        try {
            (void)rebase(image, old_base, new_base, {}, {});
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::InvalidInput);
            return std::string(error.what());
        }
        return "nothing"s;
    };
    const auto other = memory_image({{Form::Gzip, tar_of({tar_directory("etc"), tar_file("etc/version", "1")})},
                                     {Form::Gzip, tar_of({tar_file("other")})}});
    CHECK(says(image_on("1"), other, base_of("2")).find("layer 2 of 2 is ") != std::string::npos);
    CHECK(says(base_of("1"), image_on("1"), base_of("2")).find("it has 2 layers, the base 3") != std::string::npos);
    auto arm = base_of("2");
    auto config = arm.config.raw;
    config.replace(config.find("amd64"), 5, "arm64");
    CHECK(says(image_on("1"), base_of("1"), with_config(arm, config)) ==
          "the image is for linux/amd64, the new base for linux/arm64");
}

TEST_CASE("rebase: schema 2 and OCI make an OCI image, and annotations name the new base", "[unit][build]") {
    const auto new_base = base_of("2");
    const auto image = image_on("1");
    auto text = image.manifest.raw.bytes;
    text.insert(text.size() - 1, R"(,"annotations":{"org.opencontainers.image.base.digest":"sha256:0","a":"b",)"
                                 R"("org.opencontainers.image.base.name":"old"})");
    auto docker = new_base.manifest.raw.bytes;
    for (const auto& [oci_type, docker_type] :
         {std::pair(oci::media_type::kOciManifest, oci::media_type::kDockerManifest),
          std::pair(oci::media_type::kOciConfig, oci::media_type::kDockerConfig),
          std::pair(oci::media_type::kOciLayerGzip, oci::media_type::kDockerLayerGzip),
          std::pair(oci::media_type::kOciLayerGzip, oci::media_type::kDockerLayerGzip)}) {
        docker.replace(docker.find(oci_type), oci_type.size(), docker_type);
    }
    const auto schema2 = with_manifest(new_base, docker);
    const auto mixed = rebase(with_manifest(image, text), base_of("1"), schema2, {true, "new:2"}, {}).image;
    CHECK(mixed.manifest.raw.media_type == oci::media_type::kOciManifest);
    CHECK(mixed.manifest.layers == rebase(image, base_of("1"), new_base, {}, {}).image.manifest.layers);
    CHECK(
        mixed.manifest.annotations ==
        std::map<std::string, std::string>{{"a", "b"},
                                           {"org.opencontainers.image.base.digest", schema2.manifest.raw.digest.text()},
                                           {"org.opencontainers.image.base.name", "new:2"}});
    CHECK(rebase(with_manifest(image, text), base_of("1"), new_base, {}, {}).image.manifest.annotations.size() == 2);
}

TEST_CASE("rebase: a warning where directories were links, or became links", "[unit][build]") {
    const std::vector<TarEntry> merged{tar_directory("usr"), tar_directory("usr/lib"), tar_symlink("lib", "usr/lib")};
    const std::vector<TarEntry> split{tar_directory("usr"), tar_directory("usr/lib"), tar_directory("lib")};
    const auto warnings = [](const std::vector<TarEntry>& before, const std::vector<TarEntry>& after,
                             const std::string& own, bool check = true) {
        return rebase(image_on("1", "", before, {tar_file(own)}), base_of("1", "", before), base_of("2", "", after),
                      {check, ""}, {})
            .warnings;
    };
    const auto to_links = warnings(split, merged, "lib/x.so");
    REQUIRE(to_links.size() == 1);
    CHECK(to_links[0].starts_with("/lib is a link to /usr/lib in the new base"));
    const auto from_links = warnings(merged, split, "usr/lib/x.so");
    REQUIRE(from_links.size() == 1);
    CHECK(from_links[0].starts_with("/lib was a link to /usr/lib in the old base"));
    CHECK(warnings(merged, merged, "usr/lib/x.so").empty());
    CHECK(warnings(split, merged, "usr/lib/x.so").empty());
    CHECK(warnings(merged, split, "opt/x").empty());
    CHECK(warnings(split, merged, "lib/x.so", false).empty());
}
