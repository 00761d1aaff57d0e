// What a build was made of, as a document: the same bytes for the same build, no secrets, nothing taken on trust.
#include "cooper/build/build_record.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <cstdlib>

using namespace cooper;
using cooper::build::BuildRecord;
using cooper::build::find_record;
using cooper::build::is_pinned_image;
using cooper::build::remember_record;
namespace fs = std::filesystem;

namespace {

Digest record_digest(const std::string& name) {
    return sha256(name);
}

BuildRecord a_record() {
    BuildRecord record{.dockerfile = record_digest("Dockerfile"),
                       .target = "final",
                       .epoch = 1'700'000'000,
                       .scrub = {"python", "debian"},
                       .args = {{"VERSION", "1.2 \"quoted\""}, {"BASE", "debian:12"}},
                       .secret_args = {"NPM_TOKEN"},
                       .secrets = {"npm", "aws"},
                       .bases = {},
                       .fetched = {},
                       .checkouts = {},
                       .steps = {},
                       .results = {}};
    record.bases = {{"node:20", "linux/arm64", record_digest("node arm64")},
                    {"debian:12", "linux/amd64", record_digest("debian")},
                    {"node:20", "linux/amd64", record_digest("node")}};
    record.fetched = {{"https://example.org/b.tar", record_digest("b"), 12},
                      {"https://example.org/a.tar", record_digest("a"), 1ULL << 40U}};
    record.checkouts = {{"https://example.org/r.git#main", std::string(40, 'c')}};
    record.steps = {{"build", "linux/amd64", "RUN make\n\tall", record_digest("key 1"), record_digest("layer 1")},
                    {"1", "linux/amd64", "COPY --from=build /a /a", record_digest("key 0"), record_digest("layer 2")}};
    record.results = {{"linux/arm64", record_digest("image arm64")}, {"linux/amd64", record_digest("image")}};
    return record;
}

std::string with_replaced(std::string text, const std::string& from, const std::string& to) {
    const std::size_t at = text.find(from);
    REQUIRE(at != std::string::npos);
    return text.replace(at, from.size(), to);
}

}  // namespace

TEST_CASE("build record: the bytes that were promised", "[unit][build][golden]") {
    const fs::path golden = fs::path(COOPER_GOLDEN) / "build" / "record-v1.json";
    if (std::getenv("COOPER_ACCEPT") != nullptr) {
        write_file(golden, a_record().json() + "\n");
        WARN("SKIPPED: wrote " << golden);
        return;
    }
    const std::string text = read_file(golden, 100'000);
    CHECK(a_record().json() + "\n" == text);
    CHECK(BuildRecord::parse(text, "golden").json() + "\n" == text);
}

TEST_CASE("build record: comes back as it was, sorted where order does not count", "[unit][build]") {
    const BuildRecord read = BuildRecord::parse(a_record().json(), "record");
    CHECK(read.dockerfile == a_record().dockerfile);
    CHECK(read.target == "final");
    CHECK(read.epoch == 1'700'000'000);
    CHECK(read.scrub == std::vector<std::string>{"debian", "python"});
    CHECK(read.secrets == std::vector<std::string>{"aws", "npm"});
    CHECK(read.secret_args == std::vector<std::string>{"NPM_TOKEN"});
    CHECK(read.args ==
          std::vector<std::pair<std::string, std::string>>{{"BASE", "debian:12"}, {"VERSION", "1.2 \"quoted\""}});
    CHECK(read.bases.size() == 3);
    CHECK(read.steps == a_record().steps);
    CHECK(read.fetched[0].url == "https://example.org/a.tar");
    CHECK(read.fetched[0].size == 1ULL << 40U);
    CHECK(read.bases[1].platform == "linux/amd64");
    CHECK(read.json() == a_record().json());

    BuildRecord shuffled = a_record();
    std::swap(shuffled.bases[0], shuffled.bases[2]);
    std::swap(shuffled.args[0], shuffled.args[1]);
    std::swap(shuffled.results[0], shuffled.results[1]);
    shuffled.fetched.push_back(shuffled.fetched[0]);
    shuffled.scrub = {"debian", "python", "debian"};
    CHECK(shuffled.json() == a_record().json());
    std::swap(shuffled.steps[0], shuffled.steps[1]);
    CHECK(shuffled.json() != a_record().json());
}

TEST_CASE("build record: bytes that are no UTF-8 are replaced", "[unit][build]") {
    BuildRecord record = a_record();
    record.args = {{"LATIN", "caf\xe9"}};
    record.steps[0].instruction = "RUN echo caf\xe9";
    const BuildRecord read = BuildRecord::parse(record.json(), "record");
    CHECK(read.args[0].second == "caf\xef\xbf\xbd");
    CHECK(read.json() == record.json());
}

TEST_CASE("build record: finds what is pinned", "[unit][build]") {
    const BuildRecord record = BuildRecord::parse(a_record().json(), "record");
    REQUIRE(record.find_base("node:20", "linux/arm64"));
    CHECK(record.find_base("node:20", "linux/arm64")->manifest == record_digest("node arm64"));
    CHECK(record.find_base("node:20", "linux/s390x") == nullptr);
    CHECK(record.find_base("node:21", "linux/arm64") == nullptr);
    REQUIRE(record.find_fetched("https://user:password@example.org/a.tar"));
    CHECK(record.find_fetched("https://example.org/c.tar") == nullptr);
    REQUIRE(record.find_checkout("https://token@example.org/r.git#main"));
    CHECK(record.find_checkout("https://example.org/r.git") == nullptr);
}

TEST_CASE("build record: holds no secrets", "[unit][build]") {
    BuildRecord record = a_record();
    record.args = {{"npm_token", "canary-1"},       {"SECRET_THING", "canary-2"},
                   {"PASSWORD", "canary-3"},        {"SSH_KEY", "canary-4"},
                   {"AWS_CREDENTIALS", "canary-5"}, {"INDEX", "https://u:canary-6@host/"},
                   {"PASSWD", "canary-7"},          {"VERSION", "1"}};
    record.fetched = {{"https://user:canary-8@example.org/a?x=1", record_digest("a"), 1}};
    record.checkouts = {{"https://canary-9@example.org/r.git", std::string(40, 'c')},
                        {"ssh://git:canary-10@example.org/r.git", std::string(40, 'c')},
                        {"git@example.org:r.git", std::string(40, 'c')}};
    record.bases = {};
    record.steps[0].instruction = "RUN curl https://me:canary-11@example.org/ && login --token=canary-12";
    const std::string text = record.json();
    CHECK(text.find("canary") == std::string::npos);
    const BuildRecord read = BuildRecord::parse(text, "record");
    CHECK(read.args == std::vector<std::pair<std::string, std::string>>{{"VERSION", "1"}});
    CHECK(read.secret_args.size() == 8);
    CHECK(read.find_checkout("git@example.org:r.git") != nullptr);
    CHECK(read.find_checkout("ssh://git@example.org/r.git") != nullptr);
    CHECK(read.json() == text);
}

TEST_CASE("build record: what is none is refused, naming the member", "[unit][build]") {
    const std::string good = a_record().json();
    const auto refused = [&](const std::string& text, const std::string& word,
                             ErrorCode code = ErrorCode::InvalidInput) {
        INFO(text.substr(0, 200));
        try {
            static_cast<void>(BuildRecord::parse(text, "FILE"));
            FAIL_CHECK("taken");
        } catch (const Error& error) {
            CHECK(error.code() == code);
            CHECK_THAT(error.what(), Catch::Contains("FILE") && Catch::Contains(word));
        }
    };
    refused("", "JSON");
    refused("[]", "");
    refused("{}", "schema");
    refused(good + "x", "JSON");
    refused(with_replaced(good, "cooper.build.lock/1", "cooper.build.lock/2"), "lock/2", ErrorCode::Unsupported);
    refused(with_replaced(good, "cooper.build.lock/1", "cooper.lock/v1"), "schema");
    refused(with_replaced(good, "\"target\"", "\"targets\""), "targets");
    refused(with_replaced(good, "\"epoch\":1700000000", "\"epoch\":1.5"), "epoch");
    refused(with_replaced(good, "\"epoch\":1700000000,", ""), "epoch");
    refused(with_replaced(good, "\"size\":12", "\"size\":-12"), "fetched[1]");
    refused(with_replaced(good, "\"commit\":", "\"commit\":null,\"x\":"), "checkouts[0]");
    refused(with_replaced(good, "\"stage\":\"1\"", "\"stage\":1"), "steps[1]");
    refused(with_replaced(good, record_digest("node").text(), "sha256:12"), "bases[1]");
    refused(with_replaced(good, "\"secrets\":[\"aws\"", "\"secrets\":[7"), "secrets[0]");
    refused(with_replaced(good, "\"args\":{", "\"args\":[],\"args\":{"), "");
    refused(with_replaced(good, "\"BASE\":\"debian:12\"", "\"BASE\":12"), "BASE");
    std::string many = "[\"a\"";
    for (int i = 0; i < 10'001; ++i) {
        many += ",\"a\"";
    }
    refused(with_replaced(good, "[\"aws\",\"npm\"]", many + "]"), "secrets");
    refused(std::string(17U << 20U, ' '), "longer");
}

TEST_CASE("build record: of an image that was built here", "[unit][build]") {
    const TempDirectory directory;
    const Digest image = record_digest("image");
    CHECK_FALSE(find_record(directory.path(), image));
    remember_record(directory.path(), image, a_record());
    const auto found = find_record(directory.path(), image);
    REQUIRE(found);
    CHECK(found->json() == a_record().json());
    const fs::path file = directory.path() / "build/records" / (std::string(image.hex()) + ".json");
    struct stat status {};
    REQUIRE(stat(file.c_str(), &status) == 0);
    CHECK((status.st_mode & 07777) == 0600);
    // One of another image, or damaged, is none.
    const Digest other = record_digest("another image");
    fs::copy_file(file, file.parent_path() / (std::string(other.hex()) + ".json"));
    CHECK_FALSE(find_record(directory.path(), other));
    write_file(file, "{");
    CHECK_FALSE(find_record(directory.path(), image));
    remember_record(directory.path(), image, a_record());
    CHECK(find_record(directory.path(), image));
}

TEST_CASE("build record: an image with a digest is pinned by itself", "[unit][build]") {
    const std::string digest = record_digest("x").text();
    for (const std::string& text : {"debian@" + digest, "debian:12@" + digest, "docker-image://debian@" + digest,
                                    "localhost:5000/a/b@" + digest, "docker://debian@" + digest}) {
        INFO(text);
        CHECK(is_pinned_image(text));
    }
    for (const std::string& text : {std::string("debian"), std::string("debian:12"), std::string("debian@sha256:12"),
                                    std::string(), digest, "UPPER@" + digest, "debian@" + digest + "0"}) {
        INFO(text);
        CHECK_FALSE(is_pinned_image(text));
    }
}
