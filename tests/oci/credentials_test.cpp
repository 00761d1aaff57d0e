#include "cooper/oci/credentials.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include <catch2/catch.hpp>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

using namespace cooper;
using namespace cooper::oci;
namespace fs = std::filesystem;

namespace {

std::string auth(const std::string& user, const std::string& password) {
    return R"({"auth":")" + to_base64(as_bytes(user + ":" + password)) + R"("})";
}

std::string auths(const std::vector<std::pair<std::string, std::string>>& entries) {
    std::string text;
    for (const auto& [key, value] : entries) {
        text += (text.empty() ? "\"" : ",\"") + key + "\":" + value;
    }
    return R"({"auths":{)" + text + "}}";
}

class Warnings final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override { texts.emplace_back(text); }
    std::vector<std::string> texts;
};

/// A home of its own, with nothing of the machine's in reach.
class Home {
public:
    Home() {
        variables_["HOME"] = path("");
        variables_["XDG_RUNTIME_DIR"] = path("run");
        variables_["PATH"] = path("bin") + ":/usr/bin:/bin";
    }
    [[nodiscard]] std::string path(const std::string& name) const { return (directory_.path() / name).string(); }
    void set(const std::string& name, const std::string& value) { variables_[name] = value; }
    void write(const std::string& name, const std::string& text) const {
        fs::create_directories(fs::path(path(name)).parent_path());
        write_file(path(name), text);
    }
    /// A docker-credential-NAME that notes what it was asked and then runs `script`.
    void helper(const std::string& name, const std::string& script) const {
        const std::string file = "bin/docker-credential-" + name;
        write(file, "#!/bin/sh\nserver=$(cat)\necho \"$1 $server\" >>" + path("calls") + "\n" + script + "\n");
        fs::permissions(path(file), fs::perms::owner_all);
    }
    [[nodiscard]] std::string calls() const { return find_file(path("calls"), 10'000).value_or(""); }

    [[nodiscard]] std::optional<RegistryCredentials> find(const std::string& reference,
                                                          const std::string& auth_file = "") {
        Run run;
        run.progress = &warnings;
        return make_ecosystem_credentials(Environment(variables_), auth_file)->find(Reference::parse(reference), run);
    }
    [[nodiscard]] std::string user(const std::string& reference, const std::string& auth_file = "") {
        const auto found = find(reference, auth_file);
        return found ? found->username + ":" + found->password.reveal() : "-";
    }

    Warnings warnings;

private:
    TempDirectory directory_;
    std::map<std::string, std::string, std::less<>> variables_;
};

}  // namespace

TEST_CASE("credentials: nothing anywhere means anonymous", "[unit][oci]") {
    Home home;
    CHECK(home.user("ghcr.io/a/b") == "-");
    home.write(".docker/config.json", "{}");
    CHECK(home.user("ghcr.io/a/b") == "-");
    home.write(".docker/config.json", "");
    CHECK(home.user("ghcr.io/a/b") == "-");
    home.write(".docker/config.json", auths({{"ghcr.io", "{}"}, {"quay.io", auth("q", "p")}}));
    CHECK(home.user("ghcr.io/a/b") == "-");
}

TEST_CASE("credentials: keys are matched as tools write them", "[unit][oci]") {
    for (const char* key : {"ghcr.io", "https://ghcr.io", "https://ghcr.io/", "https://ghcr.io/v1/",
                            "http://ghcr.io/v2/", "ghcr.io/", "GHCR.io"}) {
        CAPTURE(key);
        Home home;
        home.write(".docker/config.json", auths({{key, auth("u", "p:with:colons")}}));
        CHECK(home.user("ghcr.io/a/b") == "u:p:with:colons");
        CHECK(home.user("ghcr.io:443/a/b") == "-");
        CHECK(home.user("debian") == "-");
    }
    for (const char* key :
         {"https://index.docker.io/v1/", "index.docker.io", "docker.io", "registry-1.docker.io", "https://docker.io"}) {
        CAPTURE(key);
        Home home;
        home.write(".docker/config.json", auths({{key, auth("hub", "p")}}));
        CHECK(home.user("debian") == "hub:p");
        CHECK(home.user("docker.io/acme/app") == "hub:p");
        CHECK(home.user("ghcr.io/a/b") == "-");
    }
    Home home;
    home.write(".docker/config.json",
               auths({{"docker.io", auth("old", "p")}, {"https://index.docker.io/v1/", auth("new", "p")}}));
    CHECK(home.user("debian") == "new:p");
}

TEST_CASE("credentials: the longest path wins", "[unit][oci]") {
    Home home;
    home.write(".config/containers/auth.json", auths({{"ghcr.io", auth("host", "p")},
                                                      {"ghcr.io/acme", auth("space", "p")},
                                                      {"ghcr.io/acme/app", auth("app", "p")},
                                                      {"docker.io/library/debian", auth("debian", "p")}}));
    CHECK(home.user("ghcr.io/acme/app:1") == "app:p");
    CHECK(home.user("ghcr.io/acme/application") == "space:p");
    CHECK(home.user("ghcr.io/acme/app/sub") == "app:p");
    CHECK(home.user("ghcr.io/other/app") == "host:p");
    CHECK(home.user("debian") == "debian:p");
    CHECK(home.user("busybox") == "-");
}

TEST_CASE("credentials: places are asked in order, the first hit wins", "[unit][oci]") {
    Home home;
    home.write(".dockercfg", R"({"https://ghcr.io":)" + auth("7", "p") + "}");
    CHECK(home.user("ghcr.io/a") == "7:p");
    home.write(".config/containers/auth.json", auths({{"ghcr.io", auth("6", "p")}}));
    CHECK(home.user("ghcr.io/a") == "6:p");
    home.write("run/containers/auth.json", auths({{"ghcr.io", auth("5", "p")}}));
    CHECK(home.user("ghcr.io/a") == "5:p");
    home.write(".docker/config.json", auths({{"ghcr.io", auth("4", "p")}}));
    CHECK(home.user("ghcr.io/a") == "4:p");
    home.write("elsewhere/config.json", auths({{"quay.io", auth("4b", "p")}}));
    home.set("DOCKER_CONFIG", home.path("elsewhere"));
    CHECK(home.user("ghcr.io/a") == "5:p");
    CHECK(home.user("quay.io/a") == "4b:p");
    home.set("REGISTRY_AUTH_FILE", home.path("named.json"));
    CHECK(home.user("ghcr.io/a") == "5:p");
    REQUIRE(home.warnings.texts.size() == 1);
    CHECK_THAT(home.warnings.texts[0], Catch::Contains("named.json"));
    home.write("named.json", auths({{"ghcr.io", auth("3", "p")}}));
    CHECK(home.user("ghcr.io/a") == "3:p");
    home.set("DOCKER_AUTH_CONFIG", auths({{"ghcr.io", auth("2", "p")}}));
    CHECK(home.user("ghcr.io/a") == "2:p");
    CHECK(home.find("ghcr.io/a")->origin == "DOCKER_AUTH_CONFIG");
    home.write("flag.json", auths({{"quay.io", auth("1", "p")}}));
    CHECK(home.user("quay.io/a", home.path("flag.json")) == "1:p");
    CHECK(home.user("ghcr.io/a", home.path("flag.json")) == "-");
    CHECK_THROWS_WITH(home.user("ghcr.io/a", home.path("absent.json")), Catch::Contains("absent.json"));
}

TEST_CASE("credentials: every form of an entry is read", "[unit][oci]") {
    Home home;
    home.write(".docker/config.json", auths({{"a.io", R"({"username":"u","password":"p"})"},
                                             {"b.io", R"({"auth":"dTpwAAAA"})"},
                                             {"c.io", R"({"auth":"MDAwOg==","identitytoken":"refresh"})"},
                                             {"d.io", R"({"registrytoken":"bearer"})"},
                                             {"e.io", auth("<token>", "refresh2")},
                                             {"f.io", auth("_json_key", R"({"a": "b:c"})")}}));
    CHECK(home.user("a.io/x") == "u:p");
    CHECK(home.user("b.io/x") == "u:p");
    CHECK(home.find("c.io/x")->identity_token.reveal() == "refresh");
    CHECK(home.find("d.io/x")->registry_token.reveal() == "bearer");
    CHECK(home.find("e.io/x")->identity_token.reveal() == "refresh2");
    CHECK(home.find("e.io/x")->username.empty());
    CHECK(home.user("f.io/x") == R"(_json_key:{"a": "b:c"})");
}

TEST_CASE("credentials: broken files are named, and their content is not shown", "[unit][oci]") {
    for (const char* text : {"{\"auths\": hunter2", "[]x", R"({"auths":{"ghcr.io":{"auth":"aHVudGVyMg=="}}})",
                             R"({"auths":{"ghcr.io":{"auth":"%%hunter2"}}})", R"({"auths":{"ghcr.io":{"auth":7}}})",
                             R"({"credHelpers":{"ghcr.io":7}})", R"({"credsStore":7})"}) {
        CAPTURE(text);
        Home home;
        home.write(".docker/config.json", text);
        CHECK_THROWS_WITH(home.user("ghcr.io/a"), Catch::Contains("config.json") && !Catch::Contains("hunter2") &&
                                                      !Catch::Contains("aHVudGVyMg"));
    }
}

TEST_CASE("credentials: a helper is asked for the server and its answer taken", "[unit][oci]") {
    Home home;
    home.helper("test", R"(printf '{"ServerURL":"%s","Username":"u","Secret":"s"}' "$server")");
    home.helper("ident", R"(printf '{"Username":"<token>","Secret":"refresh"}')");
    home.write(".docker/config.json", R"({"credsStore":"test","credHelpers":{"quay.io":"ident"},"auths":{"ghcr.io":)" +
                                          auth("file", "p") + "}}");
    CHECK(home.user("ghcr.io/a/b") == "u:s");
    CHECK(home.user("debian") == "u:s");
    CHECK(home.find("quay.io/a")->identity_token.reveal() == "refresh");
    CHECK(home.calls() == "get ghcr.io\nget https://index.docker.io/v1/\nget quay.io\n");
    CHECK_THAT(home.find("ghcr.io/a")->origin, Catch::Contains("config.json, helper test"));
}

TEST_CASE("credentials: a helper that has nothing means anonymous", "[unit][oci]") {
    Home home;
    home.helper("none", "echo 'credentials not found in native keychain'; exit 1");
    home.helper("empty", R"(echo '{"ServerURL":"","Username":"","Secret":""}')");
    home.write(".docker/config.json", R"({"credsStore":"none","credHelpers":{"quay.io":"empty"}})");
    CHECK(home.user("ghcr.io/a") == "-");
    CHECK(home.user("quay.io/a") == "-");
    home.write(".docker/config.json", R"({"credsStore":"none","auths":{"ghcr.io":)" + auth("file", "p") + "}}");
    CHECK(home.user("ghcr.io/a") == "file:p");
}

TEST_CASE("credentials: a helper that fails is an error with its words", "[unit][oci]") {
    Home home;
    home.helper("locked", "echo 'the keychain is locked'; exit 1");
    home.helper("noise", "echo garbage");
    home.write(
        ".docker/config.json",
        R"({"credsStore":"locked","credHelpers":{"a.io":"noise","b.io":"absent","c.io":"../../bin/sh","d.io":""}})");
    CHECK_THROWS_WITH(home.user("ghcr.io/a"),
                      Catch::Contains("docker-credential-locked") && Catch::Contains("the keychain is locked"));
    CHECK_THROWS_WITH(home.user("a.io/a"), Catch::Contains("docker-credential-noise") && !Catch::Contains("garbage"));
    CHECK_THROWS_WITH(home.user("b.io/a"), Catch::Contains("docker-credential-absent"));
    CHECK_THROWS_WITH(home.user("c.io/a"), Catch::Contains("is not the name of a credential helper"));
    CHECK(home.user("d.io/a") == "-");
}

TEST_CASE("credentials: a helper is started once for many images of a registry", "[unit][oci]") {
    Home home;
    home.helper("test", R"(echo '{"Username":"u","Secret":"s"}')");
    home.write(".docker/config.json", R"({"credsStore":"test"})");
    const Environment environment({{"HOME", home.path("")}, {"PATH", home.path("bin") + ":/usr/bin:/bin"}});
    const auto source = make_ecosystem_credentials(environment);
    for (const char* name : {"ghcr.io/a", "ghcr.io/b", "ghcr.io/a"}) {
        CHECK(source->find(Reference::parse(name), Run{})->username == "u");
    }
    CHECK(home.calls() == "get ghcr.io\n");
}

TEST_CASE("credentials: fixed ones are always found", "[unit][oci]") {
    const auto source = make_fixed_credentials({"u", Secret("p"), {}, {}, "--creds"});
    CHECK(source->find(Reference::parse("ghcr.io/a"), Run{})->password.reveal() == "p");
}
