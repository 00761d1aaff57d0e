#include "cooper/oci/layout.hpp"

#include "oci/archive_support.hpp"
#include "oci/layout/index_file.hpp"
#include "support/fake_clock.hpp"

#include <catch2/catch.hpp>

#include <set>
#include <thread>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;
namespace fs = std::filesystem;

namespace {

const OciLayout::WriteOptions kOptions;

Graph graph_with(unsigned seed, std::shared_ptr<MemoryBlobs>* blobs = nullptr) {
    return graph_of(memory_image({{LayerSpec::Form::Gzip, random_bytes(5000, seed)},
                                  {LayerSpec::Form::Zstd, random_bytes(300, seed + 1)},
                                  {LayerSpec::Form::Plain, ""}},
                                 blobs));
}

/// An index over these manifests, in the same blobs.
Graph index_over(const std::vector<Graph>& children, const std::shared_ptr<MemoryBlobs>& blobs) {
    std::vector<std::string> entries;
    for (const Graph& child : children) {
        entries.push_back(descriptor_text(media_type::kOciManifest, child.root().bytes));
        blobs->add(child.root().bytes, media_type::kOciManifest);
    }
    const Run run;
    const ManifestFetcher fetch = [&](const Descriptor& entry) {
        return classify_manifest(content_of(*blobs, entry), entry.media_type);
    };
    return read_graph(classify_manifest(index_of(entries), media_type::kOciIndex), fetch, blobs, run);
}

class LayoutBench {
public:
    [[nodiscard]] fs::path directory() const { return bench_.directory() / "layout"; }
    [[nodiscard]] OciLayout layout() const { return OciLayout::open_or_create(directory()); }
    [[nodiscard]] fs::path blob(const Digest& digest) const {
        return directory() / "blobs/sha256" / std::string(digest.hex());
    }
    [[nodiscard]] std::string index() const { return read_file(directory() / "index.json", kMaxDocument); }
    void set_index(const std::string& text) const { write_file(directory() / "index.json", text); }
    [[nodiscard]] const fs::path& outside() const { return bench_.directory(); }

private:
    ArchiveBench bench_;
};

void check_same(const Graph& a, const Graph& b) {
    REQUIRE(a.manifests.size() == b.manifests.size());
    for (std::size_t i = 0; i < a.manifests.size(); ++i) {
        CHECK(a.manifests[i].bytes == b.manifests[i].bytes);
        CHECK(a.manifests[i].media_type == b.manifests[i].media_type);
    }
    REQUIRE(a.blobs == b.blobs);
    for (const Descriptor& blob : a.blobs) {
        CHECK(content_of(*a.source, blob) == content_of(*b.source, blob));
    }
}

std::vector<std::string> names_in(const Index& index) {
    std::vector<std::string> names;
    for (const Descriptor& entry : index.manifests) {
        const auto found = entry.annotations.find(std::string(kRefNameAnnotation));
        names.push_back(found == entry.annotations.end() ? "" : found->second);
    }
    return names;
}

}  // namespace

TEST_CASE("layout: what is written comes back, byte for byte", "[unit][oci]") {
    const LayoutBench bench;
    std::shared_ptr<MemoryBlobs> blobs;
    const Graph single = graph_with(1, &blobs);
    const Graph index = index_over({single}, blobs);
    const auto written = bench.layout().write(single, {"1.0", "docker.io/acme/app:1.0"}, kOptions, Run{});
    CHECK(written.bytes_reused == 0);
    CHECK(written.bytes_written > 5000);
    const auto again = bench.layout().write(index, {"all"}, kOptions, Run{});
    CHECK(again.bytes_written == 0);
    CHECK(again.bytes_reused == written.bytes_written);

    const OciLayout layout = OciLayout::open(bench.directory());
    check_same(layout.graph("1.0", Run{}), single);
    check_same(layout.graph("acme/app:1.0", Run{}), single);
    check_same(layout.graph("all", Run{}), index);
    check_same(layout.graph("@2", Run{}), index);
    check_same(layout.graph("@" + index.root().digest.text(), Run{}), index);
    CHECK(layout.has(single.blobs.at(1)));
    CHECK(names_in(layout.index()) == std::vector<std::string>{"1.0", "docker.io/acme/app:1.0", "all"});
    CHECK(read_file(bench.directory() / "oci-layout", 100) == R"({"imageLayoutVersion":"1.0.0"})");
}

TEST_CASE("layout: a name moves, other entries and unknown members stay", "[unit][oci]") {
    const LayoutBench bench;
    const OciLayout layout = bench.layout();
    const Graph first = graph_with(1);
    const Graph second = graph_with(2);
    const std::string strange = R"({"mediaType":"application/vnd.example","digest":")" + sha256("x").text() +
                                R"(","size":1,"annotations":{"who":"me"},"x-other":[1,{"deep":null}]})";
    bench.set_index(R"({"schemaVersion":2,"x-ours":{"z":1,"a":"é"},"manifests":[)" + strange +
                    R"(],"annotations":{"note":"kept"}})");
    layout.write(first, {"app", "old"}, kOptions, Run{});
    layout.write(second, {"app"}, kOptions, Run{});
    CHECK(names_in(layout.index()) == std::vector<std::string>{"", "old", "app"});
    check_same(layout.graph("app", Run{}), second);
    check_same(layout.graph("old", Run{}), first);
    CHECK_THAT(bench.index(),
               Catch::StartsWith(R"({"schemaVersion":2,"x-ours":{"z":1,"a":"é"},"manifests":[)" + strange));
    CHECK_THAT(bench.index(), Catch::EndsWith(R"(],"annotations":{"note":"kept"}})"));
    const std::string before = bench.index();
    layout.write(second, {"app"}, kOptions, Run{});
    CHECK(bench.index() == before);
}

TEST_CASE("layout: without a name an entry is added once", "[unit][oci]") {
    const LayoutBench bench;
    const OciLayout layout = bench.layout();
    layout.write(graph_with(1), {}, kOptions, Run{});
    layout.write(graph_with(1), {}, kOptions, Run{});
    layout.write(graph_with(1), {"named"}, kOptions, Run{});
    CHECK(names_in(layout.index()) == std::vector<std::string>{"", "named"});
    CHECK(layout.graph("", Run{}).root().bytes == graph_with(1).root().bytes);  // two entries, but of one image
}

TEST_CASE("layout: entries are removed by name, position and digest", "[unit][oci]") {
    const LayoutBench bench;
    const OciLayout layout = bench.layout();
    layout.write(graph_with(1), {"a", "b"}, kOptions, Run{});
    layout.write(graph_with(2), {"c"}, kOptions, Run{});
    CHECK_FALSE(layout.remove("d"));
    CHECK(layout.remove("a"));
    CHECK(names_in(layout.index()) == std::vector<std::string>{"b", "c"});
    layout.write(graph_with(1), {"a"}, kOptions, Run{});
    CHECK(layout.remove(graph_with(1).root().digest.text()));
    CHECK(names_in(layout.index()) == std::vector<std::string>{"c"});
    CHECK(layout.remove("@0"));
    CHECK_FALSE(layout.remove("@0"));
    CHECK_THAT(failure_of([&] { return layout.graph("", Run{}); }), Catch::Contains("lists no image"));
}

TEST_CASE("layout: choosing an entry", "[unit][oci]") {
    const auto entry = [](const std::string& content, const std::string& annotations) {
        return descriptor_text(media_type::kOciManifest, content, R"(,"annotations":{)" + annotations + "}");
    };
    const std::string ref = R"("org.opencontainers.image.ref.name":)";
    const std::string containerd = R"("io.containerd.image.name":)";
    const Index index = Index::parse(
        classify_manifest(index_of({entry("0", ref + R"("1",)" + containerd + R"("docker.io/library/app:1")"),
                                    entry("1", ref + R"("1",)" + containerd + R"("ghcr.io/acme/app:1")"),
                                    entry("2", ref + R"("quay.io/acme/x:2")"), entry("3", ""),
                                    entry("2", ref + R"("same")"), entry("4", ref + R"("app:1")")}),
                          media_type::kOciIndex)
            .raw);
    const auto chosen = [&](std::string_view which) { return &choose_entry(index, which) - index.manifests.data(); };
    CHECK(chosen("@0") == 0);
    CHECK(chosen("@3") == 3);
    CHECK(chosen("ghcr.io/acme/app:1") == 1);
    CHECK(chosen("docker.io/library/app:1") == 0);
    CHECK(chosen("app:1") == 5);  // exactly so before the same in another spelling
    CHECK(chosen("library/app:1") == 0);
    CHECK(chosen("quay.io/acme/x:2") == 2);
    CHECK(chosen("same") == 4);
    CHECK(chosen(sha256("2").text()) == 2);
    CHECK(chosen("@" + sha256("3").text()) == 3);
    CHECK_THAT(failure_of([&] { return chosen("1"); }), Catch::StartsWith("invalid-input: several entries") &&
                                                            Catch::Contains("@1 ghcr.io/acme/app:1") &&
                                                            Catch::Contains("(no name)"));
    CHECK_THAT(failure_of([&] { return chosen(""); }), Catch::StartsWith("invalid-input: index.json lists 6 entries"));
    CHECK_THAT(failure_of([&] { return chosen("2"); }),
               Catch::StartsWith("not-found: index.json has no entry 2 (@0 docker.io/library/app:1"));
    CHECK_THAT(failure_of([&] { return chosen("@6"); }), Catch::StartsWith("not-found: "));
    CHECK_THAT(failure_of([&] { return chosen("@-1"); }), Catch::StartsWith("invalid-input: "));
    CHECK_THAT(failure_of([&] { return chosen(sha256("9").text()); }), Catch::StartsWith("not-found: "));
}

TEST_CASE("layout: an index may lack children, those that are there are read by digest", "[unit][oci]") {
    const LayoutBench bench;
    const OciLayout layout = bench.layout();
    std::shared_ptr<MemoryBlobs> blobs;
    const Graph present = graph_with(1, &blobs);
    const Graph index = index_over({present}, blobs);
    const std::string sparse = index_of({descriptor_text(media_type::kOciManifest, "not here"),
                                         descriptor_text(media_type::kOciIndex, "nor this one"),
                                         descriptor_text(media_type::kOciIndex, index.root().bytes)});
    layout.write(index, {"complete"}, kOptions, Run{});
    CHECK(layout.remove("complete"));
    write_file(bench.blob(sha256(sparse)), sparse);
    bench.set_index(index_of({descriptor_text(media_type::kOciIndex, sparse)}));
    check_same(layout.graph(present.root().digest.text(), Run{}), present);
    CHECK_THAT(failure_of([&] { return layout.graph("", Run{}); }),
               Catch::StartsWith("not-found: ") && Catch::Contains(sha256("not here").shortened()));
}

TEST_CASE("layout: blobs appear whole and verified or not at all, and no name before them", "[unit][oci]") {
    const LayoutBench bench;
    const OciLayout layout = bench.layout();
    std::shared_ptr<MemoryBlobs> blobs;
    const Graph graph = graph_with(1, &blobs);
    const Descriptor& layer = graph.blobs.at(1);
    const std::string right = content_of(*blobs, layer);
    for (const std::string& wrong : {std::string(right.size(), 'x'), right.substr(1), right + "x"}) {
        blobs->replace(layer.digest, wrong);
        CHECK_THAT(failure_of([&] { return layout.write(graph, {"app"}, kOptions, Run{}); }),
                   Catch::StartsWith("integrity: ") && Catch::Contains(layer.digest.shortened()));
        CHECK_FALSE(fs::exists(bench.blob(layer.digest)));
        CHECK_FALSE(fs::exists(bench.blob(graph.root().digest)));
        CHECK(layout.index().manifests.empty());
    }
    blobs->replace(layer.digest, right);
    layout.write(graph, {"app"}, kOptions, Run{});
    // A blob that somebody cut is written again, as is a manifest that somebody changed.
    fs::resize_file(bench.blob(layer.digest), 5);
    write_file(bench.blob(graph.root().digest), std::string(graph.root().bytes.size(), ' '));
    CHECK_FALSE(layout.has(layer));
    CHECK_THAT(failure_of([&] { return layout.graph("app", Run{}); }), Catch::StartsWith("integrity: "));
    CHECK(layout.write(graph, {"app"}, kOptions, Run{}).bytes_written == layer.size);
    check_same(layout.graph("app", Run{}), graph);
    std::set<std::string> files;
    for (const auto& entry : fs::directory_iterator(bench.directory() / "blobs/sha256")) {
        files.insert(entry.path().filename().string());
    }
    CHECK(files.size() == graph.blobs.size() + 1);  // no temporary ones
}

TEST_CASE("layout: no symlink below the directory is followed", "[unit][oci]") {
    const Graph graph = graph_with(1);
    const auto refused = [&](const std::function<void(const LayoutBench&)>& change) {
        const LayoutBench bench;
        bench.layout().write(graph, {"app"}, kOptions, Run{});
        change(bench);
        for (const auto& body : std::vector<std::function<void()>>{
                 [&] { content_of(*OciLayout::open(bench.directory()).graph("app", Run{}).source, graph.blobs.at(1)); },
                 [&] { OciLayout::open(bench.directory()).write(graph, {"app"}, kOptions, Run{}); }}) {
            CHECK_THAT(failure_of(body), Catch::StartsWith("invalid-input: ") && Catch::Contains("symbolic link"));
        }
    };
    const auto move_out = [](const LayoutBench& bench, const fs::path& path) {
        const fs::path target = bench.outside() / "moved";
        fs::rename(path, target);
        fs::create_symlink(target, path);
    };
    refused([&](const LayoutBench& bench) { move_out(bench, bench.blob(graph.blobs.at(1).digest)); });
    refused([&](const LayoutBench& bench) { move_out(bench, bench.directory() / "blobs/sha256"); });
    refused([&](const LayoutBench& bench) { move_out(bench, bench.directory() / "blobs"); });
    refused([&](const LayoutBench& bench) { move_out(bench, bench.directory() / "index.json"); });
    refused([&](const LayoutBench& bench) { move_out(bench, bench.directory() / "oci-layout"); });
}

TEST_CASE("layout: many writers of one layout lose nothing", "[unit][oci]") {
    const LayoutBench bench;
    constexpr unsigned kWriters = 8;
    constexpr unsigned kImages = 4;
    std::vector<std::thread> writers;
    std::mutex mutex;
    std::vector<std::string> failures;
    for (unsigned writer = 0; writer < kWriters; ++writer) {
        writers.emplace_back([&, writer] {
            for (unsigned image = 0; image < kImages; ++image) {
                const std::string name = std::to_string(writer) + "-" + std::to_string(image);
                const std::string failure = failure_of([&] {
                    return bench.layout().write(graph_with(image), {name}, {.connections = 2, .task = ""}, Run{});
                });
                const std::scoped_lock lock(mutex);
                failures.push_back(failure);
            }
        });
    }
    for (std::thread& writer : writers) {
        writer.join();
    }
    CHECK(failures == std::vector<std::string>(kWriters * kImages));
    const OciLayout layout = OciLayout::open(bench.directory());
    CHECK(layout.index().manifests.size() == kWriters * kImages);
    for (unsigned image = 0; image < kImages; ++image) {
        check_same(layout.graph("7-" + std::to_string(image), Run{}), graph_with(image));
    }
}

TEST_CASE("layout: a lock that nobody gives back is an error in the end", "[unit][oci]") {
    const LayoutBench bench;
    const OciLayout layout = bench.layout();
    FakeClock clock;
    Run run;
    run.clock = &clock;
    {
        const IndexLock lock(bench.directory(), Run{});
        CHECK_THAT(failure_of([&] { return layout.write(graph_with(1), {"app"}, kOptions, run); }),
                   Catch::StartsWith("unavailable: ") && Catch::Contains(".index.json.lock"));
        CHECK(clock.now() - FakeClock().now() >= std::chrono::seconds(60));
    }
    layout.write(graph_with(1), {"app"}, kOptions, run);
    CHECK(names_in(layout.index()) == std::vector<std::string>{"app"});
}

TEST_CASE("layout: only a layout is opened, only an empty directory becomes one", "[unit][oci]") {
    const ArchiveBench bench;
    const fs::path path = bench.directory() / "new/layout";
    CHECK_THAT(failure_of([&] { return OciLayout::open(path); }), Catch::StartsWith("not-found: "));
    OciLayout::open_or_create(path);
    CHECK(OciLayout::open(path).index().manifests.empty());

    const fs::path file = bench.write("x", "file");
    CHECK_THAT(failure_of([&] { return OciLayout::open(file); }), Catch::StartsWith("invalid-input: "));
    CHECK(failure_of([&] { return OciLayout::open_or_create(file); }) != "");

    const fs::path other = bench.directory() / "other";
    fs::create_directory(other);
    write_file(other / "mine", "x");
    CHECK_THAT(failure_of([&] { return OciLayout::open_or_create(other); }),
               Catch::StartsWith("conflict: ") && Catch::Contains("it holds mine"));
    CHECK(std::distance(fs::directory_iterator(other), fs::directory_iterator()) == 1);
    CHECK_THAT(failure_of([&] { return OciLayout::open(other); }), Catch::Contains("it has no oci-layout"));
    write_file(other / "oci-layout", R"({"imageLayoutVersion":"3.0.0"})");
    CHECK_THAT(failure_of([&] { return OciLayout::open(other); }), Catch::Contains("version 3.0.0"));
    write_file(other / "oci-layout", R"({"imageLayoutVersion":"1.0.0"})");
    CHECK_THAT(failure_of([&] { return OciLayout::open(other); }), Catch::Contains("it has no index.json"));
}

TEST_CASE("layout: one that was left half made is completed", "[unit][oci]") {
    for (const char* const missing : {"index.json", "oci-layout", "blobs"}) {
        const LayoutBench bench;
        static_cast<void>(bench.layout());
        fs::remove_all(bench.directory() / missing);
        bench.layout().write(graph_with(1), {"app"}, kOptions, Run{});
        check_same(OciLayout::open(bench.directory()).graph("app", Run{}), graph_with(1));
    }
}

TEST_CASE("layout: an index without entries may say null, as umoci's new ones do", "[unit][oci]") {
    const LayoutBench bench;
    static_cast<void>(bench.layout());
    bench.set_index(R"({"schemaVersion":2,"manifests":null})");
    CHECK(bench.layout().index().manifests.empty());
    bench.layout().write(graph_with(1), {"app"}, kOptions, Run{});
    CHECK(names_in(bench.layout().index()) == std::vector<std::string>{"app"});
}

TEST_CASE("layout: names that no entry can have are refused before anything is written", "[unit][oci]") {
    const LayoutBench bench;
    for (const std::string& name :
         {std::string(), std::string("@1"), std::string("a\nb"), std::string("\xff"), std::string(1025, 'a')}) {
        CHECK_THAT(failure_of([&] { return bench.layout().write(graph_with(1), {name}, kOptions, Run{}); }),
                   Catch::StartsWith("invalid-input: "));
    }
    CHECK(fs::is_empty(bench.directory() / "blobs/sha256"));
}
