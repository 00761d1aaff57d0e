#include "cooper/build/hash_tags.hpp"

#include "cooper/base/text.hpp"
#include "cooper/build/source_hash.hpp"

#include "build/tag_specification.hpp"
#include "build/tree_support.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

/// Keeps the warnings.
class Warnings final : public Progress {
public:
    void notice(NoticeLevel level, std::string_view text) noexcept override {
        if (level == NoticeLevel::Warning) {
            texts.emplace_back(text);
        }
    }
    std::vector<std::string> texts;
};

const Digest kBaseDigest = Digest::parse("sha256:" + std::string(64, 'a'));

/// A small project, and tags of it.
class Project {
public:
    Project() {
        tree.file("Dockerfile", "FROM base\n");
        tree.file("uv.lock", "locked\n");
        tree.file("app/main.py", "print()\n");
        inputs.version = "1.2.0";
        inputs.base = "ubuntu:22.04";
        inputs.base_digest = kBaseDigest;
        inputs.platform = oci::Platform::parse("linux/amd64");
        inputs.root = tree.path();
        inputs.recipes = {"Dockerfile"};
        inputs.lock_files = {"uv.lock"};
        inputs.sources = {"app"};
    }
    [[nodiscard]] HashTags tags() const { return cooper_tags(inputs, {}); }

    Tree tree;
    TagInputs inputs;
};

CompatibleInputs compatible(const Tree& tree) {
    CompatibleInputs inputs;
    inputs.version = "1.0.0";
    inputs.lock.base_image = "ubuntu:22.04";
    inputs.lock.root = tree.path("pkg");
    inputs.source = tree.path("pkg");
    return inputs;
}

std::vector<std::string> lines_of(const TagRecord& record) {
    std::vector<std::string> lines;
    for (const auto& input : record.inputs) {
        lines.push_back(std::string(to_string(input.level)) + " " + input.kind + " " + input.name + "=" + input.value);
    }
    return lines;
}

}  // namespace

// --- pieces --------------------------------------------------------------------------------------------------------

TEST_CASE("tags: a hash is shortened to its sixteen lowest digits", "[unit][build]") {
    CHECK(truncate_hash("24") == "01");  // 36
    CHECK(truncate_hash("0").empty());
    // 36^16 - 1, 36^16 and 36^16 + 35: the last digit that fits, and what is lost above.
    CHECK(truncate_hash("6954fe21e3e80ffffffff") == "zzzzzzzzzzzzzzzz");
    CHECK(truncate_hash("6954fe21e3e8100000000") == "0000000000000000");
    CHECK(truncate_hash("006954fe21e3e8100000023") == "z000000000000000");
    CHECK(code_of([] { (void)truncate_hash("12g"); }) == ErrorCode::InvalidInput);
}

TEST_CASE("tags: slugs count characters, not bytes", "[unit][build]") {
    const auto umlauts = [](std::size_t count) {
        std::string text;
        for (std::size_t i = 0; i < count; ++i) {
            text += "\xC3\xBC";
        }
        return text;
    };
    CHECK(base_slug_v0("x" + umlauts(96)) == umlauts(96));
    CHECK(base_slug_sdk(umlauts(64)) == umlauts(64));
    CHECK(truncate_ident(umlauts(5), "t", 8) == umlauts(2) + "_tag_t");
    CHECK(repository_and_tag(umlauts(32), "1", {}).tag == "oh_v1_image_" + umlauts(32) + "_tag_latest");
}

TEST_CASE("tags: what no registry accepts is refused with the reason", "[unit][build]") {
    CHECK_NOTHROW(check_tag("_1.0-x", "tag"));
    CHECK_NOTHROW(check_tag(std::string(128, 'x'), "tag"));
    CHECK_THROWS_WITH(check_tag("", "lock tag"), Catch::Contains("lock tag") && Catch::Contains("is empty"));
    CHECK_THROWS_WITH(check_tag("-x", "tag"), Catch::Contains("begins with '-'"));
    CHECK_THROWS_WITH(check_tag(".x", "tag"), Catch::Contains("begins with '.'"));
    CHECK_THROWS_WITH(check_tag("a@b", "tag"), Catch::Contains("'@' at position 2"));
    CHECK_THROWS_WITH(check_tag("a\n", "tag"), Catch::Contains("'?' at position 2"));
    CHECK_THROWS_WITH(check_tag(std::string(129, 'x'), "tag"), Catch::Contains("has 129 characters"));
}

TEST_CASE("tags: the version is found where the original finds it", "[unit][build]") {
    const Tree tree;
    tree.directory("project");
    tree.directory("package");
    const auto find = [&] { return find_project_version(tree.path("project"), tree.path("package")); };
    CHECK(find() == std::nullopt);
    tree.file("package/pyproject.toml", "[tool]\n  version = '0.3'\nversion = \"0.4\"\n");
    CHECK(find() == "0.3");
    tree.file("project/pyproject.toml", "version=\"9\"\nname = 1\n");
    CHECK(find() == "0.3");  // without the blank it is not seen
    tree.file("project/pyproject.toml", "version = \"0.62.0\" \r\nversion = \"1\"\r\n");
    CHECK(find() == "0.62.0");
}

// --- compatible profiles -------------------------------------------------------------------------------------------

TEST_CASE("tags: a lock file that is no file is named in the error", "[unit][build]") {
    const Tree tree;
    tree.file("pkg/pyproject.toml", "x");
    LockInputs inputs;
    inputs.root = tree.path("pkg");
    const auto v0 = [&] { (void)lock_hash_v0(inputs, {}); };
    CHECK_THROWS_WITH(v0(), Catch::Contains("pkg/poetry.lock") && Catch::Contains(tree.path("poetry.lock").native()));
    CHECK(code_of(v0) == ErrorCode::NotFound);
    tree.directory("poetry.lock");
    CHECK(code_of(v0) == ErrorCode::System);
    REQUIRE(mkfifo(tree.path("pkg/poetry.lock").c_str(), 0600) == 0);
    CHECK(code_of(v0) == ErrorCode::InvalidInput);  // and it does not wait for a writer
    inputs.extra_files = {"more.lock"};
    CHECK_THROWS_WITH(v0(), Catch::Contains("no extra lock files"));
}

TEST_CASE("tags: the directory above is found by name, however the package is named", "[unit][build]") {
    const Tree tree;
    tree.file("poetry.lock", "lock");
    tree.file("pyproject.toml", "project");
    tree.directory("pkg/sub");
    LockInputs inputs;
    inputs.root = tree.path("pkg");
    const auto wanted = lock_hash_v0(inputs, {});
    for (const char* const name : {"pkg/", "pkg/.", "pkg/sub/..", "./pkg//"}) {
        INFO(name);
        inputs.root = tree.path(name);
        CHECK(lock_hash_v0(inputs, {}) == wanted);
    }
}

TEST_CASE("tags: a missing lock file of v1 is said and does not count", "[unit][build]") {
    const Tree tree;
    tree.file("pkg/pyproject.toml", "x");
    LockInputs inputs;
    inputs.base_image = "b";
    inputs.root = tree.path("pkg");
    Warnings warnings;
    Run run;
    run.progress = &warnings;
    const auto hash = lock_hash_v1(inputs, run);
    REQUIRE(warnings.texts.size() == 1);
    CHECK_THAT(warnings.texts[0], Catch::Contains("pkg/uv.lock"));
    tree.file("pkg/uv.lock", "");
    CHECK(lock_hash_v1(inputs, {}) == hash);
}

TEST_CASE("tags: a v1 source without a hash is unknown, with a warning", "[unit][build]") {
    const Tree tree;
    tree.file("pkg/.hidden/x", "x");
    Warnings warnings;
    Run run;
    run.progress = &warnings;
    const auto tags = v1_tags(compatible(tree), run);
    CHECK_THAT(tags.source, Catch::EndsWith("_unknown"));
    CHECK_THAT(warnings.texts.back(), Catch::Contains("unknown"));
    CHECK_THAT(lines_of(tags.record).back(), Catch::Equals("source source =unknown"));
    auto broken = compatible(tree);
    tree.symlink("pkg/loop", ".");
    CHECK_THROWS_AS(v1_tags(broken, {}), SourceHashError);
    broken.source.clear();
    CHECK(code_of([&] { (void)v1_tags(broken, {}); }) == ErrorCode::InvalidInput);
}

TEST_CASE("tags: what v0 and v1 hashed is recorded", "[unit][build]") {
    const Tree tree;
    tree.file("pkg/a.py", "a");
    tree.file("pkg/a.md", "ignored by v1");
    tree.file("pyproject.toml", "p");
    tree.file("poetry.lock", "l");
    auto inputs = compatible(tree);
    const auto v0 = v0_tags(inputs, {});
    CHECK(lines_of(v0.record) == std::vector<std::string>{
                                     "versioned version =1.0.0",
                                     "versioned base name =ubuntu_t_22.04",
                                     "lock base =ubuntu:22.04",
                                     "lock browser =true",
                                     "lock lock file pyproject.toml=md5:83878c91171338902e0fe0fb97a8c47a",
                                     "lock lock file poetry.lock=md5:2db95e8e1a9267b7a1188556b2013b33",
                                     "source file a.md=md5:18b6a57778558189b5404f130005e4fb",
                                     "source file a.py=md5:0cc175b9c0f1b6a831c399e269772661",
                                 });
    CHECK(v0.record.profile == "v0");
    CHECK(v0.record.tags == std::vector<std::pair<std::string, std::string>>{
                                {"source", v0.source}, {"lock", v0.lock}, {"versioned", v0.versioned}});
    inputs.suffix = "-dev";
    CHECK(code_of([&] { (void)v0_tags(inputs, {}); }) == ErrorCode::InvalidInput);
    inputs.lock.enable_browser = false;
    CHECK(lines_of(v1_tags(inputs, {}).record) == std::vector<std::string>{
                                                      "versioned version =1.0.0",
                                                      "versioned base name =ubuntu_tag_22.04",
                                                      "versioned suffix =-dev",
                                                      "lock base =ubuntu:22.04",
                                                      "lock browser =false",
                                                      "source file a.py=md5:0cc175b9c0f1b6a831c399e269772661",
                                                  });
}

TEST_CASE("tags: what is said of a change of v1 is what changes", "[unit][build]") {
    const Tree tree;
    tree.file("pkg/a.py", "a");
    tree.file("pkg/uv.lock", "l");
    auto inputs = compatible(tree);
    const auto before = v1_tags(inputs, {});
    const std::vector<TagLevel> all = {TagLevel::Versioned, TagLevel::Lock, TagLevel::Source};
    const std::vector<TagLevel> from_lock = {TagLevel::Lock, TagLevel::Source};
    std::vector<TagLevel> wanted;
    SECTION("version") {
        inputs.version = "1.0.1";
        wanted = all;
    }
    SECTION("suffix") {
        inputs.suffix = "-dev";
        wanted = all;
    }
    SECTION("base") {
        inputs.lock.base_image = "ubuntu:24.04";
        wanted = all;
    }
    SECTION("case of the base, which its slug does not have") {
        inputs.lock.base_image = "Ubuntu:22.04";
        wanted = from_lock;
    }
    SECTION("browser") {
        inputs.lock.enable_browser = false;
        wanted = from_lock;
    }
    SECTION("lock file") {
        tree.file("pkg/pyproject.toml", "p");
        inputs.source = tree.path("pkg/src");
        tree.file("pkg/src/a.py", "a");
        tree.file("pkg/src/uv.lock", "l");
        wanted = from_lock;
    }
    SECTION("source file") {
        tree.file("pkg/a.py", "b");
        wanted = {TagLevel::Source};
    }
    const auto after = v1_tags(inputs, {});
    std::vector<TagLevel> differ;
    for (const auto level : all) {
        const auto index = 2 - static_cast<std::size_t>(level);  // source, lock, versioned
        if (before.record.tags[index] != after.record.tags[index]) {
            differ.push_back(level);
        }
    }
    CHECK(differ == wanted);
    std::set<TagLevel> explained;
    for (const auto& change : compare(before.record, after.record)) {
        explained.insert(change.touches.begin(), change.touches.end());
    }
    CHECK(std::vector<TagLevel>(explained.begin(), explained.end()) == wanted);
}

// --- profile cooper ------------------------------------------------------------------------------------------------

TEST_CASE("cooper tags: the digits are the first 103 bits in base 36", "[unit][build]") {
    const auto digest = [](const std::string& bytes) {
        return "sha256:" + to_hex(as_bytes(bytes + std::string(32 - bytes.size(), '\xFF')));
    };
    CHECK(TagSpecification::digits(digest(std::string(13, '\0'))) == std::string(20, '0'));
    CHECK(TagSpecification::digits(digest(std::string(12, '\0') + "\x02")) == std::string(19, '0') + "1");
    CHECK(TagSpecification::digits(digest("")) == "rb7f16q855gqwbnqzfnj");  // 2^103 - 1
}

TEST_CASE("cooper tags: the tags of this project never change", "[unit][build]") {
    Project project;
    project.inputs.target = "runtime";
    project.inputs.build_args = {{"NODE", "22"}, {"API_TOKEN", "hidden"}};
    project.inputs.extra_dependencies = {"jq", "git"};
    project.inputs.suffix = "-dev";
    project.tree.symlink("app/link", "main.py");
    project.tree.directory("app/empty");
    project.tree.file("app/run.sh", "#!/bin/sh\n", 0755);
    const auto tags = project.tags();
    CHECK(tags.versioned == "1.2.0_ubuntu-22.04-nwofggz32c56kkfq8hh7-dev");
    CHECK(tags.lock == "1.2.0_3jfsxnpq25ryrj1zetos-dev");
    CHECK(tags.source == "1.2.0_3jfsxnpq25ryrj1zetos_n5bpv7nzua31zb3qk5r9-dev");
    CHECK(TagSpecification::tags_of(tags.record) == tags.record.tags);
    CHECK(tags.repository.empty());
}

TEST_CASE("cooper tags: the record says what was hashed and keeps secrets to itself", "[unit][build]") {
    Project project;
    project.inputs.build_args = {{"NODE", "22"}, {"API_TOKEN", "hidden"}, {"INDEX", "https://me:word@host/x"}};
    project.inputs.extra_dependencies = {"git+https://secret@host/x", "jq"};
    const auto tags = project.tags();
    const auto hidden = [](const char* text) { return sha256(text).text(); };
    CHECK(lines_of(tags.record) == std::vector<std::string>{
                                       "versioned version =1.2.0",
                                       "versioned base =" + kBaseDigest.text(),
                                       "versioned platform =linux/amd64",
                                       "versioned target =",
                                       "versioned secret build argument API_TOKEN=" + hidden("hidden"),
                                       "versioned secret build argument INDEX=" + hidden("https://me:word@host/x"),
                                       "versioned build argument NODE=22",
                                       "versioned recipe Dockerfile=" + sha256("FROM base\n").text(),
                                       "versioned base name =ubuntu-22.04",
                                       "lock secret extra dependency =" + hidden("git+https://secret@host/x"),
                                       "lock extra dependency =jq",
                                       "lock lock file uv.lock=" + sha256("locked\n").text(),
                                       "source directory app=",
                                       "source file app/main.py=" + sha256("print()\n").text(),
                                   });
    CHECK(TagSpecification::tags_of(tags.record) == tags.record.tags);
    for (const char* const secret : {"hidden", "word", "secret@"}) {
        CHECK(to_json(tags.record).find(secret) == std::string::npos);
    }
}

TEST_CASE("cooper tags: the base is its digest, its name only a reading aid", "[unit][build]") {
    Project project;
    const auto slug_of = [&](const std::string& base) {
        project.inputs.base = base;
        const auto tag = project.tags().versioned;
        return tag.substr(6, tag.size() - 6 - 21);
    };
    CHECK(slug_of("ubuntu:22.04") == "ubuntu-22.04");
    CHECK(slug_of("docker.io/library/ubuntu:22.04") == "ubuntu-22.04");
    CHECK(slug_of("ubuntu") == "ubuntu-latest");
    CHECK(slug_of("ubuntu@" + kBaseDigest.text()) == "ubuntu");
    CHECK(slug_of("ubuntu:22.04@" + kBaseDigest.text()) == "ubuntu-22.04");
    CHECK(slug_of("localhost:5000/a_b/c:T_1") == "localhost-5000-a-b-c-T-1");
    CHECK(slug_of("ghcr.io/some-organisation/abc/an-image-with-a-name:v1") ==
          "organisation-abc-an-image-with-a-name-v1");
    CHECK(slug_of("ghcr.io/organisation/" + std::string(36, 'x') + ":v1") == std::string(36, 'x') + "-v1");
}

TEST_CASE("cooper tags: a base without a digest is refused", "[unit][build]") {
    Project project;
    project.inputs.base_digest.reset();
    try {
        (void)project.tags();
        FAIL("no error");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::InvalidInput);
        CHECK_THAT(error.advice(), Catch::Contains("ubuntu:22.04@sha256:"));
    }
    project.inputs.base = "ubuntu@sha256:" + std::string(64, 'b');
    CHECK_NOTHROW(project.tags());
    project.inputs.base_digest = kBaseDigest;
    CHECK_THROWS_WITH(project.tags(), Catch::Contains("another digest"));
    project.inputs.base = "scratch";
    CHECK_THROWS_WITH(project.tags(), Catch::Contains("scratch"));
    project.inputs.base_digest.reset();
    CHECK_THAT(project.tags().versioned, Catch::StartsWith("1.2.0_scratch-"));
    project.inputs.base = "";
    CHECK(code_of([&] { (void)project.tags(); }) == ErrorCode::InvalidInput);
}

TEST_CASE("cooper tags: versions and suffixes leave the parts of a tag apart", "[unit][build]") {
    Project project;
    for (const char* const version : {"1.0.0", "2024.10-rc.1", "main", "0"}) {
        project.inputs.version = version;
        CHECK_NOTHROW(project.tags());
    }
    for (const char* const version : {"", "1_0", "-1", ".1", "1.0+b", "1/0", "1 0", "\xC3\xBC"}) {
        INFO(version);
        project.inputs.version = version;
        CHECK(code_of([&] { (void)project.tags(); }) == ErrorCode::InvalidInput);
    }
    project.inputs.version = std::string(87, '1');
    CHECK_THROWS_WITH(project.tags(), Catch::Contains("the limit is 128"));
    project.inputs.version = "1";
    for (const char* const suffix : {"dev", "_dev", "-a_b", ".x", "-\n"}) {
        INFO(suffix);
        project.inputs.suffix = suffix;
        CHECK(code_of([&] { (void)project.tags(); }) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("cooper tags: recipes and lock files are regular files below the root", "[unit][build]") {
    Project project;
    project.tree.symlink("link.lock", "uv.lock");
    project.tree.symlink("linked", "app");
    const auto code_for = [&](const std::string& path) {
        auto recipe = project.inputs;
        recipe.recipes = {path};
        auto lock = project.inputs;
        lock.lock_files = {path};
        const auto code = code_of([&] { (void)cooper_tags(recipe, {}); });
        CHECK(code == code_of([&] { (void)cooper_tags(lock, {}); }));
        return code;
    };
    CHECK(code_for("missing") == ErrorCode::NotFound);
    for (const auto& path : {"link.lock"s, "linked/main.py"s, "app"s, "../outside"s, "app/../uv.lock"s, ""s, "."s,
                             project.tree.path("uv.lock").native(), "uv.lock\0x"s}) {
        INFO(path);
        CHECK(code_for(path) == ErrorCode::InvalidInput);
    }
}

TEST_CASE("cooper tags: build arguments have one value each", "[unit][build]") {
    Project project;
    project.inputs.build_args = {{"A", "1"}, {"B", "2"}, {"A", "1"}};
    CHECK_THROWS_WITH(project.tags(), Catch::Contains("'A' is given twice"));
    project.inputs.build_args = {{"", "1"}};
    CHECK(code_of([&] { (void)project.tags(); }) == ErrorCode::InvalidInput);
    project.inputs.build_args = {{"A=B", "1"}};
    CHECK(code_of([&] { (void)project.tags(); }) == ErrorCode::InvalidInput);
    project.inputs.build_args = {{"A", std::string(128 * 1024 + 1, 'x')}};
    CHECK_THROWS_WITH(project.tags(), Catch::Contains("limit"));
}

TEST_CASE("cooper tags: what is ignored does not count, what is named does", "[unit][build]") {
    Project project;
    project.inputs.sources.clear();
    const auto before = project.tags().source;
    for (const char* const path : {".git/HEAD", "app/.git", "app/__pycache__/main.cpython-312.pyc", "app/x.pyc",
                                   ".mypy_cache/x", "app/.DS_Store"}) {
        project.tree.file(path, "noise");
    }
    CHECK(project.tags().source == before);
    project.inputs.default_ignore = false;
    CHECK(project.tags().source != before);
    project.inputs.default_ignore = true;
    project.inputs.ignore = {"!**/x.pyc"};
    const auto with_pyc = project.tags().source;
    CHECK(with_pyc != before);

    project.inputs.ignore.clear();
    project.tree.file(".dockerignore", "docs\n.dockerignore\n");
    CHECK(project.tags().source == before);
    project.tree.file("docs/index.md", "text");
    CHECK(project.tags().source == before);
    project.inputs.recipes = {"docs/index.md", "Dockerfile"};
    CHECK(project.tags().versioned.substr(0, 19) == "1.2.0_ubuntu-22.04-");
    CHECK(project.tags().source != before);
    project.inputs.recipes = {"Dockerfile"};
    project.inputs.dockerignore = false;
    CHECK(project.tags().source != before);
}
