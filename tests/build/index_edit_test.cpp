#include "cooper/build/index_edit.hpp"

#include "cooper/build/annotate.hpp"
#include "cooper/build/edit_images.hpp"

#include "build/edit_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

/// An image for a platform, told apart by `content`.
oci::Graph graph_for(const std::string& platform, const std::string& content) {
    const auto image = memory_image({{LayerSpec::Form::Gzip, tar_of({tar_file(content)})}});
    auto config = image.config.raw;
    const auto wanted = oci::Platform::parse(platform);
    const std::string known = R"("architecture":"amd64")";
    config.replace(config.find(known), known.size(),
                   R"("architecture":")" + wanted.architecture + "\"" +
                       (wanted.variant.empty() ? "" : R"(,"variant":")" + wanted.variant + "\""));
    return oci::graph_of(with_config(image, config));
}

oci::Graph index_of(const std::vector<oci::Graph>& members) {
    return make_index(members, {}, IfListed::Refuse, {});
}

/// `index` with `entry` at its end, and its manifest.
oci::Graph with_entry(const oci::Graph& index, const std::string& entry, const oci::RawManifest& manifest) {
    auto text = index.root().bytes;
    text.insert(text.rfind("]}"), "," + entry);
    const auto child = [&](const oci::Descriptor& descriptor) {
        const auto* known = index.find(descriptor.digest);
        return oci::classify_manifest((known == nullptr ? manifest : *known).bytes, "");
    };
    return oci::read_graph(oci::classify_manifest(text, ""), child, index.source, {});
}

/// An attestation of `subject` as BuildKit lists it.
oci::Graph with_attestation(const oci::Graph& index, const Digest& subject) {
    const auto config = graph_for("linux/amd64", "attestation");
    const auto& manifest = config.root();
    std::string entry = R"({"mediaType":")" + manifest.media_type + R"(","digest":")" + manifest.digest.text() +
                        R"(","size":)" + std::to_string(manifest.bytes.size()) +
                        R"(,"annotations":{"vnd.docker.reference.digest":")" + subject.text() +
                        R"(","vnd.docker.reference.type":"attestation-manifest"},)"
                        R"("platform":{"architecture":"unknown","os":"unknown"}})";
    auto joined = with_entry(index, entry, manifest);
    joined.source = edit_blobs(
        {{}, {}, {{config.blobs[0].digest, config.source}, {config.blobs[1].digest, config.source}}, index.source});
    return joined;
}

std::vector<std::string> platforms(const oci::Graph& index) {
    std::vector<std::string> texts;
    for (const auto& entry : oci::Index::parse(index.root()).manifests) {
        texts.push_back(entry.platform ? entry.platform->text() : "none");
    }
    return texts;
}

void check_graph(const oci::Graph& graph) {
    for (const auto& blob : graph.blobs) {
        const auto source = verified(graph.source->open(blob, 0, {}), blob.digest, blob.size, "blob");
        CHECK(skip(*source, UINT64_MAX) == blob.size);
    }
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("index: images are listed with the platforms of their configs", "[unit][build]") {
    const auto amd = graph_for("linux/amd64", "a"), arm = graph_for("linux/arm/v6", "b");
    const auto index = make_index({amd, arm, amd}, {{"org.example", "x"}}, IfListed::Refuse, {});
    CHECK(index.kind == oci::ManifestKind::Index);
    CHECK(index.root().media_type == oci::media_type::kOciIndex);
    CHECK(platforms(index) == Texts{"linux/amd64", "linux/arm/v6"});
    CHECK(index.root().bytes.find(R"("platform":{"architecture":"arm","os":"linux","variant":"v6"})") !=
          std::string::npos);
    CHECK(index.root().bytes.ends_with(R"("annotations":{"org.example":"x"}})"));
    CHECK(index.manifests.size() == 3);
    check_graph(index);
    CHECK(make_index({amd, arm}, {{"org.example", "x"}}, IfListed::Refuse, {}).root().digest == index.root().digest);
    CHECK(code_of([] { (void)make_index({}, {}, IfListed::Refuse, {}); }) == ErrorCode::InvalidInput);
}

TEST_CASE("index: indexes are merged with their attestations", "[unit][build]") {
    const auto amd = graph_for("linux/amd64", "a"), arm = graph_for("linux/arm64", "b");
    const auto attested = with_attestation(index_of({amd}), amd.root().digest);
    const auto index = index_of({attested, arm});
    CHECK(platforms(index) == Texts{"linux/amd64", "unknown/unknown", "linux/arm64"});
    check_graph(index);
}

TEST_CASE("index: a platform that is there already is refused or replaced with its attestations", "[unit][build]") {
    const auto old_image = graph_for("linux/amd64", "old"), new_image = graph_for("linux/amd64", "new");
    const auto arm = graph_for("linux/arm64", "b");
    const auto index = with_attestation(index_of({old_image, arm}), old_image.root().digest);
    CHECK(code_of([&] { (void)add_to_index(index, {new_image}, IfListed::Refuse, {}); }) == ErrorCode::Conflict);
    const auto replaced = add_to_index(index, {new_image}, IfListed::Replace, {});
    CHECK(platforms(replaced) == Texts{"linux/amd64", "linux/arm64"});
    CHECK(oci::Index::parse(replaced.root()).manifests[0].digest == new_image.root().digest);
    check_graph(replaced);
    CHECK(add_to_index(index, {arm}, IfListed::Refuse, {}).root().digest == index.root().digest);
}

TEST_CASE("index: windows images of several versions stand side by side", "[unit][build]") {
    const auto windows = [](const std::string& version) {
        const auto image = memory_image({{LayerSpec::Form::Gzip, tar_of({tar_file(version)})}}, nullptr,
                                        R"("os.version":")" + version + R"(",)");
        return oci::graph_of(image);
    };
    const auto index = index_of({windows("10.0.17763"), windows("10.0.20348")});
    CHECK(index.root().bytes.find(R"("os.version":"10.0.17763")") != std::string::npos);
    CHECK(oci::Index::parse(index.root()).manifests.size() == 2);
}

TEST_CASE("index: what is added leaves every other byte, and makes an OCI index of docker's list", "[unit][build]") {
    const auto amd = graph_for("linux/amd64", "a"), arm = graph_for("linux/arm64", "b");
    const auto plain = index_of({amd});
    const auto with_root = [&](const std::string& text) {
        const auto child = [&](const oci::Descriptor&) { return oci::classify_manifest(amd.root().bytes, ""); };
        return oci::read_graph(oci::classify_manifest(text, ""), child, amd.source, {});
    };
    auto text = plain.root().bytes;
    text.insert(1, " \"x-unknown\" : 1.10,");
    const auto added = add_to_index(with_root(text), {arm}, IfListed::Refuse, {}).root().bytes;
    CHECK(added.starts_with(text.substr(0, text.size() - 2) + ","));
    text.replace(text.find(oci::media_type::kOciIndex), oci::media_type::kOciIndex.size(),
                 oci::media_type::kDockerIndex);
    CHECK(add_to_index(with_root(text), {arm}, IfListed::Refuse, {}).root().bytes == added);
    CHECK(add_to_index(with_root(text), {amd}, IfListed::Refuse, {}).root().bytes == text);
}

TEST_CASE("index: a single image becomes an index when another is added", "[unit][build]") {
    const auto amd = graph_for("linux/amd64", "a"), arm = graph_for("linux/arm64", "b");
    CHECK(add_to_index(amd, {arm}, IfListed::Refuse, {}).root().bytes == index_of({amd, arm}).root().bytes);
}

TEST_CASE("index: entries are removed by platform and digest, with their attestations", "[unit][build]") {
    const auto amd = graph_for("linux/amd64", "a"), arm = graph_for("linux/arm64", "b");
    const auto riscv = graph_for("linux/riscv64", "c");
    const auto index = with_attestation(index_of({amd, arm, riscv}), arm.root().digest);
    const auto less = remove_from_index(index, {"linux/arm64", riscv.root().digest.text()}, {});
    CHECK(platforms(less) == Texts{"linux/amd64"});
    CHECK(less.manifests.size() == 2);
    CHECK(less.blobs.size() == 2);
    CHECK(less.root().bytes == index_of({amd}).root().bytes);
    check_graph(less);
    CHECK(code_of([&] { (void)remove_from_index(index, {"linux/s390x"}, {}); }) == ErrorCode::NotFound);
    CHECK(code_of([&] { (void)remove_from_index(index, {sha256("x").text()}, {}); }) == ErrorCode::NotFound);
    CHECK(code_of([&] { (void)remove_from_index(less, {"linux/amd64"}, {}); }) == ErrorCode::InvalidInput);
    CHECK(code_of([&] { (void)remove_from_index(amd, {"linux/amd64"}, {}); }) == ErrorCode::InvalidInput);
}

TEST_CASE("annotate: a manifest's annotations change and nothing else", "[unit][build]") {
    const auto plain = memory_image({{LayerSpec::Form::Gzip, tar_of({tar_file("x")})}});
    auto text = plain.manifest.raw.bytes;
    text.insert(text.size() - 1, R"(, "annotations": { "gone":"1", "kept" : "2" }, "x":1.10 )");
    const auto image = with_manifest(plain, text);
    const auto after = annotate(image, {{{"new", "4"}, {"kept", "3"}, {"another", "5"}}, {"gone", "never"}});
    CHECK(
        after.manifest.raw.bytes.ends_with(R"(, "annotations": { "kept" : "3","another":"5","new":"4" }, "x":1.10 })"));
    CHECK(after.config.raw == image.config.raw);
    CHECK(after.manifest.layers == image.manifest.layers);
    check_blobs(after);
    CHECK(annotate(image, {{{"kept", "2"}}, {"never"}}).manifest.raw.bytes == text);
    CHECK(annotate(annotate(plain, {{{"a", "1"}}, {}}), {{}, {"a"}}).manifest.raw.bytes == plain.manifest.raw.bytes);
    CHECK(code_of([&] { (void)annotate(image, {{{"", "1"}}, {}}); }) == ErrorCode::InvalidInput);
    CHECK(code_of([&] { (void)annotate(image, {{{"a", "\xff"}}, {}}); }) == ErrorCode::InvalidInput);
}

TEST_CASE("annotate: docker's formats have no annotations and become OCI's", "[unit][build]") {
    const auto image = memory_image({{LayerSpec::Form::Gzip, tar_of({tar_file("x")})}});
    auto text = image.manifest.raw.bytes;
    for (const auto& [oci_type, docker_type] :
         {std::pair(oci::media_type::kOciManifest, oci::media_type::kDockerManifest),
          std::pair(oci::media_type::kOciConfig, oci::media_type::kDockerConfig),
          std::pair(oci::media_type::kOciLayerGzip, oci::media_type::kDockerLayerGzip)}) {
        text.replace(text.find(oci_type), oci_type.size(), docker_type);
    }
    const auto schema2 = with_manifest(image, text);
    const auto expected = annotate(image, {{{"a", "1"}}, {}}).manifest.raw.bytes;
    CHECK(annotate(schema2, {{{"a", "1"}}, {}}).manifest.raw.bytes == expected);
    CHECK(annotate(schema2, {{}, {"a"}}).manifest.raw.bytes == text);
    const auto graph = annotate(oci::graph_of(schema2), {{{"a", "1"}}, {}});
    CHECK(graph.root().bytes == expected);
    check_graph(graph);
}

TEST_CASE("annotate: an index keeps its entries", "[unit][build]") {
    const auto index = index_of({graph_for("linux/amd64", "a"), graph_for("linux/arm64", "b")});
    const auto after = annotate(index, {{{"a", "1"}}, {}});
    auto expected = index.root().bytes;
    expected.insert(expected.size() - 1, R"(,"annotations":{"a":"1"})");
    CHECK(after.root().bytes == expected);
    CHECK(after.manifests.size() == index.manifests.size());
    check_graph(after);
}

TEST_CASE("edit images: all images of an index are edited, attestations of the old ones go", "[unit][build]") {
    const auto amd = graph_for("linux/amd64", "a"), arm = graph_for("linux/arm64", "b");
    const auto index = with_attestation(index_of({amd, arm}), amd.root().digest);
    ConfigEdit edit;
    edit.user = "me";
    const auto change = [&](const oci::Image& image) { return edit_config(image, edit); };
    const auto after = edit_images(index, change, {});
    CHECK(platforms(after) == Texts{"linux/amd64", "linux/arm64"});
    for (const auto& image : oci::images_of(after, {})) {
        CHECK(config_member(image, "config") == R"({"User":"me"})");
    }
    check_graph(after);
    CHECK(edit_images(after, change, {}).root().bytes == after.root().bytes);
    // One image of two: the attestation speaks of the other.
    const auto one = edit_images(
        index,
        [&](const oci::Image& image) { return image.config.platform.architecture == "arm64" ? change(image) : image; },
        {});
    CHECK(platforms(one) == Texts{"linux/amd64", "linux/arm64", "unknown/unknown"});
    CHECK(edit_images(amd, change, {}).root().digest == oci::Index::parse(after.root()).manifests[0].digest);
}

TEST_CASE("edit images: indexes in indexes are followed", "[unit][build]") {
    const auto amd = graph_for("linux/amd64", "a"), arm = graph_for("linux/arm64", "b");
    const auto inner = index_of({arm});
    const auto entry = R"({"mediaType":")" + inner.root().media_type + R"(","digest":")" + inner.root().digest.text() +
                       R"(","size":)" + std::to_string(inner.root().bytes.size()) + "}";
    auto text = index_of({amd}).root().bytes;
    text.insert(text.rfind("]}"), "," + entry);
    const auto child = [&](const oci::Descriptor& descriptor) {
        for (const auto* const graph : {&amd, &inner}) {
            if (const auto* found = graph->find(descriptor.digest)) {
                return oci::classify_manifest(found->bytes, "");
            }
        }
        throw Error(ErrorCode::NotFound, descriptor.digest.text());
    };
    std::map<Digest, std::shared_ptr<const oci::Blobs>> from;
    for (const auto& blob : inner.blobs) {
        from.emplace(blob.digest, inner.source);
    }
    const auto outer =
        oci::read_graph(oci::classify_manifest(text, ""), child, edit_blobs({{}, {}, from, amd.source}), {});
    const auto after = annotate(edit_images(outer,
                                            [](const oci::Image& image) {
                                                return annotate(image, {{{"a", "1"}}, {}});
                                            },
                                            {}),
                                {});
    REQUIRE(after.manifests.size() == 4);
    std::size_t annotated = 0;
    for (const auto& manifest : after.manifests) {
        annotated += manifest.bytes.find(R"("annotations":{"a":"1"})") != std::string::npos ? 1U : 0U;
    }
    CHECK(annotated == 2);
    check_graph(after);
}
