#include "cooper/build/project.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>
#include <unistd.h>

#include <filesystem>

namespace cooper::build {

namespace {

namespace fs = std::filesystem;

/// "MESSAGE | ADVICE" of what a project file is refused with; empty: it is taken.
std::string refusal(const std::string& text) {
    try {
        parse_project(text, "cooper.json");
        return "";
    } catch (const Error& error) {
        return std::string(error.what()) + (error.advice().empty() ? "" : " | " + error.advice());
    }
}

/// Of a file whose one image says this, in line 3.
std::string refusal_of_image(const std::string& members) {
    return refusal("{\"images\":\n{\"app\": {\n" + members + "}}}");
}

ImageSettings image_of(const std::string& members) {
    return parse_project("{\"images\": {\"app\": {" + members + "}}}", "cooper.json").image("app");
}

}  // namespace

TEST_CASE("project: every key of an image is read", "[unit][build]") {
    const auto image = image_of(R"(
        "base": "ubuntu:22.04", "version": "1.2.3", "profile": "v1", "registry_prefix": "ghcr.io/acme", "suffix": "-dev",
        "template": "docker/Dockerfile.j2", "variables": {"n": 3, "x": 1.5, "t": "a", "b": true, "z": null, "l": [1, "a"],
        "m": {"k": "v"}}, "trim_blocks": true, "lstrip_blocks": false, "lock_files": ["pyproject.toml", "uv.lock"],
        "extra_dependencies": ["pyyaml==6"], "sources": ["src", "."], "ignore": ["**/*.log", "!keep"],
        "files": ["README.md", {"from": "a/b", "to": "c", "optional": true}], "context_prefix": "code",
        "allow_secrets": ["tests/*.pem"], "targets": ["binary"], "platforms": ["linux/amd64", "arm64"],
        "tags": ["dev", "acme/app:dev"], "build_args": {"A": "1", "B_C": ""}, "browser": false, "builder": "remote",
        "look_in": ["engine", "store"], "runtime_api_url": "https://runtime.example.com/api")");
    CHECK(image.name == "app");
    CHECK(image.root == ".");
    CHECK(image.base == "ubuntu:22.04");
    CHECK(image.version == "1.2.3");
    CHECK(image.profile == "v1");
    CHECK(image.registry_prefix == "ghcr.io/acme");
    CHECK(image.suffix == "-dev");
    CHECK(image.template_file == "docker/Dockerfile.j2");
    CHECK(image.trim_blocks == true);
    CHECK(image.lstrip_blocks == false);
    CHECK(image.lock_files == std::vector<std::string>{"pyproject.toml", "uv.lock"});
    CHECK(image.extra_dependencies == std::vector<std::string>{"pyyaml==6"});
    CHECK(image.sources == std::vector<std::string>{"src", "."});
    CHECK(image.ignore == std::vector<std::string>{"**/*.log", "!keep"});
    CHECK(image.files == std::vector<ExtraFile>{{"README.md", "", false}, {"a/b", "c", true}});
    CHECK(image.context_prefix == "code");
    CHECK(image.allow_secrets == std::vector<std::string>{"tests/*.pem"});
    CHECK(image.targets == std::vector<std::string>{"binary"});
    CHECK(image.platforms == std::vector<std::string>{"linux/amd64", "arm64"});
    CHECK(image.tags == std::vector<std::string>{"dev", "acme/app:dev"});
    CHECK(image.build_args == std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B_C", ""}});
    CHECK(image.browser == false);
    CHECK(image.builder == "remote");
    CHECK(image.look_in == std::vector<std::string>{"engine", "store"});
    CHECK(image.runtime_api_url == "https://runtime.example.com/api");
    CHECK_FALSE(image.repository);
    CHECK_FALSE(image.dockerfile);
    CHECK_FALSE(image.version_file);

    REQUIRE(image.variables);
    std::vector<std::size_t> kinds;
    std::string names;
    for (const auto& [name, value] : *image.variables) {
        names += name;
        kinds.push_back(value.data.index());
    }
    CHECK(names == "nxtbzlm");
    CHECK(kinds == std::vector<std::size_t>{2, 3, 4, 1, 0, 5, 6});
    const auto& list = std::get<TemplateList>((*image.variables)[5].second.data);
    CHECK(std::get<std::int64_t>(list.at(0).data) == 1);
    CHECK(std::get<std::string>(list.at(1).data) == "a");

    const auto other = image_of(R"("dockerfile": "Dockerfile", "version_file": "VERSION", "repository": "acme/x")");
    CHECK(other.dockerfile == "Dockerfile");
    CHECK(other.version_file == "VERSION");
    CHECK(other.repository == "acme/x");
}

TEST_CASE("project: what is wrong is named with its line", "[unit][build]") {
    const std::string at = "cooper.json:3: images.app";
    // Types.
    CHECK(refusal_of_image(R"("platforms": 5)") == at + ".platforms: expected a list of texts, found a number");
    CHECK(refusal_of_image(R"("platforms": "linux")") == at + ".platforms: expected a list of texts, found a text");
    CHECK(refusal_of_image(R"("platforms": ["linux", null])") == at + ".platforms[1]: expected a text, found null");
    CHECK(refusal_of_image(R"("base": ["a"])") == at + ".base: expected a text, found a list");
    CHECK(refusal_of_image(R"("browser": "true")") == at + ".browser: expected true or false, found a text");
    CHECK(refusal_of_image(R"("variables": [])") == at + ".variables: expected an object, found a list");
    CHECK(refusal_of_image(R"("build_args": {"A": 1})") == at + ".build_args.A: expected a text, found a number");
    CHECK(refusal_of_image(R"("files": ["a", true])") ==
          at + R"(.files[1]: expected a path, or an object {"from": …, "to": …, "optional": …}, found true or false)");
    CHECK(refusal_of_image(R"("files": [{"to": "a"}])") == at + R"(.files[0]: "from" is missing)");
    CHECK(refusal_of_image(R"("files": [{"form": "a"}])") ==
          at + R"(.files[0]: unknown key "form"; did you mean "from"?)");
    CHECK(refusal("[]") == "cooper.json:1: the file: expected an object, found a list");
    CHECK(refusal("{\n\"images\": {\n\"a\": []}}") == "cooper.json:3: images.a: expected an object, found a list");
    CHECK(refusal("{\n\n\"defaults\": 1}") == "cooper.json:3: defaults: expected an object, found a number");
    CHECK(refusal("{\n\n\"$schema\":\n1}") == "cooper.json:4: $schema: expected a text, found a number");

    // Keys.
    CHECK(refusal_of_image("\n\"bas\": \"a\"") ==
          R"(cooper.json:4: images.app: unknown key "bas"; did you mean "base"?)");
    CHECK(refusal_of_image(R"("lockfiles": [])") == at + R"(: unknown key "lockfiles"; did you mean "lock_files"?)");
    const auto unknown = refusal_of_image(R"("frobnicate": 1)");
    CHECK(unknown.find(at + R"(: unknown key "frobnicate" | one of base, template, dockerfile, )") == 0);
    CHECK(refusal(R"({"image": {}})") == R"(cooper.json:1: unknown key "image"; did you mean "images"?)");
    CHECK(
        refusal(R"({"base": "ubuntu"})").find(R"(cooper.json:1: "base" is a key of images | put it into "defaults")") ==
        0);
    CHECK(refusal("{\"images\": {\"a\": {},\n \"a\": {}}}") == R"(cooper.json:2: "a" is there twice, also in line 1)");
    CHECK(refusal("{}").find("cooper.json:1: images: there is none | ") == 0);
    CHECK(refusal("\n{\"images\": {}}").find("cooper.json:2: images: there is none | ") == 0);
    for (const auto* secret : {"runtime_api_key", "registry_password", "token", "api-token"}) {
        const auto said = refusal_of_image("\"" + std::string(secret) + "\": \"hunter2\"");
        CHECK(said.find(std::string("\"") + secret + "\": keys and passwords never belong into the file | ") !=
              std::string::npos);
        CHECK(said.find("$RUNTIME_API_KEY") != std::string::npos);
        CHECK(said.find("hunter2") == std::string::npos);
    }

    // The format's number.
    CHECK(refusal(R"({"version": 1, "images": {"a": {}}})").empty());
    CHECK(refusal("{\n\"version\": 2}").find("cooper.json:2: version: this cooper reads format 1, not 2 | ") == 0);
    CHECK(refusal(R"({"version": "1.2.3"})") ==
          "cooper.json:1: version: expected the number of the file's format, 1, found a text | the project's version "
          "belongs into \"defaults\"");
    CHECK_THROWS_AS(parse_project(R"({"version": 2})", "cooper.json"), Error);
    try {
        parse_project(R"({"version": 2})", "cooper.json");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Unsupported);
    }
}

TEST_CASE("project: a value that cannot be is refused where it stands", "[unit][build]") {
    const auto refused = [](const std::string& member, const std::string& says) {
        const auto said = refusal_of_image(member);
        INFO(member << " -> " << said);
        CHECK(said.find("cooper.json:3: images.app.") == 0);
        CHECK(said.find(says) != std::string::npos);
    };
    refused(R"("base": "Ubuntu:22.04")", "lowercase");
    refused(R"("base": "")", ".base: ");
    refused(R"("version": "1.0+local")", "is no version that a tag can hold");
    refused(R"("version": "-1")", "begins with a letter or digit");
    refused(R"("profile": "sdk")", R"("sdk" is none of cooper, v0, v1)");
    refused(R"("builder": "buildah")", R"("buildah" is none of cooper, engine, remote)");
    refused(R"("look_in": ["engine", "cloud"])", R"(look_in[1]: "cloud" is none of engine, registry, store)");
    refused(R"("registry_prefix": "ghcr.io/acme/")", "ends with '/'");
    refused(R"("registry_prefix": "acme@sha256")", "registry_prefix: ");
    refused(R"("repository": "acme/app:1")", "is no repository");
    refused(R"("suffix": "/x")", "is no suffix of tags");
    for (const auto* key : {"template", "dockerfile", "version_file", "context_prefix"}) {
        const std::string name = "\"" + std::string(key) + "\": ";
        refused(name + R"("/etc/passwd")", "leaves the root");
        refused(name + R"("../x")", "leaves the root");
        refused(name + R"("a/../../x")", "leaves the root");
        refused(name + R"("./")", "is the root itself");
        refused(name + R"("")", "is empty");
        refused(name + "\"a\\nb\"", "has a control character");
    }
    refused(R"("lock_files": ["a", "/b"])", R"(lock_files[1]: "/b" leaves the root)");
    refused(R"("sources": ["src/.."])", "leaves the root");
    refused(R"("files": [{"from": "a", "to": "../b"}])", "files[0].to: ");
    refused(R"("ignore": ["a", "[z-a]*"])", "ignore[1]: ");
    refused(R"("ignore": ["!"])", "ignore[0]: ");
    refused(R"("targets": ["a b"])", R"("a b" is no name of a stage)");
    refused(R"("platforms": ["a/b/c/d"])", "platforms[0]: ");
    refused(R"("tags": ["-dev"])", "tags[0]: no registry accepts the custom tag '-dev'");
    refused(R"("tags": ["acme/app"])", "is neither a tag");
    refused(R"("build_args": {"A-B": ""})", R"("A-B" is no build argument's name)");
    refused(R"("variables": {"1a": ""})", R"("1a" is no variable's name)");
    refused(R"("runtime_api_url": "ftp://x")", "runtime_api_url: ");
    refused(R"("runtime_api_url": "https://x/?key=hunter2")", "is followed by a query");
    CHECK(refusal_of_image(R"("runtime_api_url": "https://x/?key=hunter2")").find("hunter2") == std::string::npos);
    refused(R"("runtime_api_url": "https://me:hunter2@x/")", "runtime_api_url: ");
    CHECK(refusal_of_image(R"("runtime_api_url": "https://me:hunter2@x/")").find("hunter2") == std::string::npos);
}

TEST_CASE("project: keys that exclude each other are refused within one layer", "[unit][build]") {
    CHECK(refusal_of_image("\"template\": \"a\",\n\"dockerfile\": \"b\"") ==
          "cooper.json:4: images.app: template and dockerfile exclude each other");
    CHECK(refusal_of_image("\"version_file\": \"a\",\n\"version\": \"1\"") ==
          "cooper.json:4: images.app: version and version_file exclude each other");
    CHECK(refusal_of_image(R"("repository": "a", "registry_prefix": "b")") ==
          "cooper.json:3: images.app: registry_prefix and repository exclude each other");
}

TEST_CASE("project: images have names that registries take", "[unit][build]") {
    for (const auto* name : {"App", "a/b", "a:1", "", "-a", "a@b"}) {
        INFO(name);
        CHECK(refusal("{\"images\": {\n\"" + std::string(name) + "\": {}}}").find("cooper.json:2: images: ") == 0);
    }
    CHECK(refusal(R"({"images": {"agent-server": {}, "a__b.c": {}}})").empty());
}

TEST_CASE("project: an image stands on the defaults", "[unit][build]") {
    const auto project = parse_project(R"({
        "defaults": {"base": "ubuntu", "template": "a.j2", "tags": ["dev"], "registry_prefix": "ghcr.io/acme",
                     "variables": {"a": 1, "b": 2}, "build_args": {"A": "1", "B": "2"}},
        "images": {"runtime": {"dockerfile": "Dockerfile", "tags": [], "variables": {"b": 3, "c": 4},
                               "build_args": {"B": "", "C": "3"}},
                   "other": {"repository": "docker.io/acme/other"}}})",
                                       "sub/cooper.json");
    const auto runtime = project.image("runtime");
    CHECK(runtime.name == "runtime");
    CHECK(runtime.root == "sub");
    CHECK(runtime.base == "ubuntu");
    CHECK(runtime.dockerfile == "Dockerfile");
    CHECK_FALSE(runtime.template_file);
    CHECK(runtime.tags == std::vector<std::string>{});
    CHECK(runtime.build_args == std::vector<std::pair<std::string, std::string>>{{"A", "1"}, {"B", ""}, {"C", "3"}});
    REQUIRE(runtime.variables);
    std::string variables;
    for (const auto& [name, value] : *runtime.variables) {
        variables += name + std::to_string(std::get<std::int64_t>(value.data));
    }
    CHECK(variables == "a1b3c4");
    const auto other = project.image("other");
    CHECK(other.repository == "docker.io/acme/other");
    CHECK_FALSE(other.registry_prefix);
    CHECK(other.template_file == "a.j2");

    CHECK_THROWS_WITH(project.image("runtme"), R"(sub/cooper.json has no image "runtme"; did you mean "runtime"?)");
    CHECK_THROWS_WITH(project.image(""), "sub/cooper.json describes several images: which one?");
    CHECK(parse_project(R"({"images": {"one": {}}})", "x").image("").name == "one");
}

TEST_CASE("project: a file is read up to its limit", "[unit][build]") {
    const TempDirectory directory;
    const auto file = directory.path() / "cooper.json";
    write_file(file, R"({"images": {"app": {}}})" + std::string(kMaxProjectFile, ' '));
    CHECK_THROWS_AS(read_project(file), Error);
    write_file(file, R"({"images": {"app": {}}} //)" + std::string(kMaxProjectFile - 30, 'x'));
    CHECK(read_project(file).image("app").root == directory.path());
    CHECK_THROWS_AS(read_project(directory.path() / "none.json"), SystemError);
}

TEST_CASE("project: the nearest file is found, up to the git work tree's top", "[unit][build]") {
    const TempDirectory directory;
    const auto top = fs::canonical(directory.path());
    fs::create_directories(top / "repo" / ".git");
    fs::create_directories(top / "repo" / "a" / "b");
    const std::string project = R"({"images": {"app": {}}})";

    write_file(top / "cooper.json", project);
    CHECK(find_project(top / "repo" / "a" / "b") == std::nullopt);
    CHECK(find_project(top / "repo") == std::nullopt);
    write_file(top / "repo" / "cooper.json", project);
    CHECK(find_project(top / "repo" / "a" / "b") == top / "repo" / "cooper.json");
    CHECK(find_project(top / "repo" / "a" / ".") == top / "repo" / "cooper.json");
    CHECK(find_project(top / "repo") == top / "repo" / "cooper.json");
    write_file(top / "repo" / "a" / "cooper.json", project);
    CHECK(find_project(top / "repo" / "a" / "b") == top / "repo" / "a" / "cooper.json");

    fs::remove_all(top / "repo" / ".git");
    fs::remove(top / "repo" / "cooper.json");
    fs::remove(top / "repo" / "a" / "cooper.json");
    CHECK(find_project(top / "repo" / "a" / "b") == top / "cooper.json");
    // A work tree made by `git worktree` has a file of that name.
    write_file(top / "repo" / ".git", "gitdir: elsewhere\n");
    CHECK(find_project(top / "repo" / "a" / "b") == std::nullopt);
    CHECK(find_project(top / "nowhere") == std::nullopt);
}

TEST_CASE("project: a stranger's file above is passed over", "[unit][build]") {
    if (geteuid() != 0) {
        WARN("SKIPPED: only root can make a file of somebody else");
        return;
    }
    constexpr uid_t kStranger = 12345;
    constexpr uid_t kRunner = 1001;
    const TempDirectory directory;
    const auto top = fs::canonical(directory.path());
    fs::create_directories(top / "checkout");
    write_file(top / "cooper.json", "{}");
    REQUIRE(::chown((top / "cooper.json").c_str(), kStranger, kStranger) == 0);
    CHECK(find_project(top / "checkout") == std::nullopt);
    CHECK(find_project(top) == top / "cooper.json");  // named by the caller, not found above
    // A job that runs as root in its runner's checkout.
    REQUIRE(::chown((top / "checkout").c_str(), kRunner, kRunner) == 0);
    REQUIRE(::chown((top / "cooper.json").c_str(), kRunner, kRunner) == 0);
    CHECK(find_project(top / "checkout") == top / "cooper.json");
}

}  // namespace cooper::build
