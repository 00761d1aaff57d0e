// An engine as a builder, and look-ups: what they ask for, and what they make of the answers.
#include "cooper/build/builder.hpp"

#include "cooper/base/text.hpp"
#include "cooper/build/lookups.hpp"

#include "oci/engine_support.hpp"
#include "support/memory_image.hpp"

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

const std::string kImageId = "sha256:" + std::string(64, 'c');
const std::string kImageBuilt =
    R"({"aux":{"ID":")" + kImageId + R"("}}{"stream":"Successfully built )" + std::string(12, 'c') + R"(\n"})";

std::string has_tags(const std::string& tags) {
    return R"({"Id":")" + kImageId + R"(","RepoTags":[)" + tags + R"(],"Architecture":"amd64","Os":"linux"})";
}

/// An engine that builds, and refuses the tag `refused`.
EngineHandler building(const std::string& tags, const std::string& refused = "",
                       const std::string& said = kImageBuilt) {
    return [=](const std::string& call, const ScriptedRequest&) -> ScriptedReply {
        if (call.starts_with("POST /build")) {
            return {.body = said, .chunked = true};
        }
        if (call.find("/tag?") != std::string::npos) {
            const bool no = !refused.empty() && call.ends_with("tag=" + refused);
            return no ? ScriptedReply{.status = 500, .body = R"({"message":"disk full"})"}
                      : ScriptedReply{.status = 201};
        }
        return {.body = has_tags(tags)};
    };
}

class OneRegistry final : public oci::RegistryCredentialSource {
public:
    [[nodiscard]] std::optional<oci::RegistryCredentials> find(const oci::Reference& repository,
                                                               const Run& /*run*/) const override {
        asked.push_back(repository.text());
        if (repository.domain() != "ghcr.io") {
            return std::nullopt;
        }
        return oci::RegistryCredentials{"alice", Secret("s3cret"), {}, {}, "a test"};
    }
    mutable std::vector<std::string> asked;
};

BuildRequest request_for(std::vector<std::string> names) {
    BuildRequest request;
    request.context = std::make_shared<MemoryRanged>("a tar");
    request.names = std::move(names);
    return request;
}

std::vector<std::string> tag_calls(const ScriptedEngine& engine) {
    std::vector<std::string> tags;
    for (const std::string& call : engine.calls()) {
        if (const std::size_t at = call.find("/tag?"); at != std::string::npos) {
            tags.push_back(percent_decode(call.substr(at + 5)));
        }
    }
    return tags;
}

class NoticeList final : public Progress {
public:
    void notice(NoticeLevel, std::string_view text) noexcept override { notices_.emplace_back(text); }
    std::vector<std::string> notices_;
};

/// Answers as told.
class ToldLookup final : public ImageLookup {
public:
    explicit ToldLookup(std::function<bool(const std::string&, bool)> answer) : answer_(std::move(answer)) {}
    bool exists(const std::string& image, bool pull, const Run& /*run*/) override { return answer_(image, pull); }

private:
    std::function<bool(const std::string&, bool)> answer_;
};

std::unique_ptr<ImageLookup> told(std::function<bool(const std::string&, bool)> answer) {
    return std::make_unique<ToldLookup>(std::move(answer));
}

}  // namespace

TEST_CASE("engine builder: names are given when the build is done, the most specific last", "[unit][build]") {
    ScriptedEngine engine(building(R"("r/a:lock","r/a:src")"));
    EngineBuilder builder(engine.client(), nullptr);
    REQUIRE(builder.build(request_for({"r/a:src", "r/a:lock", "localhost:5000/b"}), {}) == "r/a:src");
    REQUIRE(tag_calls(engine) == std::vector<std::string>{"repo=localhost:5000/b&tag=latest",
                                                          "repo=docker.io/r/a&tag=lock", "repo=docker.io/r/a&tag=src"});
    REQUIRE(builder.description() == "the engine at " + engine.socket());
}

TEST_CASE("engine builder: the name comes back as the engine spells it", "[unit][build]") {
    ScriptedEngine podman(building(R"("docker.io/r/a:src")"), {.podman = true});
    EngineBuilder builder(podman.client(), nullptr);
    REQUIRE(builder.build(request_for({"r/a:src"}), {}) == "docker.io/r/a:src");
}

TEST_CASE("engine builder: base images are pulled and steps run again when that is asked for", "[unit][build]") {
    ScriptedEngine engine(building(""));
    EngineBuilder builder(engine.client(), nullptr);
    const auto query_of_build = [&](bool pull, bool no_cache) {
        BuildRequest request = request_for({"r/a:src"});
        request.pull = pull;
        request.no_cache = no_cache;
        builder.build(request, {});
        std::string query;
        for (const std::string& call : engine.calls()) {
            if (const std::size_t at = call.find("/build?"); at != std::string::npos) {
                query = "&" + call.substr(at + 7) + "&";  // of the last one
            }
        }
        return query;
    };
    const std::string plain = query_of_build(false, false);
    REQUIRE(plain.find("&dockerfile=Dockerfile&") != std::string::npos);
    REQUIRE(plain.find("pull=") == std::string::npos);
    REQUIRE(plain.find("nocache=") == std::string::npos);
    const std::string fresh = query_of_build(true, true);
    REQUIRE(fresh.find("&pull=1&") != std::string::npos);
    REQUIRE(fresh.find("&nocache=1&") != std::string::npos);
}

TEST_CASE("engine builder: a name that cannot be given tells which ones are", "[unit][build]") {
    ScriptedEngine engine(building("", "lock"));
    EngineBuilder builder(engine.client(), nullptr);
    const Error error = failure([&] { builder.build(request_for({"r/a:src", "r/a:lock", "r/a:ver", "r/a:dev"}), {}); });
    REQUIRE(contains(error.what(), "called r/a:ver, r/a:dev, but not called r/a:src, r/a:lock"));
    REQUIRE(contains(error.what(), kImageId));
    REQUIRE(contains(error.what(), "disk full"));
}

TEST_CASE("engine builder: a build that fails gives no names", "[unit][build]") {
    ScriptedEngine engine(building("", "", R"({"stream":"Step 1/1 : RUN false\n"}{"errorDetail":{"message":"no"}})"));
    EngineBuilder builder(engine.client(), nullptr);
    REQUIRE_THROWS_AS(builder.build(request_for({"r/a:src"}), {}), BuildFailed);
    REQUIRE(tag_calls(engine).empty());
}

TEST_CASE("engine builder: names that make no sense are refused before the build", "[unit][build]") {
    ScriptedEngine engine(building(""));
    EngineBuilder builder(engine.client(), nullptr);
    const std::string digest = "@sha256:" + std::string(64, 'a');
    for (const auto& names : std::vector<std::vector<std::string>>{{}, {"r/a:src", "UPPER"}, {"r/a" + digest}}) {
        REQUIRE(failure([&] { builder.build(request_for(names), {}); }).code() == ErrorCode::InvalidInput);
    }
    REQUIRE(engine.requests().empty());
}

TEST_CASE("engine builder: the registries of base images get their credentials, no others", "[unit][build]") {
    ScriptedEngine engine(building(""));
    const OneRegistry credentials;
    EngineBuilder builder(engine.client(), &credentials);
    BuildRequest request = request_for({"other.example/a:src"});
    request.base_images = {"scratch", "ghcr.io/acme/a:1", "ghcr.io/acme/b:1", "debian", "NOT A NAME"};
    builder.build(request, {});
    REQUIRE(credentials.asked == std::vector<std::string>{"ghcr.io/acme/a:1", "docker.io/library/debian"});
    REQUIRE(from_base64(engine.requests().at(1).headers.find("X-Registry-Config").value_or("")) ==
            R"({"ghcr.io":{"username":"alice","password":"s3cret"}})");
}

TEST_CASE("engine builder: lines are notices, without the secrets among the arguments", "[unit][build]") {
    ScriptedEngine engine(building("", "", R"({"stream":"got hunter2 and 3.12 and p4ss\n"})" + kImageBuilt));
    EngineBuilder builder(engine.client(), nullptr);
    BuildRequest request = request_for({"r/a:src"});
    request.args = {{"NPM_TOKEN", "hunter2"}, {"PYTHON", "3.12"}, {"PROXY", "http://u:p4ss@proxy"}};
    NoticeList progress;
    Run run;
    run.progress = &progress;
    builder.build(request, run);
    REQUIRE(progress.notices_.at(0) == "got *** and 3.12 and p4ss");
    REQUIRE(contains(percent_decode(engine.calls().at(0)), "\"NPM_TOKEN\":\"hunter2\""));
}

TEST_CASE("engine builder: whether an image is there", "[unit][build]") {
    ScriptedEngine engine([](const std::string& call, const ScriptedRequest&) -> ScriptedReply {
        return contains(call, "here") ? ScriptedReply{.body = has_tags("")} : ScriptedReply{.status = 404};
    });
    EngineBuilder builder(engine.client(), nullptr);
    BuilderLookup lookup(builder);
    REQUIRE(lookup.exists("here:1", true, {}));
    REQUIRE_FALSE(lookup.exists("gone:1", false, {}));
}

TEST_CASE("store lookup: a name counts when its blobs are here, and is loaded before it is built on", "[unit][build]") {
    const TempDirectory directory;
    oci::Store store(directory.path() / "store");
    std::shared_ptr<MemoryBlobs> blobs;
    const oci::Image image = memory_image({{LayerSpec::Form::Gzip, "one"}, {LayerSpec::Form::Plain, "two"}}, &blobs);
    store.name(oci::graph_of(image), "acme/a:1", {});
    std::vector<std::string> loaded;
    StoreLookup lookup(store, [&](const std::string& name, const Run&) { loaded.push_back(name); });
    REQUIRE_FALSE(lookup.exists("acme/a:2", true, {}));
    REQUIRE_FALSE(lookup.exists("acme/a:1", true, {}));  // its layers did not come yet
    for (const oci::Descriptor& layer : image.manifest.layers) {
        store.keep(layer.digest, read_all(*blobs->open(layer, 0, {}), 1 << 20, "layer"));
    }
    store.keep(image.manifest.config.digest, image.config.raw);
    REQUIRE(lookup.exists("docker.io/acme/a:1", false, {}));
    REQUIRE(loaded.empty());
    REQUIRE(lookup.exists("acme/a:1", true, {}));
    REQUIRE(loaded == std::vector<std::string>{"acme/a:1"});
    REQUIRE(StoreLookup(store).exists("acme/a:1", true, {}));
}

TEST_CASE("places: the first that has the image answers", "[unit][build]") {
    PlacesLookup places;
    std::vector<bool> pulls;
    places.add("engine", told([](const std::string& image, bool) { return image == "a:1"; }), true);
    places.add("store", told([&](const std::string& image, bool pull) {
                   pulls.push_back(pull);
                   return image == "b:1";
               }),
               false);
    REQUIRE(places.exists("a:1", false, {}));
    REQUIRE(places.exists("b:1", true, {}));
    REQUIRE_FALSE(places.exists("c:1", false, {}));
    REQUIRE(places.found_in("a:1") == "engine");
    REQUIRE(places.found_in("b:1") == "store");
    REQUIRE(places.found_in("c:1").empty());
    REQUIRE(pulls == std::vector<bool>{true, false});
}

TEST_CASE("places: one that cannot be asked is an error, or passed over with one warning", "[unit][build]") {
    const auto broken = [](const std::string&, bool) -> bool { throw Error(ErrorCode::Unavailable, "gone away"); };
    NoticeList progress;
    Run run;
    run.progress = &progress;
    PlacesLookup optional;
    optional.add("registry", told(broken), false);
    optional.add("store", told([](const std::string&, bool) { return true; }), true);
    REQUIRE(optional.exists("a:1", false, run));
    REQUIRE(optional.exists("b:1", false, run));
    REQUIRE(optional.found_in("a:1") == "store");
    REQUIRE(progress.notices_.size() == 1);
    REQUIRE(contains(progress.notices_[0], "registry is not asked for images: gone away"));
    PlacesLookup required;
    required.add("registry", told(broken), true);
    const Error error = failure([&] { required.exists("a:1", false, run); });
    REQUIRE(contains(error.what(), "registry: gone away"));
    REQUIRE(error.code() == ErrorCode::Unavailable);
}

TEST_CASE("places: a registry that hides what it has not has not got it", "[unit][build]") {
    const int status = GENERATE(401, 403, 404);
    PlacesLookup places;
    places.add("registry", told([=](const std::string&, bool) -> bool {
                   throw HttpError(ErrorCode::AccessDenied, "no", status, "DENIED");
               }),
               true);
    REQUIRE_FALSE(places.exists("a:1", false, {}));
    PlacesLookup broken;
    broken.add("registry",
               told([](const std::string&, bool) -> bool { throw HttpError(ErrorCode::Unavailable, "no", 500, ""); }),
               true);
    REQUIRE_THROWS_AS(broken.exists("a:1", false, {}), Error);
    PlacesLookup wrong_name;
    wrong_name.add("store",
                   told([](const std::string&, bool) -> bool { throw Error(ErrorCode::InvalidInput, "no name"); }),
                   false);
    REQUIRE_THROWS_AS(wrong_name.exists("?", false, {}), Error);
}
