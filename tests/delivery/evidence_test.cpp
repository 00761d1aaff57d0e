#include "cooper/delivery/evidence.hpp"

#include "cooper/base/compression.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "delivery/gate/evidence_files.hpp"
#include "delivery/gate/file_list.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <set>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::LayerSpec;
using cooper::testing::memory_image;
namespace fs = std::filesystem;

namespace {

constexpr const char* kName = "braindotai/opencrate-cpu-py3.10:v0.1.0";

TarEntry file_entry(const std::string& path, std::uint32_t mode = 0644) {
    TarEntry entry;
    entry.path = path;
    entry.mode = mode;
    entry.mtime = 1'700'000'000;
    return entry;
}

struct TarMember {
    TarEntry entry;
    std::string content;
};

std::string tar_of(const std::vector<TarMember>& members) {
    StringSink sink(64 << 20);
    TarWriter writer(sink);
    for (TarMember member : members) {
        member.entry.size = member.content.size();
        MemorySource content{std::string_view(member.content)};
        if (member.entry.type == TarType::File) {
            writer.add(member.entry, content);
        } else {
            writer.add(member.entry);
        }
    }
    writer.finish();
    return sink.take();
}

TarEntry symlink_entry(const std::string& path, const std::string& target) {
    TarEntry entry = file_entry(path, 0777);
    entry.type = TarType::Symlink;
    entry.link = target;
    return entry;
}

const std::vector<TarMember> kBase = {{file_entry("etc/os-release"), "linux\n"}};
const std::vector<TarMember> kApp = {{file_entry("usr/bin/app", 0755), "v1"},
                                     {symlink_entry("usr/bin/link", "app"), ""},
                                     {file_entry("usr/share/a b%\n\xff"), "odd"}};

oci::Image image_of(const std::vector<std::vector<TarMember>>& layers, LayerSpec::Form form = LayerSpec::Form::Gzip,
                    const std::string& extra = "") {
    std::vector<LayerSpec> specs;
    for (const auto& layer : layers) {
        specs.push_back({form, tar_of(layer)});
    }
    return memory_image(specs, nullptr, extra);
}

/// The evidence of an image as it is found again.
class Recorded {
public:
    explicit Recorded(const oci::Image& image, bool files = true) {
        path_ = write_evidence(directory_.path(), evidence_of(image, kName), image, files, {});
    }
    [[nodiscard]] EvidenceSet::Item item() const { return EvidenceSet::load(directory_.path()).items().at(0); }
    [[nodiscard]] fs::path list() const { return file_list_of(path_); }
    [[nodiscard]] const fs::path& directory() const { return directory_.path(); }

private:
    TempDirectory directory_;
    fs::path path_;
};

std::vector<std::string> differences(const EvidenceSet::Item& item, const oci::Image& image,
                                     const std::optional<Digest>& tarball = std::nullopt, bool same_form = true) {
    try {
        check_evidence(item, image, tarball, same_form, {});
    } catch (const NotTested& error) {
        REQUIRE(error.code() == ErrorCode::Integrity);
        for (const std::string& line : error.differences()) {
            REQUIRE(std::string(error.what()).find(line) != std::string::npos);
        }
        return error.differences();
    }
    return {};
}

/// The lines that begin so.
std::vector<std::string> lines_of(const std::vector<std::string>& lines, const std::string& start) {
    std::vector<std::string> found;
    for (const std::string& line : lines) {
        if (line.starts_with(start)) {
            found.push_back(line);
        }
    }
    return found;
}

/// What is told of the files of the second layer when it holds `layer` instead of kApp.
std::vector<std::string> told_of(const std::vector<TarMember>& layer) {
    const Recorded tested(image_of({kBase, kApp}));
    auto lines = lines_of(differences(tested.item(), image_of({kBase, layer})), "layer 2: ");
    REQUIRE_FALSE(lines.empty());
    REQUIRE(lines.front().starts_with("layer 2: diff ID sha256:"));
    lines.erase(lines.begin());
    return lines;
}

Evidence sample() {
    return {.name = kName,
            .platform = "linux/amd64",
            .manifest = sha256("manifest"),
            .manifest_is_made = true,
            .config = sha256("config"),
            .diff_ids = {sha256("one"), sha256("two")},
            .tarball = sha256("tarball"),
            .tarball_size = 123,
            .passed = {"docker run --rm {id} pytest"},
            .files = sha256("files")};
}

ErrorCode code_of_evidence(const std::string& text) {
    try {
        static_cast<void>(evidence_from_json(text, "x.evidence.json"));
    } catch (const Error& error) {
        REQUIRE(std::string(error.what()).find("x.evidence.json") != std::string::npos);
        return error.code();
    }
    FAIL("it was taken: " << text);
    return {};
}

std::string with_text(std::string text, const std::string& from, const std::string& to) {
    REQUIRE(text.find(from) != std::string::npos);
    return text.replace(text.find(from), from.size(), to);
}

ErrorCode code_of_load(const fs::path& path) {
    try {
        static_cast<void>(EvidenceSet::load(path));
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("it was loaded");
    return {};
}

void put(const fs::path& path, const Evidence& evidence) {
    fs::create_directories(path.parent_path());
    write_file(path, evidence_to_json(evidence));
}

}  // namespace

TEST_CASE("evidence: is one small canonical document", "[unit][delivery]") {
    const Evidence evidence = sample();
    const std::string text = evidence_to_json(evidence);
    REQUIRE(evidence_from_json(text, "x") == evidence);
    REQUIRE(
        text ==
        R"({"config":")" + sha256("config").text() + R"(","diff_ids":[")" + sha256("one").text() + R"(",")" +
            sha256("two").text() + R"("],"files":")" + sha256("files").text() + R"(","manifest":")" +
            sha256("manifest").text() + R"(","manifest_is_made":true,"name":")" + kName +
            R"(","passed":["docker run --rm {id} pytest"],"platform":"linux/amd64","schema":"cooper.evidence/v1",)" +
            R"("tarball":{"digest":")" + sha256("tarball").text() + "\",\"size\":123}}\n");
    const Evidence least = evidence_of(image_of({}), "a:1");
    REQUIRE(evidence_from_json(evidence_to_json(least), "x") == least);
}

TEST_CASE("evidence: what is not evidence is refused by name", "[unit][delivery]") {
    const std::string good = evidence_to_json(sample());
    const auto bad = [&](const std::string& from, const std::string& to) {
        return code_of_evidence(with_text(good, from, to));
    };
    REQUIRE(bad("evidence/v1", "evidence/v2") == ErrorCode::Unsupported);
    REQUIRE(bad("cooper.evidence/v1", "cooper.lock/v1") == ErrorCode::InvalidInput);
    REQUIRE(bad("\"files\"", "\"only_if\"") == ErrorCode::Unsupported);
    REQUIRE(bad("braindotai/", "brain\\u001b[2J/") == ErrorCode::InvalidInput);
    REQUIRE(bad(kName, "") == ErrorCode::InvalidInput);
    REQUIRE(bad(kName, std::string(1025, 'a')) == ErrorCode::InvalidInput);
    REQUIRE(bad(sha256("two").text(), "sha256:12") == ErrorCode::InvalidInput);
    REQUIRE(bad("true", "\"yes\"") == ErrorCode::InvalidInput);
    REQUIRE(bad("123", "-1") == ErrorCode::InvalidInput);
    REQUIRE(bad("\"docker run", "{},\"docker run") == ErrorCode::InvalidInput);
    REQUIRE(bad("\"name\"", "\"name\":\"b:1\",\"name\"") == ErrorCode::InvalidInput);
    std::string many;
    for (std::size_t i = 0; i < 1000; ++i) {
        many += "\"" + sha256("one").text() + "\",";
    }
    REQUIRE(bad("[\"" + sha256("one").text(), "[" + many + "\"" + sha256("one").text()) == ErrorCode::InvalidInput);
    REQUIRE(code_of_evidence(std::string(kMaxEvidence + 1, ' ')) == ErrorCode::InvalidInput);
    REQUIRE(code_of_evidence(std::string(5000, '[')) == ErrorCode::InvalidInput);
    REQUIRE(code_of_evidence("") == ErrorCode::InvalidInput);
}

TEST_CASE("evidence: no two names share a file, and none leaves the directory", "[unit][delivery]") {
    REQUIRE(evidence_file_name(kName) == "braindotai_opencrate-cpu-py3.10_v0.1.0.evidence.json");
    std::set<std::string> files;
    const std::vector<std::string> names = {"a/b:1",
                                            "a_b:1",
                                            "a/b_1",
                                            "a:b:1",
                                            "a:b/1",
                                            "a/b:1_2",
                                            "a/b:1/2",
                                            "a:1",
                                            "a:V1",
                                            "a:v1",
                                            "a",
                                            "../../x:1",
                                            "..:1",
                                            ".",
                                            "~a_b_1",
                                            "a%2fb:1",
                                            "localhost:5000/a/b:1",
                                            "a|b:1",
                                            "a/b",
                                            std::string(500, 'a') + ":1",
                                            std::string(500, 'a') + ":2"};
    for (const std::string& name : names) {
        INFO(name);
        const std::string file = evidence_file_name(name);
        REQUIRE(files.insert(to_lower(file)).second);
        REQUIRE(file.size() < 220);
        REQUIRE(file.find_first_of("/\\:*?\"<>| ") == std::string::npos);
        REQUIRE(file.front() != '.');
    }
    REQUIRE_THROWS_AS(evidence_file_name(""), Error);
    REQUIRE_THROWS_AS(evidence_file_name("a b:1"), Error);
}

TEST_CASE("evidence: the tested image passes, and its evidence is the same each time", "[unit][delivery]") {
    std::vector<std::vector<TarMember>> layers;
    for (int i = 0; i < 9; ++i) {
        layers.push_back({{file_entry("f" + std::to_string(i)), std::string(10'000, static_cast<char>('a' + i))}});
    }
    const oci::Image image = image_of(layers);
    const Recorded first(image), second(image);
    REQUIRE(read_file(first.list(), 1 << 20) == read_file(second.list(), 1 << 20));
    REQUIRE(first.item().evidence == second.item().evidence);
    REQUIRE(first.item().evidence.files == sha256(read_file(first.list(), 1 << 20)));
    REQUIRE(differences(first.item(), image).empty());
    const Recorded without(image, false);
    REQUIRE_FALSE(fs::exists(without.list()));
    REQUIRE(differences(without.item(), image).empty());
}

TEST_CASE("evidence: a layer that is not what its digests say is no evidence", "[unit][delivery]") {
    std::shared_ptr<testing::MemoryBlobs> blobs;
    const oci::Image image = memory_image({{LayerSpec::Form::Plain, tar_of(kBase)}}, &blobs);
    blobs->replace(image.manifest.layers[0].digest, tar_of(kApp));
    const TempDirectory directory;
    REQUIRE_THROWS_AS(write_evidence(directory.path(), evidence_of(image, kName), image, true, {}), IntegrityError);
    REQUIRE(fs::is_empty(directory.path()));
}

TEST_CASE("evidence: the first differing layer's files are named, and what differs", "[unit][delivery]") {
    auto app = kApp;
    app[0].content = "version 2";
    REQUIRE(told_of(app) == std::vector<std::string>{"layer 2: usr/bin/app: content (9 bytes, tested 2 bytes)"});
    app = kApp;
    app[0].content = "v2";
    REQUIRE(told_of(app) == std::vector<std::string>{"layer 2: usr/bin/app: content"});
    app = kApp;
    app[0].entry.mode = 04755;
    app[0].entry.uid = 1000;
    REQUIRE(told_of(app) ==
            std::vector<std::string>{"layer 2: usr/bin/app: mode (4755, tested 0755), owner (1000:0, tested 0:0)"});
    app = kApp;
    app[1].entry.link = "/bin/sh";
    app[2].entry.mtime += 1;
    REQUIRE(told_of(app) == std::vector<std::string>{"layer 2: usr/bin/link: link target (/bin/sh, tested app)",
                                                     "layer 2: and 1 that differ in nothing but their time"});
    app = kApp;
    app[2].entry.mtime += 1;
    REQUIRE(told_of(app) ==
            std::vector<std::string>{"layer 2: usr/share/a b%??: mtime (1700000001, tested 1700000000)"});
    app = kApp;
    app[0].entry = symlink_entry("usr/bin/app", "x");
    app[0].content = "";
    REQUIRE(told_of(app)[0].starts_with("layer 2: usr/bin/app: type (symlink, tested file), mode"));
    app = kApp;
    app[2].entry.xattrs["user.a"] = "1";
    REQUIRE(told_of(app) == std::vector<std::string>{"layer 2: usr/share/a b%??: extended attributes"});
    REQUIRE(told_of({kApp[0], kApp[2], {file_entry("zz"), ""}}) ==
            std::vector<std::string>{"layer 2: zz: not in the tested image",
                                     "layer 2: usr/bin/link: missing, it is in the tested image"});
    REQUIRE(told_of({kApp[1], kApp[0], kApp[2]}) ==
            std::vector<std::string>{"layer 2: the same files; their order or the tar's own bytes differ"});
}

TEST_CASE("evidence: many differences are counted, paths that repeat are held one by one", "[unit][delivery]") {
    std::vector<TarMember> many;
    for (int i = 0; i < 50; ++i) {
        many.push_back({file_entry("f" + std::to_string(100 + i)), "x"});
    }
    const auto lines = told_of(many);
    REQUIRE(lines.size() == 11);
    REQUIRE(lines[9] == "layer 2: f109: not in the tested image");
    REQUIRE(lines[10] == "layer 2: and 43 more files");  // 50 that came, 3 that went, 10 told
    REQUIRE(told_of({kApp[0], kApp[0], kApp[1], kApp[2]}) ==
            std::vector<std::string>{"layer 2: usr/bin/app: not in the tested image"});

    const Recorded tested(image_of({kBase}));
    const auto more = differences(tested.item(), image_of({kBase, kApp}));
    REQUIRE(lines_of(more, "2 layers, tested 1").size() == 1);
    REQUIRE(lines_of(more, "layer 2: diff ID sha256:").at(0).ends_with("tested none"));
}

TEST_CASE("evidence: a config that differs is told by its members, without values of variables", "[unit][delivery]") {
    const auto form = LayerSpec::Form::Gzip;
    const std::string before = R"("config":{"Env":["PATH=/bin","TOKEN=hunter2"],"User":"app"},)";
    const std::string after = R"("config":{"Env":["PATH=/bin","TOKEN=hunter3"],"User":"root"},)";
    const Recorded tested(image_of({kBase}, form, before));
    const auto lines = differences(tested.item(), image_of({kBase}, form, after));
    REQUIRE(lines[0].starts_with("image ID: sha256:"));
    REQUIRE(lines_of(lines, "config: ") ==
            std::vector<std::string>{"config: /config/Env/1 (TOKEN) changed", "config: /config/User changed"});
    for (const std::string& line : lines) {
        REQUIRE(line.find("hunter") == std::string::npos);
    }
    const Recorded digests(image_of({kBase}, form, before), false);
    const auto short_lines = differences(digests.item(), image_of({kBase}, form, after));
    REQUIRE(short_lines.size() == 3);  // image ID, manifest, and why no more is known
    REQUIRE(short_lines.back().find("no list of files") != std::string::npos);
}

TEST_CASE("evidence: other compression is another manifest, and no other image", "[unit][delivery]") {
    const Recorded tested(image_of({kBase, kApp}));
    const oci::Image plain = image_of({kBase, kApp}, LayerSpec::Form::Plain);
    EvidenceSet::Item item = tested.item();
    REQUIRE(differences(item, plain).size() == 1);
    REQUIRE(differences(item, plain)[0].starts_with("manifest: "));
    REQUIRE(differences(item, plain, std::nullopt, false).empty());
    item.evidence.tarball = sha256("one");
    REQUIRE(differences(item, plain, sha256("two"), false).empty());  // of other layers, so it has other bytes
    item.evidence.manifest_is_made = true;
    REQUIRE(differences(item, plain).empty());
    REQUIRE_FALSE(differences(item, image_of({kBase}, LayerSpec::Form::Plain)).empty());
}

TEST_CASE("evidence: tarballs are compared where there are two", "[unit][delivery]") {
    const oci::Image image = image_of({kBase});
    const Recorded tested(image);
    EvidenceSet::Item item = tested.item();
    REQUIRE(differences(item, image, sha256("one")).empty());
    item.evidence.tarball = sha256("one");
    REQUIRE(differences(item, image, sha256("one")).empty());
    REQUIRE(differences(item, image).empty());
    const auto lines = differences(item, image, sha256("two"), false);
    REQUIRE(lines == std::vector<std::string>{"tarball: " + sha256("two").text() + ", tested " + sha256("one").text()});
}

TEST_CASE("evidence: a list of files that is not the one is not believed", "[unit][delivery]") {
    const Recorded tested(image_of({kBase, kApp}));
    const EvidenceSet::Item item = tested.item();
    const oci::Image other = image_of({kBase, kBase});
    const auto untold = [&] {
        const auto lines = differences(item, other);
        REQUIRE(lines.back().starts_with("what differs in it could not be told: "));
        return lines.back();
    };
    const std::string good = read_file(tested.list(), 1 << 20);
    write_file(tested.list(), good + "x");
    REQUIRE(untold().find(tested.list().string()) != std::string::npos);
    fs::remove(tested.list());
    untold();
    write_file(tested.directory() / "elsewhere", good);
    fs::create_symlink(tested.directory() / "elsewhere", tested.list());
    untold();
    fs::remove(tested.list());
    REQUIRE(mkfifo(tested.list().c_str(), 0600) == 0);
    untold();
    fs::remove(tested.list());
    fs::create_directory(tested.list());
    untold();
    fs::remove(tested.list());
    // Named by its right digest, and still of another image.
    const Recorded third(image_of({kApp, kBase}));
    fs::copy_file(third.list(), tested.list());
    EvidenceSet::Item lied = item;
    lied.evidence.files = third.item().evidence.files;
    REQUIRE(differences(lied, other).back().find("of another image") != std::string::npos);
}

TEST_CASE("evidence set: a tree as CI's artifacts come", "[unit][delivery]") {
    const TempDirectory tree;
    Evidence one = sample(), two = sample();
    one.name = "acme/app:1";
    two.name = "acme/api:1";
    put(tree.path() / "digest-app" / "x.evidence.json", one);
    put(tree.path() / "digest-api" / "deep" / "y.evidence.json", two);
    write_file(tree.path() / "README", "not evidence");
    EvidenceSet set = EvidenceSet::load(tree.path());
    REQUIRE(set.items().size() == 2);
    REQUIRE(set.find("acme/app:1")->path == tree.path() / "digest-app" / "x.evidence.json");
    REQUIRE(set.find("app:1")->evidence.name == "acme/app:1");
    REQUIRE(set.find("ghcr.io/other/app:1")->evidence.name == "acme/app:1");
    REQUIRE(set.find("app:2") == nullptr);
    REQUIRE(set.find("p:1") == nullptr);
    REQUIRE_THROWS_AS(set.of("app:2"), NotTested);
    REQUIRE(EvidenceSet::load(tree.path() / "digest-app" / "x.evidence.json").items().size() == 1);

    Evidence third = sample();
    third.name = "ghcr.io/other/app:1";
    put(tree.path() / "z.evidence.json", third);
    set = EvidenceSet::load(tree.path());
    REQUIRE(set.find("app:1") == nullptr);  // which of them?
    REQUIRE(set.find("acme/app:1")->evidence.name == "acme/app:1");
}

TEST_CASE("evidence set: two of one name are one image or an error", "[unit][delivery]") {
    const TempDirectory tree;
    Evidence first = sample(), again = sample();
    first.tarball.reset();
    first.tarball_size = 0;
    again.passed = {"pytest", first.passed[0]};
    put(tree.path() / "1" / "x.evidence.json", first);
    put(tree.path() / "2" / "x.evidence.json", again);
    const EvidenceSet set = EvidenceSet::load(tree.path());
    REQUIRE(set.items().size() == 1);
    REQUIRE(set.items()[0].evidence.tarball == again.tarball);
    REQUIRE(set.items()[0].evidence.passed == std::vector<std::string>{first.passed[0], "pytest"});
    again.config = sha256("another");
    put(tree.path() / "2" / "x.evidence.json", again);
    REQUIRE(code_of_load(tree.path()) == ErrorCode::InvalidInput);
}

TEST_CASE("evidence set: what is hostile or empty is refused", "[unit][delivery]") {
    const TempDirectory tree;
    REQUIRE(code_of_load(tree.path()) == ErrorCode::NotFound);
    REQUIRE(code_of_load(tree.path() / "nowhere") == ErrorCode::NotFound);
    REQUIRE(code_of_load("/dev/null") == ErrorCode::InvalidInput);
    const TempDirectory outside;
    put(outside.path() / "x.evidence.json", sample());
    fs::create_directory_symlink(outside.path(), tree.path() / "linked");
    REQUIRE(code_of_load(tree.path()) == ErrorCode::NotFound);  // not followed
    fs::create_symlink(outside.path() / "x.evidence.json", tree.path() / "x.evidence.json");
    REQUIRE(code_of_load(tree.path()) == ErrorCode::InvalidInput);
    fs::remove(tree.path() / "x.evidence.json");
    REQUIRE(mkfifo((tree.path() / "x.evidence.json").c_str(), 0600) == 0);
    REQUIRE(code_of_load(tree.path()) == ErrorCode::InvalidInput);
    fs::remove(tree.path() / "x.evidence.json");
    write_file(tree.path() / "x.evidence.json", std::string(kMaxEvidence + 1, ' '));
    REQUIRE(code_of_load(tree.path()) == ErrorCode::InvalidInput);
    fs::remove(tree.path() / "x.evidence.json");
    fs::path deep = tree.path();
    for (int i = 0; i < 20; ++i) {
        deep /= "d";
    }
    fs::create_directories(deep);
    REQUIRE(code_of_load(tree.path()) == ErrorCode::InvalidInput);
}

TEST_CASE("file list: damage of any kind is refused", "[unit][delivery]") {
    const std::string layer = "layer " + sha256("x").text() + "\n";
    const std::string line = "0 0644 0 0 0 1 - " + std::string(64, 'a') + " - a%20b -\n";
    const std::string head = "cooper.files/v1\nconfig 2\n{}\n";
    const auto read = [](const std::string& text) {
        FileListReader list(std::make_unique<MemorySource>(std::string_view(text)), "list");
        std::size_t lines = 0;
        while (list.next_layer()) {
            while (const std::string* each = list.next_file()) {
                static_cast<void>(parse_file_line(*each, "list"));
                ++lines;
            }
        }
        return lines;
    };
    REQUIRE(read(head) == 0);
    REQUIRE(read(head + layer + line + line + "end 2\n" + layer + "end 0\n") == 2);
    for (const std::string& bad :
         {std::string(), std::string("cooper.files/v2\n"), std::string("cooper.files/v1\nconfig 99999999999\n"),
          std::string("cooper.files/v1\nconfig 5\n{}\n"), head.substr(0, head.size() - 1), head + "lay",
          head + "layer md5:1\n", head + layer, head + layer + line, head + layer + line + "end 2\n",
          head + layer + "end 1\n", head + line, head + layer + "0 0644 0\nend 1\n",
          head + layer + std::string(100'000, 'x') + "\nend 1\n"}) {
        INFO(bad.substr(0, 100));
        REQUIRE_THROWS_AS(read(bad), Error);
    }
    TarEntry odd = file_entry("a b%\n/../c\xff");
    odd.size = 3;
    const ListedFile parsed = parse_file_line(file_line(odd, sha256("odd")), "list");
    REQUIRE(parsed.path == "c\xff");
    REQUIRE(parsed.size == "3");
    REQUIRE(parsed.mode == "0644");
}
