// Where the engine is: the places and their order, TLS, what is refused.
#include "oci/engine/engine_endpoint.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"

#include "base/http_support.hpp"

#include <catch2/catch.hpp>
#include <sys/socket.h>
#include <sys/un.h>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

using Variables = std::map<std::string, std::string, std::less<>>;

/// A machine of its own: home, runtime directory, and places for sockets of the whole machine.
class Machine {
public:
    [[nodiscard]] std::string at(const std::string& name) const { return (directory_.path() / name).string(); }

    std::string file(const std::string& name, const std::string& text) {
        std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
        write_file(at(name), text);
        return at(name);
    }
    std::string socket(const std::string& name) {
        std::filesystem::create_directories(std::filesystem::path(at(name)).parent_path());
        const FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        at(name).copy(address.sun_path, sizeof address.sun_path - 1);
        REQUIRE(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
        return at(name);
    }
    void context(const std::string& name, const std::string& meta, bool with_tls = false) {
        const std::string hash(sha256(name).hex());
        file("home/.docker/contexts/meta/" + hash + "/meta.json", meta);
        if (with_tls) {
            for (const char* const pem : {"ca", "cert", "key"}) {
                file("home/.docker/contexts/tls/" + hash + "/docker/" + pem + ".pem", "PEM");
            }
        }
    }

    [[nodiscard]] EngineEndpoint find(Variables variables = {}, const std::string& host = "") const {
        variables.emplace("HOME", at("home"));
        variables.emplace("XDG_RUNTIME_DIR", at("run"));
        return find_engine(Environment(std::move(variables)), host, {at("var/docker.sock"), at("var/podman.sock")});
    }
    [[nodiscard]] Error refused(const Variables& variables, const std::string& host = "") const {
        const auto error = error_of([&] { return find(variables, host); });
        REQUIRE(error);
        return *error;
    }

private:
    TempDirectory directory_{"ctm"};
};

std::string meta_of(const std::string& host, const std::string& more = "") {
    return R"({"Name":"x","Metadata":{},"Endpoints":{"docker":{"Host":")" + host + R"(","SkipTLSVerify":false)" + more +
           "}}}";
}

}  // namespace

TEST_CASE("engine endpoint: the places are asked in docker's order, podman's after them", "[unit][oci]") {
    Machine machine;
    // From the last place to the first: each new one wins over all before.
    const std::string user_podman = machine.socket("run/podman/podman.sock");
    REQUIRE(machine.find().socket == user_podman);
    const std::string podman = machine.socket("var/podman.sock");
    REQUIRE(machine.find().socket == podman);
    Variables variables{{"CONTAINER_HOST", "unix:///c.sock"}};
    REQUIRE(machine.find(variables).socket == "/c.sock");
    REQUIRE(machine.find(variables).origin == "CONTAINER_HOST");
    const std::string user_docker = machine.socket("run/docker.sock");
    REQUIRE(machine.find(variables).socket == user_docker);
    const std::string docker = machine.socket("var/docker.sock");
    REQUIRE(machine.find(variables).socket == docker);
    REQUIRE(machine.find(variables).origin == docker);
    machine.file("home/.docker/config.json", R"({"auths":{},"currentContext":"work"})");
    machine.context("work", meta_of("unix:///work.sock"));
    REQUIRE(machine.find(variables).socket == "/work.sock");
    REQUIRE(machine.find(variables).origin == "context work");
    variables["DOCKER_CONTEXT"] = "other";
    machine.context("other", meta_of("unix:///other.sock"));
    REQUIRE(machine.find(variables).socket == "/other.sock");
    variables["DOCKER_HOST"] = "unix:///h.sock";
    REQUIRE(machine.find(variables).socket == "/h.sock");
    REQUIRE(machine.find(variables).origin == "DOCKER_HOST");
    REQUIRE(machine.find(variables, "unix:///flag.sock").socket == "/flag.sock");
    REQUIRE(machine.find(variables, "unix:///flag.sock").origin == "--host");
}

TEST_CASE("engine endpoint: with nothing there, all places that were asked are listed", "[unit][oci]") {
    Machine machine;
    machine.file("var/docker.sock", "a file, not a socket");
    const Error error = machine.refused({});
    REQUIRE(error.code() == ErrorCode::NotFound);
    for (const std::string& place :
         {std::string("DOCKER_HOST"), std::string("CONTAINER_HOST"), machine.at("home/.docker/config.json"),
          machine.at("var/docker.sock"), machine.at("run/docker.sock"), machine.at("var/podman.sock"),
          machine.at("run/podman/podman.sock")}) {
        CAPTURE(place, error.what());
        REQUIRE(contains(error.what(), place));
    }
    REQUIRE(contains(error.advice(), "DOCKER_HOST=unix://"));
}

TEST_CASE("engine endpoint: the forms of an address", "[unit][oci]") {
    const Machine machine;
    REQUIRE(machine.find({}, "/run/x.sock").socket == "/run/x.sock");
    REQUIRE(machine.find({}, "UNIX:///run/x.sock").socket == "/run/x.sock");
    REQUIRE(machine.find({}, "tcp://engine.example").url.text() == "http://engine.example:2375/");
    REQUIRE(machine.find({}, "tcp://engine.example:80").url.effective_port() == 80);
    REQUIRE(machine.find({}, "engine.example:4243").url.effective_port() == 4243);
    REQUIRE(machine.find({}, "tcp://[::1]:2375/base/").url.path == "/base");
    REQUIRE(machine.find({}, "https://engine.example").url.text() == "https://engine.example:2376/");
    REQUIRE(machine.find({}, "https://engine.example").tls);
    REQUIRE(machine.find({}, "http://engine.example").tls == nullptr);
}

TEST_CASE("engine endpoint: what cooper cannot speak is refused with what to do instead", "[unit][oci]") {
    const Machine machine;
    SECTION("ssh") {
        const Error error = machine.refused({{"DOCKER_HOST", "ssh://bob:hunter2@box.example:22"}});
        REQUIRE(error.code() == ErrorCode::Unsupported);
        REQUIRE(contains(error.advice(), "ssh -nNT -L /tmp/engine.sock:/var/run/docker.sock"));
        REQUIRE(contains(error.advice(), "box.example"));
        REQUIRE_FALSE(contains(error.what() + error.advice(), "hunter2"));
    }
    SECTION("ssh in a context") {
        Machine other;
        other.context("far", meta_of("ssh://box.example"));
        REQUIRE(contains(other.refused({{"DOCKER_CONTEXT", "far"}}).what(), "context far is ssh://"));
    }
    SECTION("named pipes") {
        REQUIRE(machine.refused({}, "npipe:////./pipe/docker_engine").code() == ErrorCode::Unsupported);
    }
    SECTION("anything else") {
        for (const char* const host : {"fd://", "ftp://x", "unix://run/docker.sock", "tcp://", "tcp://a b",
                                       "tcp://h/?q", "tcp://user:hunter2@host:2375"}) {
            const Error error = machine.refused({}, host);
            CAPTURE(host, error.what());
            REQUIRE(error.code() == ErrorCode::InvalidInput);
            REQUIRE_FALSE(contains(error.what(), "hunter2"));
        }
    }
}

TEST_CASE("engine endpoint: TLS by docker's variables", "[unit][oci]") {
    Machine machine;
    machine.file("certs/ca.pem", "PEM");
    machine.file("certs/cert.pem", "PEM");
    machine.file("certs/key.pem", "PEM");
    Variables variables{{"DOCKER_HOST", "tcp://engine.example"}, {"DOCKER_CERT_PATH", machine.at("certs")}};
    SECTION("none is switched on: plain, certificates or not") {
        REQUIRE(machine.find(variables).tls == nullptr);
    }
    SECTION("DOCKER_TLS_VERIFY verifies and shows our certificate") {
        variables["DOCKER_TLS_VERIFY"] = "1";
        const EngineEndpoint found = machine.find(variables);
        REQUIRE(found.url.text() == "https://engine.example:2376/");
        REQUIRE(found.tls->verify);
        REQUIRE(found.tls->extra_ca_files == std::vector<std::string>{machine.at("certs/ca.pem")});
        REQUIRE(found.tls->client_certificate == machine.at("certs/cert.pem"));
        REQUIRE(found.tls->client_key == machine.at("certs/key.pem"));
        REQUIRE(machine.find(variables, "tcp://other.example").tls);
    }
    SECTION("DOCKER_TLS alone does not verify") {
        variables["DOCKER_TLS"] = "1";
        const EngineEndpoint found = machine.find(variables);
        REQUIRE_FALSE(found.tls->verify);
        REQUIRE(found.tls->client_certificate == machine.at("certs/cert.pem"));
    }
    SECTION("without DOCKER_CERT_PATH the certificates lie beside config.json") {
        variables.erase("DOCKER_CERT_PATH");
        variables["DOCKER_TLS_VERIFY"] = "1";
        machine.file("home/.docker/ca.pem", "PEM");
        REQUIRE(machine.find(variables).tls->extra_ca_files.at(0) == machine.at("home/.docker/ca.pem"));
        REQUIRE(machine.find(variables).tls->client_certificate.empty());
        variables["DOCKER_CONFIG"] = machine.at("certs");
        REQUIRE(machine.find(variables).tls->extra_ca_files.at(0) == machine.at("certs/ca.pem"));
    }
    SECTION("a directory that is not there, and half a pair") {
        variables["DOCKER_TLS_VERIFY"] = "1";
        variables["DOCKER_CERT_PATH"] = machine.at("absent");
        REQUIRE(machine.refused(variables).code() == ErrorCode::NotFound);
        variables["DOCKER_CERT_PATH"] = machine.at("half");
        machine.file("half/key.pem", "PEM");
        REQUIRE(machine.refused(variables).code() == ErrorCode::InvalidInput);
    }
    SECTION("a unix socket and CONTAINER_HOST have none") {
        variables["DOCKER_TLS_VERIFY"] = "1";
        variables["DOCKER_CERT_PATH"] = machine.at("absent");
        REQUIRE(machine.find(variables, "unix:///x.sock").tls == nullptr);
        REQUIRE(machine.find({{"CONTAINER_HOST", "tcp://h:1"}, {"DOCKER_TLS_VERIFY", "1"}}).tls == nullptr);
    }
}

TEST_CASE("engine endpoint: a context brings its own TLS", "[unit][oci]") {
    Machine machine;
    const Variables variables{{"DOCKER_CONTEXT", "prod"}, {"DOCKER_TLS_VERIFY", "1"}};
    SECTION("certificates") {
        machine.context("prod", meta_of("tcp://prod.example:2376"), true);
        const EngineEndpoint found = machine.find(variables);
        REQUIRE(found.url.text() == "https://prod.example:2376/");
        REQUIRE(found.tls->verify);
        REQUIRE(contains(found.tls->client_key,
                         "contexts/tls/" + std::string(sha256(std::string_view("prod")).hex()) + "/docker/key.pem"));
    }
    SECTION("none: plain, whatever the variables say") {
        machine.context("prod", meta_of("tcp://prod.example:2375"));
        REQUIRE(machine.find(variables).tls == nullptr);
    }
    SECTION("without verification") {
        machine.context("prod", R"({"Endpoints":{"docker":{"Host":"tcp://prod.example","SkipTLSVerify":true}}})");
        REQUIRE_FALSE(machine.find(variables).tls->verify);
    }
}

TEST_CASE("engine endpoint: contexts that are absent, empty or damaged", "[unit][oci]") {
    Machine machine;
    const std::string docker = machine.socket("var/docker.sock");
    SECTION("the default context is none") {
        REQUIRE(machine.find({{"DOCKER_CONTEXT", "default"}}).socket == docker);
        machine.file("home/.docker/config.json", R"({"currentContext":"default"})");
        REQUIRE(machine.find().socket == docker);
        machine.file("home/.docker/config.json", R"({"currentContext":""})");
        REQUIRE(machine.find().socket == docker);
        machine.file("home/.docker/config.json", "");
        REQUIRE(machine.find().socket == docker);
    }
    SECTION("an absent one is named with who named it") {
        const Error error = machine.refused({{"DOCKER_CONTEXT", "../../x"}});
        REQUIRE(error.code() == ErrorCode::NotFound);
        REQUIRE(contains(error.what(), "DOCKER_CONTEXT names the context ../../x"));
        machine.file("home/.docker/config.json", R"({"currentContext":"gone"})");
        REQUIRE(contains(machine.refused({}).what(), machine.at("home/.docker/config.json")));
    }
    SECTION("damaged documents") {
        machine.context("bad", "{");
        REQUIRE(machine.refused({{"DOCKER_CONTEXT", "bad"}}).code() == ErrorCode::InvalidInput);
        machine.context("bad", R"({"Endpoints":{"kubernetes":{}}})");
        REQUIRE(contains(machine.refused({{"DOCKER_CONTEXT", "bad"}}).what(), "no docker endpoint"));
        machine.file("home/.docker/config.json", "[]");
        REQUIRE(machine.find().socket == docker);
        machine.file("home/.docker/config.json", "{\"a");
        REQUIRE(contains(machine.refused({}).what(), "config.json"));
    }
    SECTION("DOCKER_CONFIG moves them") {
        machine.file("elsewhere/config.json", R"({"currentContext":"far"})");
        machine.file("elsewhere/contexts/meta/" + std::string(sha256(std::string_view("far")).hex()) + "/meta.json",
                     meta_of("unix:///far.sock"));
        REQUIRE(machine.find({{"DOCKER_CONFIG", machine.at("elsewhere")}}).socket == "/far.sock");
    }
}
