#include "cooper/delivery/gate.hpp"

#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <algorithm>

using namespace cooper;
using namespace cooper::delivery;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

using Words = std::vector<std::string>;

Words words_of(std::string_view text) {
    return GateCommand::parse(GateKind::Scan, text).words;
}

/// Why a template is refused.
std::string refusal_of(std::string_view text) {
    try {
        static_cast<void>(words_of(text));
    } catch (const Error& error) {
        REQUIRE(error.code() == ErrorCode::InvalidInput);
        return error.what();
    }
    FAIL("it was taken: " << text);
    return {};
}

/// A tarball, a directory for logs, and scripts to be gates.
class Yard {
public:
    Yard() {
        write_file(tarball(), "the tarball");
        subject.name = "app";
        subject.tag = "1";
        subject.image = "docker.io/acme/app:1";
        subject.image_id = "sha256:1234";
        subject.manifest = "sha256:5678";
        subject.tarball = tarball();
        subject.sha256 = sha256("the tarball");
    }

    /// Runs `script` with {tar} and {out} as $1 and $2.
    GateReport run(const std::string& script, GateKind kind = GateKind::Scan, std::chrono::seconds timeout = 30s) {
        write_file(directory_.path() / "gate.sh", "#!/bin/sh\n" + script + "\n", 0777);
        GateCommand command =
            GateCommand::parse(kind, (directory_.path() / "gate.sh").string() + " {tar} {out} {name}:{tag} {image}");
        command.timeout = timeout;
        command.number = number;
        command.pass_environment = pass;
        return run_gate(command, subject, logs(), true, Environment(variables), {});
    }
    template <class Failure>
    std::string failure(const std::string& script, GateKind kind = GateKind::Scan, std::chrono::seconds timeout = 30s) {
        try {
            run(script, kind, timeout);
        } catch (const Failure& error) {
            REQUIRE(error.log().is_absolute());
            REQUIRE(fs::exists(error.log()));
            return error.what();
        }
        FAIL("the gate did not end so: " << script);
        return {};
    }

    [[nodiscard]] fs::path tarball() const { return directory_.path() / "app.tar"; }
    [[nodiscard]] fs::path logs() const { return directory_.path() / "logs"; }
    [[nodiscard]] std::string log(const std::string& name = "scan-app_1.log") const {
        return read_file(logs() / name, 128 << 20);
    }

    GateSubject subject;
    unsigned number = 1;
    std::vector<std::string> pass;
    std::map<std::string, std::string, std::less<>> variables{{"PATH", "/usr/local/bin:/usr/bin:/bin"}};

private:
    TempDirectory directory_;
};

}  // namespace

TEST_CASE("gate command: words are told apart as a shell does", "[unit][delivery]") {
    REQUIRE(words_of("trivy image --input {tar}") == Words{"trivy", "image", "--input", "{tar}"});
    REQUIRE(words_of(" a 'b c'\t\"d \\\"e\\\" \\x\"f '' \\  ") == Words{"a", "b c", "d \"e\" \\xf", "", " "});
    REQUIRE(words_of("a 'x|y;z' \"<>&\" \\; '$HOME `id`' $ a$") ==
            Words{"a", "x|y;z", "<>&", ";", "$HOME `id`", "$", "a$"});
    REQUIRE(words_of("a \\\n  b\n") == Words{"a", "b"});
    REQUIRE(words_of("docker inspect --format '{{.Id}} {{json .}}' {{tar}} {\"a\":1} {}") ==
            Words{"docker", "inspect", "--format", "{{.Id}} {{json .}}", "{{tar}}", "{a:1}", "{}"});
}

TEST_CASE("gate command: what only a shell understands is refused", "[unit][delivery]") {
    for (const char* text : {"a | b", "a; b", "a && b", "a & ", "a > b", "a < b", "a `id`", "a $(id)", "a \"$(id)\"",
                             "a \"`id`\"", "a $HOME", "a \"${HOME}\"", "(a)", "a\nb"}) {
        INFO(text);
        REQUIRE(refusal_of(text).find("shell") != std::string::npos);
    }
    for (const char* text :
         {"", "  ", "''", "a 'b", "a \"b", "a \\", "a {tarball}", "{tar}", "x{name} y", "TOKEN=1 a"}) {
        INFO(text);
        refusal_of(text);
    }
    refusal_of(std::string("a\0b", 3));
    refusal_of(std::string(20'000, 'a'));
}

TEST_CASE("gate command: it wants a tarball when it names one", "[unit][delivery]") {
    const auto needs = [](std::string_view text) { return GateCommand::parse(GateKind::Test, text).needs_tarball(); };
    REQUIRE(needs("a docker-archive:{tar}"));
    REQUIRE(needs("a {sha256}"));
    REQUIRE_FALSE(needs("a {id} {{tar}}"));
}

TEST_CASE("gate: values stay single words, whatever they are", "[unit][delivery]") {
    Yard yard;
    yard.subject.image = "a b;$(touch x) 'c'\n{tar}";
    const GateReport report = yard.run("printf '%s|' \"$#\" \"$3\" \"$4\"; echo report > \"$2\"");
    REQUIRE(yard.log().starts_with("4|app:1|a b;$(touch x) 'c'\n{tar}|"));
    REQUIRE(report.passed == PassedGate{"scan", "gate.sh", std::string(sha256("the tarball").hex())});
    REQUIRE(report.report == yard.logs() / "scan-app_1.report");
    REQUIRE(report.tool == sha256(read_file(report.program, 1 << 20)));
    REQUIRE(report.log == yard.logs() / "scan-app_1.log");
}

TEST_CASE("gate: what a scanner's exit status means", "[unit][delivery]") {
    Yard yard;
    const std::string said = yard.failure<GateSaidNo>("echo CVE-2024-0001; exit 1");
    REQUIRE(said.find("the scan of app:1 found something: ended with exit status 1\nCVE-2024-0001") == 0);
    for (const char* script : {"exit 2", "exit 127", "exit 126", "kill -SEGV $$", "kill -9 $$"}) {
        INFO(script);
        yard.failure<GateBroke>(script);
    }
    yard.failure<GateBroke>("sleep 60", GateKind::Scan, 1s);
    GateCommand missing = GateCommand::parse(GateKind::Scan, "no-such-scanner {tar}");
    REQUIRE_THROWS_AS(run_gate(missing, yard.subject, yard.logs(), true, Environment(yard.variables), {}), GateBroke);
    missing.words[0] = yard.tarball().string();  // may not be run
    REQUIRE_THROWS_AS(run_gate(missing, yard.subject, yard.logs(), true, Environment(yard.variables), {}), GateBroke);
}

TEST_CASE("gate: what a test's exit status means", "[unit][delivery]") {
    Yard yard;
    REQUIRE(yard.run("exit 0", GateKind::Test).passed.kind == "test");
    for (const char* script : {"exit 1", "exit 2", "exit 5", "exit 139"}) {
        INFO(script);
        REQUIRE(yard.failure<GateSaidNo>(script, GateKind::Test).find("the test of app:1 failed") == 0);
    }
    for (const char* script : {"exit 125", "exit 126", "exit 127", "kill -SEGV $$"}) {
        INFO(script);
        yard.failure<GateBroke>(script, GateKind::Test);
    }
    GateCommand command = GateCommand::parse(GateKind::Test, "true {id}");
    yard.subject.tarball.clear();
    REQUIRE(run_gate(command, yard.subject, yard.logs(), true, Environment(yard.variables), {}).passed.subject ==
            "sha256:5678");
    command = GateCommand::parse(GateKind::Test, "true {tar}");
    REQUIRE_THROWS_AS(run_gate(command, yard.subject, yard.logs(), true, Environment(yard.variables), {}), Error);
}

TEST_CASE("gate: a tarball that changes while it is scanned was not scanned", "[unit][delivery]") {
    Yard yard;
    REQUIRE(
        yard.failure<GateBroke>("echo other > \"$1.new\"; mv \"$1.new\" \"$1\"").find("changed while the gate ran") !=
        std::string::npos);
    Yard gone;
    gone.failure<GateBroke>("rm \"$1\"");
    Yard wrong;
    wrong.subject.sha256 = sha256("what will be uploaded");
    GateCommand command = GateCommand::parse(GateKind::Scan, "true {tar}");
    REQUIRE_THROWS_AS(run_gate(command, wrong.subject, wrong.logs(), false, Environment(wrong.variables), {}),
                      GateBroke);
}

TEST_CASE("gate: credentials are not in its environment", "[unit][delivery]") {
    Yard yard;
    const std::vector<std::string> secrets = {"DOCKER_AUTH_CONFIG",
                                              "REGISTRY_AUTH_FILE",
                                              "DOCKER_CONFIG",
                                              "COOPER_CREDS",
                                              "COOPER_KEY_PASSWORD",
                                              "AWS_SECRET_ACCESS_KEY",
                                              "AWS_WEB_IDENTITY_TOKEN_FILE",
                                              "GITHUB_TOKEN",
                                              "GH_TOKEN",
                                              "ACTIONS_ID_TOKEN_REQUEST_TOKEN",
                                              "NPM_TOKEN",
                                              "SIGNING_KEY",
                                              "LD_PRELOAD_X",
                                              "SSH_AUTH_SOCK"};
    for (const std::string& name : secrets) {
        yard.variables[name] = "hunter2";
    }
    yard.variables["HOME"] = "/home/me";
    yard.variables["LC_ALL"] = "C";
    yard.variables["HTTPS_PROXY"] = "http://proxy:3128";
    yard.variables["DOCKER_HOST"] = "unix:///run/docker.sock";
    yard.run("env; ls -A \"$HOME\" | wc -l");
    const std::string seen = yard.log();
    REQUIRE(seen.find("hunter2") == std::string::npos);
    REQUIRE(seen.find("HOME=/home/me\n") == std::string::npos);
    REQUIRE(seen.find("\n0\n") != std::string::npos);  // its home is empty
    REQUIRE(seen.find("XDG_CACHE_HOME=/home/me/.cache\n") != std::string::npos);
    REQUIRE(seen.find("LC_ALL=C\n") != std::string::npos);
    REQUIRE(seen.find("HTTPS_PROXY=http://proxy:3128\n") != std::string::npos);
    REQUIRE(seen.find("DOCKER_HOST") == std::string::npos);

    yard.run("env", GateKind::Test);
    const std::string tested = yard.log("test-app_1.log");
    REQUIRE(tested.find("hunter2") == std::string::npos);
    REQUIRE(tested.find("HOME=/home/me\n") != std::string::npos);
    REQUIRE(tested.find("DOCKER_HOST=unix:///run/docker.sock\n") != std::string::npos);

    yard.pass = {"NPM_TOKEN", "HOME", "NOT_SET"};
    yard.number = 2;
    yard.run("env");
    REQUIRE(yard.log("scan2-app_1.log").find("NPM_TOKEN=hunter2\n") != std::string::npos);
    REQUIRE(yard.log("scan2-app_1.log").find("HOME=/home/me\n") != std::string::npos);
}

TEST_CASE("gate: a log is bounded, and its last lines are in the message", "[unit][delivery]") {
    Yard yard;
    const std::string said =
        yard.failure<GateSaidNo>("head -c 70000000 /dev/zero | tr '\\0' x; printf '\\n\\033[31mred\\n'; exit 1");
    REQUIRE(said.find("\n[31mred") != std::string::npos);
    REQUIRE(said.find('\x1b') == std::string::npos);
    REQUIRE(said.size() < 2000);
    const std::string log = yard.log();
    REQUIRE(log.size() < (64U << 20) + 200);
    REQUIRE(log.find("2891146 more bytes were not kept") != std::string::npos);
    REQUIRE(log.ends_with("[cooper: exit status 1]\n"));
}

TEST_CASE("gate: logs replace those of an earlier run and follow no symlink", "[unit][delivery]") {
    Yard yard;
    yard.run("echo first; echo report > \"$2\"");
    const GateReport report = yard.run("echo second");
    REQUIRE(yard.log() == "second\n[cooper: exit status 0]\n");
    REQUIRE(report.report.empty());
    struct stat status {};
    REQUIRE(stat(report.log.c_str(), &status) == 0);
    REQUIRE((status.st_mode & 0777U) == 0600);
    fs::remove(report.log);
    fs::create_symlink(yard.tarball(), report.log);
    REQUIRE_THROWS_AS(yard.run("echo third"), SystemError);
    REQUIRE(read_file(yard.tarball(), 100) == "the tarball");
}

TEST_CASE("gate: a stop request ends it", "[unit][delivery]") {
    Yard yard;
    std::stop_source stop;
    stop.request_stop();
    const GateCommand command = GateCommand::parse(GateKind::Scan, "sleep 60");
    REQUIRE_THROWS_AS(
        run_gate(command, yard.subject, yard.logs(), true, Environment(yard.variables), Run{.stop = stop.get_token()}),
        Cancelled);
}

TEST_CASE("gate summary: a table, with nothing in it that is not escaped", "[unit][delivery]") {
    const std::string text = gate_summary({{"acme/app:1", "scan: trivy", "findings", "CVE | <b>\n::error::x", 2500ms},
                                           {"a|b", "digest", "passed", "", {}}});
    REQUIRE(text.find("| acme/app:1 | scan: trivy | findings | 3 s |\n") != std::string::npos);
    REQUIRE(text.find("| a\\|b | digest | passed |  |\n") != std::string::npos);
    REQUIRE(text.find("\\<b") != std::string::npos);
    REQUIRE(text.find("\n::error") == std::string::npos);
}
