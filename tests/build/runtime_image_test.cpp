#include "cooper/build/runtime_image.hpp"

#include "cooper/base/files.hpp"
#include "cooper/base/tar.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <set>

namespace cooper::build {

namespace {

using Args = std::vector<std::pair<std::string, std::string>>;

const Digest kBaseDigest = sha256("the base image");

/// A project with a template, a lock file and sources.
class RuntimeProject {
public:
    RuntimeProject() : directory_("runtime") {
        write("Dockerfile.j2",
              "FROM {{ base_image }}\n{% if build_from_scratch %}RUN system\n{% endif %}"
              "{% if build_from_scratch or build_from_versioned %}RUN dependencies {{ extra_deps }}\n{% endif %}"
              "COPY app /app\n");
        write("deps.lock", "one==1\n");
        write("app/main.py", "print(1)\n");
        settings.name = "runtime";
        settings.root = directory_.path();
        settings.base = "debian:12";
        settings.version = "1.2.3";
        settings.template_file = "Dockerfile.j2";
        settings.lock_files = {"deps.lock"};
        settings.sources = {"app"};
        settings.registry_prefix = "registry.example/team";
    }
    void write(const std::string& path, const std::string& text) const {
        std::filesystem::create_directories((directory_.path() / path).parent_path());
        write_file(directory_.path() / path, text);
    }
    [[nodiscard]] RuntimeImage image(const RuntimeImageInputs& more = {}) const {
        RuntimeImageInputs inputs = more;
        inputs.base_digest = kBaseDigest;
        inputs.platform = oci::Platform::parse("linux/amd64");
        return RuntimeImage::from(settings, inputs, Run());
    }

    ImageSettings settings;

private:
    TempDirectory directory_;
};

class KnownImages final : public ImageLookup {
public:
    explicit KnownImages(std::set<std::string> there) : there_(std::move(there)) {}
    bool exists(const std::string& image, bool /*pull*/, const Run& /*run*/) override {
        asked.push_back(image);
        return there_.contains(image);
    }
    std::vector<std::string> asked;

private:
    std::set<std::string> there_;
};

/// Keeps what it was asked to build.
class RecordingBuilder final : public Builder {
public:
    explicit RecordingBuilder(BuilderAbilities abilities = {}) : abilities_(abilities) {}
    [[nodiscard]] std::string description() const override { return "a recording"; }
    [[nodiscard]] BuilderAbilities abilities() const override { return abilities_; }
    std::string build(const BuildRequest& request, const Run& /*run*/) override {
        requests.push_back(request);
        return request.names.front();
    }
    bool image_exists(const std::string& /*name*/, const Run& /*run*/) override { return false; }

    /// The Dockerfile of the only request's context.
    [[nodiscard]] std::string dockerfile() const {
        REQUIRE(requests.size() == 1);
        const auto source = requests[0].context->open();
        TarReader reader(*source);
        const auto entry = reader.next();
        REQUIRE(entry);
        REQUIRE(entry->path == "Dockerfile");
        return read_all(reader.content(), kMaxTemplate, "the Dockerfile");
    }

    std::vector<BuildRequest> requests;

private:
    BuilderAbilities abilities_;
};

std::string pinned_base() {
    return "debian:12@" + kBaseDigest.text();
}

}  // namespace

TEST_CASE("runtime image: what exists decides what the Dockerfile does", "[unit][build]") {
    const RuntimeProject project;
    const RuntimeImage image = project.image();
    struct Case {
        std::set<std::string> there;
        ReuseAction action;
        std::string dockerfile;
        std::vector<std::string> names;
    };
    const std::string copy = "COPY app /app";  // a template's last line break is no part of it
    const std::vector<Case> cases{
        {{},
         ReuseAction::FromScratch,
         "FROM " + pinned_base() + "\nRUN system\nRUN dependencies \n" + copy,
         {image.names.source, image.names.lock, image.names.versioned}},
        {{image.names.versioned},
         ReuseAction::FromVersioned,
         "FROM " + image.names.versioned + "\nRUN dependencies \n" + copy,
         {image.names.source, image.names.lock}},
        {{image.names.versioned, image.names.lock},
         ReuseAction::FromLock,
         "FROM " + image.names.lock + "\n" + copy,
         {image.names.source, image.names.lock}},
    };
    for (const Case& expected : cases) {
        KnownImages known(expected.there);
        const BuildDecision decision = image.decide({}, known, Run());
        CHECK(decision.reuse.action == expected.action);
        RecordingBuilder builder;
        CHECK(image.build(decision, builder, Run()) == image.names.source);
        CHECK(builder.dockerfile() == expected.dockerfile);
        CHECK(builder.requests[0].names == expected.names);
    }
    KnownImages all({image.names.source});
    const BuildDecision decision = image.decide({}, all, Run());
    CHECK(decision.reuse.action == ReuseAction::Reuse);
    CHECK_THAT(decision.reason, Catch::Contains(image.names.source) && Catch::Contains("nothing is built"));
}

TEST_CASE("runtime image: each level's inputs touch that level and those above", "[unit][build]") {
    RuntimeProject project;
    const HashTags before = project.image().tags;
    const auto touched = [&] {
        const HashTags after = project.image().tags;
        return std::vector<bool>{after.versioned != before.versioned, after.lock != before.lock,
                                 after.source != before.source};
    };
    using Touched = std::vector<bool>;
    SECTION("sources") {
        project.write("app/main.py", "print(2)\n");
        CHECK(touched() == Touched{false, false, true});
    }
    SECTION("an extra file") {
        project.settings.files = std::vector<ExtraFile>{{"notes.txt", "", false}};
        project.write("notes.txt", "one");
        const HashTags with_file = project.image().tags;
        project.write("notes.txt", "two");
        CHECK(project.image().tags.source != with_file.source);
        CHECK(project.image().tags.lock == with_file.lock);
    }
    SECTION("an extra file that the ignore rules hide is content all the same") {
        project.settings.files = std::vector<ExtraFile>{{"notes.txt", "", false}};
        project.settings.ignore = {"notes.txt"};
        project.write("notes.txt", "one");
        const HashTags with_file = project.image().tags;
        project.write("notes.txt", "two");
        CHECK(project.image().tags.source != with_file.source);
    }
    SECTION("a lock file") {
        project.write("deps.lock", "one==2\n");
        CHECK(touched() == Touched{false, true, true});
    }
    SECTION("the template") {
        project.write("Dockerfile.j2", "FROM {{ base_image }}\nCOPY app /app\n");
        CHECK(touched() == Touched{true, true, true});
    }
    SECTION("a variable of the template") {
        project.settings.variables = TemplateMap{{"extra_deps", {"pip install x"}}};
        CHECK(touched() == Touched{true, true, true});
    }
    SECTION("where files lie in the context") {
        project.settings.context_prefix = "code";
        CHECK(touched() == Touched{true, true, true});
    }
    SECTION("a build argument") {
        project.settings.build_args = Args{{"A", "1"}};
        CHECK(touched() == Touched{true, true, true});
    }
    SECTION("custom tags are names, not content") {
        project.settings.tags = {"python"};
        CHECK(touched() == Touched{false, false, false});
    }
}

TEST_CASE("runtime image: names", "[unit][build]") {
    RuntimeProject project;
    CHECK_THAT(project.image().names.source, Catch::StartsWith("registry.example/team/runtime:1.2.3_"));
    CHECK(project.image().names.base == pinned_base());

    project.settings.tags = {"python", "other.example/x:dev"};
    CHECK(project.image().names.custom ==
          std::vector<std::string>{"registry.example/team/runtime:python", "other.example/x:dev"});
    RuntimeImageInputs several;
    several.several_platforms = true;
    CHECK(project.image(several).names.custom ==
          std::vector<std::string>{"registry.example/team/runtime:python-amd64", "other.example/x:dev-amd64"});

    project.settings.registry_prefix.reset();
    project.settings.repository = "localhost:5000/whole/name";
    CHECK_THAT(project.image().names.lock, Catch::StartsWith("localhost:5000/whole/name:1.2.3_"));
    project.settings.repository.reset();
    RuntimeImageInputs api;
    api.default_registry_prefix = "api.example/p/";
    CHECK_THAT(project.image(api).names.lock, Catch::StartsWith("api.example/p/runtime:1.2.3_"));

    RuntimeImageInputs engine_id;
    engine_id.base_digest_names_it = false;
    CHECK(project.image(engine_id).names.base == "debian:12");

    project.settings.tags = {"not a tag"};
    CHECK_THROWS_WITH(project.image(), Catch::Contains("custom tag 'not a tag'"));
}

TEST_CASE("runtime image: profiles v0 and v1 with bases that have ports and digests", "[unit][build]") {
    RuntimeProject project;
    project.write("openhands/__init__.py", "");
    project.write("openhands/a.py", "a = 1\n");
    project.write("pyproject.toml", "version = \"0.62.0\"\n");
    project.write("poetry.lock", "lock\n");
    project.settings.version.reset();
    project.settings.registry_prefix.reset();
    project.settings.lock_files.reset();
    project.settings.sources.reset();
    project.settings.profile = "v0";
    for (const char* base : {"localhost:5000/img:tag",
                             "debian:12@sha256:abababababababababababababababababababababababababababababababab"}) {
        project.settings.base = base;
        const RuntimeImage image = RuntimeImage::from(project.settings, {}, Run());
        CHECK_THAT(image.names.source, Catch::StartsWith("ghcr.io/openhands/runtime:oh_v0.62.0_"));
        CHECK(image.names.base == base);
    }
    CHECK_THAT(RuntimeImage::from(project.settings, {}, Run()).tags.versioned,
               Catch::StartsWith("oh_v0.62.0_debian_t_12_at_sha256_t_abab"));

    project.settings.base = "ghcr.io/openhands/runtime:oh_v0.61.0_x";
    CHECK_THAT(RuntimeImage::from(project.settings, {}, Run()).names.source,
               Catch::StartsWith("ghcr.io/openhands/runtime:oh_v0.62.0_"));
    project.settings.base = "mirror.example/ghcr.io/openhands/runtime:1";
    CHECK_THAT(RuntimeImage::from(project.settings, {}, Run()).names.source,
               Catch::StartsWith("mirror.example/ghcr.io/openhands/runtime:oh_v0.62.0_"));

    project.settings.profile = "v1";
    project.settings.repository = "agent-server";
    project.settings.base =
        "localhost:5000/img@sha256:abababababababababababababababababababababababababababababababab";
    RuntimeImageInputs development;
    development.target = "source";
    const RuntimeImage image = RuntimeImage::from(project.settings, development, Run());
    CHECK_THAT(image.names.source, Catch::StartsWith("agent-server:v0.62.0_") && Catch::EndsWith("-dev"));
}

TEST_CASE("runtime image: a plain Dockerfile has no levels, and must build on the base", "[unit][build]") {
    RuntimeProject project;
    project.settings.template_file.reset();
    project.settings.dockerfile = "Dockerfile";
    project.settings.build_args = Args{{"WORD", "yes"}};
    project.write("Dockerfile",
                  "ARG BASE_IMAGE\nFROM ${BASE_IMAGE} AS all\nARG WORD\nCOPY app /app\nFROM all AS more\n");
    const RuntimeImage image = project.image();
    KnownImages known({image.names.lock, image.names.versioned});
    const BuildDecision decision = image.decide({}, known, Run());
    CHECK(decision.reuse.action == ReuseAction::FromScratch);
    CHECK(known.asked == std::vector<std::string>{image.names.source});

    const BuildRequest request = image.request(decision, {}, Run());
    CHECK(request.args == Args{{"WORD", "yes"}, {"BASE_IMAGE", pinned_base()}});
    CHECK(request.base_images == std::vector<std::string>{pinned_base()});

    RecordingBuilder remote({false, false});
    RuntimeImageInputs target;
    target.target = "all";
    const RuntimeImage all = project.image(target);
    all.build(all.decide({.force = true}, known, Run()), remote, Run());
    CHECK(remote.requests[0].args.empty());
    CHECK(remote.requests[0].target.empty());
    CHECK(remote.dockerfile() ==
          "ARG BASE_IMAGE=" + pinned_base() + "\nFROM ${BASE_IMAGE} AS all\nARG WORD=yes\nCOPY app /app\n");

    project.write("Dockerfile", "FROM alpine:3\nCOPY app /app\n");
    project.settings.build_args.reset();
    const RuntimeImage wrong = project.image();
    CHECK_THROWS_WITH(wrong.request(wrong.decide({}, known, Run()), {}, Run()),
                      Catch::Contains("does not build on the base image debian:12"));
}

TEST_CASE("runtime image: what is missing is said with what to give", "[unit][build]") {
    RuntimeProject project;
    SECTION("a version") {
        project.settings.version.reset();
        CHECK_THROWS_WITH(project.image(), Catch::Contains("version is not known"));
    }
    SECTION("a base") {
        project.settings.base.reset();
        CHECK_THROWS_WITH(project.image(), Catch::Contains("base image is not known"));
    }
    SECTION("a builder's ability") {
        project.settings.platforms = {"linux/amd64", "linux/arm64"};
        const RuntimeImage image = project.image();
        KnownImages none({});
        CHECK_THROWS_WITH(image.request(image.decide({}, none, Run()), {false, false}, Run()),
                          Catch::Contains("cannot be asked for a platform"));
    }
}

}  // namespace cooper::build
