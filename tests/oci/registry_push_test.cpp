// Pushes into a registry in memory that misbehaves as it is told.
#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "oci/registry/blob_upload.hpp"
#include "oci/upload_registry.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <filesystem>

using namespace cooper;
using namespace cooper::testing;
namespace fs = std::filesystem;

namespace {

const std::string kTarget = "registry.example/acme/app:1";

oci::Pushed push(RegistryRig& rig, const PushedImage& image, oci::PushOptions options = {},
                 const std::string& to = kTarget) {
    return rig.client.push(oci::Reference::parse(to), image.graph, options, rig.run);
}

/// One blob at a time, so that the order of requests is known.
oci::PushOptions in_turn() {
    oci::PushOptions options;
    options.connections = 1;
    return options;
}

std::vector<SentRequest> requests(const RegistryRig& rig, const std::string& method, std::string_view where = "") {
    std::vector<SentRequest> found = rig.http.sent_to(where);
    std::erase_if(found, [&](const SentRequest& sent) { return sent.method != method; });
    return found;
}

bool has_body(const SentRequest& sent) {
    return (sent.method == "PUT" || sent.method == "PATCH") && sent.url.find("/uploads/") != std::string::npos &&
           !sent.body.empty();
}

/// What a registry answers to a request for a token or without one.
FakeReply challenge(const std::string& scope) {
    return {401,
            {{"WWW-Authenticate",
              R"(Bearer realm="https://auth.example/token",service="registry.example",scope=")" + scope + "\""}},
            ""};
}

}  // namespace

TEST_CASE("push: blobs first, the largest ahead, then the manifest by digest, then its names", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    const PushedImage image({random_bytes(1000, 1), random_bytes(5000, 2)});
    oci::PushOptions options = in_turn();
    options.tags = {"latest", "1"};
    const oci::Pushed pushed = push(rig, image, options);

    CHECK(pushed.manifest == image.graph.root().digest);
    CHECK(pushed.blobs_sent == 3);
    CHECK(pushed.bytes_sent == 6000 + image.config.size());
    CHECK(registry.bytes_received() == pushed.bytes_sent);
    CHECK(registry.named == std::vector<std::string>{pushed.manifest.text(), "1", "latest"});
    CHECK(registry.manifest("latest") == image.graph.root().bytes);

    const std::vector<SentRequest> uploads = requests(rig, "PUT", "/uploads/");
    REQUIRE(uploads.size() == 3);
    CHECK(uploads[0].body.size() == 5000);
    CHECK(uploads[0].header("Content-Type") == "application/octet-stream");
    CHECK(uploads[0].url.ends_with("?_state=0&digest=" + sha256(uploads[0].body).text()));
    const std::vector<SentRequest> manifests = requests(rig, "PUT", "/manifests/");
    REQUIRE(manifests.size() == 3);
    CHECK(manifests[0].header("Content-Type") == oci::media_type::kOciManifest);
    CHECK(rig.http.log().back().url == manifests.back().url);
}

TEST_CASE("push: what is there is not sent again", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    const PushedImage image({random_bytes(1000, 1), ""});
    push(rig, image);
    const std::uint64_t received = registry.bytes_received();
    const oci::Pushed again = push(rig, image);
    CHECK(again.blobs_sent == 0);
    CHECK(again.blobs_there == 3);
    CHECK(again.bytes_reused == received);
    CHECK(registry.bytes_received() == received);
}

TEST_CASE("push: an index comes after all that it lists", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    PushedImage image({random_bytes(1000, 1)});
    const std::string index =
        R"({"schemaVersion":2,"mediaType":")" + std::string(oci::media_type::kOciIndex) + R"(","manifests":[)" +
        FakeRegistry::descriptor(std::string(oci::media_type::kOciManifest), image.graph.root().bytes) + "]}";
    image.graph.kind = oci::ManifestKind::Index;
    image.graph.manifests.push_back({index, std::string(oci::media_type::kOciIndex), sha256(index)});
    push(rig, image);
    CHECK(registry.named ==
          std::vector<std::string>{image.graph.manifests[0].digest.text(), sha256(index).text(), "1"});
    const oci::Graph read = rig.client.graph(oci::Reference::parse(kTarget), rig.run);
    CHECK(read.manifests.size() == 2);
    CHECK(read.blobs == image.graph.blobs);
}

TEST_CASE("push: a digest in the name must be the manifest's", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    const PushedImage image({"layer"});
    CHECK_THROWS_WITH(push(rig, image, {}, "registry.example/acme/app@" + sha256("other").text()),
                      Catch::Contains("the manifest is " + image.graph.root().digest.text()));
    push(rig, image, {}, "registry.example/acme/app@" + image.graph.root().digest.text());
    CHECK(registry.named == std::vector<std::string>{image.graph.root().digest.text()});
}

TEST_CASE("push: foreign layers stay where they are", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    const PushedImage image({"foreign"}, "", "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip");
    CHECK(push(rig, image).blobs_sent == 1);
    CHECK(rig.http.sent_to(sha256("foreign").text()).empty());
}

TEST_CASE("push: a Location may be relative, or wrong about our way to the registry", "[unit][oci]") {
    for (const std::string prefix : {"", "http://registry.example", "https://registry.example:5000"}) {
        UploadRegistry registry;
        registry.location_prefix = prefix;
        RegistryRig rig(registry.handler(), alice());
        push(rig, PushedImage({"layer"}));
        CHECK(registry.holds("layer"));
        for (const SentRequest& sent : rig.http.log()) {
            CHECK(sent.url.starts_with("https://registry.example/"));
        }
    }
}

TEST_CASE("push: bytes may go to another server, credentials may not", "[unit][oci]") {
    UploadRegistry registry;
    registry.location_prefix = "https://storage.example";
    registry.intercept = [](const SentRequest& sent) -> std::optional<FakeReply> {
        const bool ours = sent.url.starts_with("https://registry.example");
        return ours && sent.header("Authorization").empty()
                   ? std::optional(FakeReply{401, {{"WWW-Authenticate", "Basic realm=x"}}, ""})
                   : std::nullopt;
    };
    RegistryRig rig(registry.handler(), alice());
    push(rig, PushedImage({"layer"}));
    CHECK(registry.holds("layer"));
    const std::vector<SentRequest> elsewhere = rig.http.sent_to("https://storage.example");
    REQUIRE(elsewhere.size() == 2);
    for (const SentRequest& sent : elsewhere) {
        CHECK(sent.header("Authorization").empty());
        CHECK(sent.public_address_only);
    }

    registry.location_prefix = "http://storage.example";
    CHECK_THROWS_WITH(push(rig, PushedImage({"other"})), Catch::Contains("from https to http://storage.example"));
}

TEST_CASE("push: blobs are mounted from another repository", "[unit][oci]") {
    UploadRegistry registry;
    const PushedImage image({random_bytes(1000, 1)});
    registry.hold(image.config, "acme/base");
    registry.hold(random_bytes(1000, 1), "acme/base");
    RegistryRig rig(registry.handler());
    oci::PushOptions options = in_turn();
    options.mount_from = {oci::Reference::parse("other.example/acme/base"),
                          oci::Reference::parse("registry.example/acme/base:2"), oci::Reference::parse(kTarget)};
    const oci::Pushed pushed = push(rig, image, options);
    CHECK(pushed.blobs_mounted == 2);
    CHECK(pushed.bytes_sent == 0);
    CHECK(registry.bytes_received() == 0);
    CHECK(requests(rig, "POST")
              .at(0)
              .url.ends_with("?mount=" + sha256(random_bytes(1000, 1)).text() + "&from=acme/base"));
}

TEST_CASE("push: a registry that does not mount opens a session, which is used", "[unit][oci]") {
    UploadRegistry registry;
    registry.mounts = false;
    RegistryRig rig(registry.handler());
    oci::PushOptions options = in_turn();
    options.mount_from = {oci::Reference::parse("registry.example/acme/base")};
    CHECK(push(rig, PushedImage({"layer"}), options).blobs_sent == 2);
    CHECK(requests(rig, "POST").size() == 2);
    CHECK(requests(rig, "DELETE").empty());
}

TEST_CASE("push: a mount that is refused is an upload, and is asked for once", "[unit][oci]") {
    for (const int status : {401, 403, 404, 405}) {
        UploadRegistry registry;
        registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
            return sent.url.find("mount=") == std::string::npos ? std::nullopt
                                                                : std::optional(FakeReply{status, {}, ""});
        };
        RegistryRig rig(registry.handler());
        oci::PushOptions options = in_turn();
        options.mount_from = {oci::Reference::parse("registry.example/acme/base")};
        CHECK(push(rig, PushedImage({"layer"}), options).blobs_sent == 2);
        CHECK(rig.http.sent_to("mount=").size() == 1);
    }
}

TEST_CASE("push: tokens are asked for with what a push and a mount need", "[unit][oci]") {
    UploadRegistry registry;
    registry.intercept = [](const SentRequest& sent) -> std::optional<FakeReply> {
        if (sent.url.starts_with("https://auth.example/")) {
            const bool both = sent.url.find("base") != std::string::npos;
            return FakeReply{200, {}, both ? R"({"token":"both"})" : R"({"token":"one"})"};
        }
        const std::string wanted = sent.url.find("mount=") != std::string::npos ? "Bearer both" : "Bearer one";
        return sent.header("Authorization") == wanted ? std::nullopt
                                                      : std::optional(challenge("repository:acme/app:pull"));
    };
    RegistryRig rig(registry.handler(), alice());
    oci::PushOptions options = in_turn();
    options.mount_from = {oci::Reference::parse("registry.example/acme/base")};
    push(rig, PushedImage({"layer"}), options);
    const std::vector<SentRequest> tokens = rig.http.sent_to("https://auth.example/");
    REQUIRE(tokens.size() == 2);
    CHECK(percent_decode(tokens[0].url).find("scope=repository:acme/app:pull,push&") != std::string::npos);
    CHECK(percent_decode(tokens[1].url).find("scope=repository:acme/app:pull,push&scope=repository:acme/base:pull&") !=
          std::string::npos);
}

TEST_CASE("push: a token that runs out on the way is renewed, and nothing is sent twice", "[unit][oci]") {
    UploadRegistry registry;
    std::atomic<int> tokens = 0;
    std::atomic<int> uses = 0;
    registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
        if (sent.url.starts_with("https://auth.example/")) {
            uses = 0;
            return FakeReply{200, {}, R"({"expires_in":3600,"token":"t)" + std::to_string(++tokens) + "\"}"};
        }
        // Each token is good for three requests, whatever it promised.
        const bool good = sent.header("Authorization") == "Bearer t" + std::to_string(tokens) && uses++ < 3;
        return good ? std::nullopt : std::optional(challenge("repository:acme/app:pull,push"));
    };
    RegistryRig rig(registry.handler(), alice());
    const PushedImage image({random_bytes(3000, 1), random_bytes(2000, 2), random_bytes(1000, 3)});
    const oci::Pushed pushed = push(rig, image, in_turn());
    CHECK(registry.bytes_received() == pushed.bytes_sent);
    CHECK(pushed.blobs_sent == 4);
    CHECK(tokens > 3);
}

TEST_CASE("push: a broken upload goes on where the server stopped", "[unit][oci]") {
    UploadRegistry registry;
    registry.cuts = {400'000, 100'000};
    RegistryRig rig(registry.handler());
    const std::string layer = random_bytes(900'000, 1);
    const oci::Pushed pushed = push(rig, PushedImage({layer}), in_turn());
    CHECK(registry.holds(layer));
    CHECK(registry.bytes_received() == pushed.bytes_sent);
    const std::vector<SentRequest> parts = requests(rig, "PATCH");
    REQUIRE(parts.size() == 2);
    CHECK(parts[0].header("Content-Range") == "400000-899999");
    CHECK(parts[1].header("Content-Range") == "500000-899999");
}

TEST_CASE("push: where the state of a session is lost with the connection, it begins anew", "[unit][oci]") {
    UploadRegistry registry;
    registry.strict_state = true;
    registry.cuts = {4'000};
    RegistryRig rig(registry.handler());
    const std::string layer = random_bytes(9'000, 1);
    const oci::Pushed pushed = push(rig, PushedImage({layer}), in_turn());
    CHECK(registry.holds(layer));
    CHECK(pushed.bytes_sent == 9'000 + 37);
    CHECK(registry.bytes_received() == pushed.bytes_sent + 4'000);
}

TEST_CASE("push: a blob whose arrival was not confirmed is not sent again", "[unit][oci]") {
    UploadRegistry registry;
    std::atomic<bool> first = true;
    registry.amend = [&](FakeReply& reply, const SentRequest& sent) {
        if (reply.status == 201 && sent.url.find("/uploads/") != std::string::npos && first.exchange(false)) {
            no_answer("connection reset");
        }
    };
    RegistryRig rig(registry.handler());
    const oci::Pushed pushed = push(rig, PushedImage({random_bytes(5000, 1)}), in_turn());
    CHECK(registry.bytes_received() == pushed.bytes_sent);
}

TEST_CASE("push: a limit on requests is found, kept for all blobs and never below what the registry wants",
          "[unit][oci]") {
    UploadRegistry registry;
    registry.max_body = 300'000;
    registry.min_chunk = "280000";
    RegistryRig rig(registry.handler());
    const std::string first = random_bytes(900'000, 1);
    const std::string second = random_bytes(850'000, 2);
    push(rig, PushedImage({first, second}), in_turn());
    CHECK(registry.holds(first));
    CHECK(registry.holds(second));
    std::size_t largest = 0;
    for (const SentRequest& sent : requests(rig, "PATCH")) {
        largest = std::max(largest, sent.body.size());
    }
    CHECK(largest == 280'000);
    // 900,000 in one request was refused, once.
    CHECK(requests(rig, "PUT", "/uploads/").size() == 4);
}

TEST_CASE("push: a limit that is too small is told", "[unit][oci]") {
    UploadRegistry registry;
    registry.max_body = 1'000;
    RegistryRig rig(registry.handler());
    CHECK_THROWS_WITH(push(rig, PushedImage({random_bytes(300'000, 1)})), Catch::Contains("413"));
    CHECK(registry.named.empty());
}

TEST_CASE("push: chunks when they are asked for, each checked by what the server says", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    const std::string layer = random_bytes(10'000, 1);
    oci::PushOptions options = in_turn();
    options.chunk_size = 4'000;
    push(rig, PushedImage({layer}), options);
    CHECK(registry.holds(layer));
    const std::vector<SentRequest> parts = requests(rig, "PATCH");
    REQUIRE(parts.size() == 3);
    CHECK(parts[2].header("Content-Range") == "8000-9999");
    CHECK(requests(rig, "PUT", "/uploads/").at(0).body.empty());
    CHECK(requests(rig, "PUT", "/uploads/").at(1).body.size() == 37);  // the config is no longer than a chunk

    SECTION("half of a chunk taken: the rest is sent, no more") {
        bool halved = false;
        registry.cuts.clear();
        registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
            if (sent.method != "PATCH" || halved) {
                return std::nullopt;
            }
            halved = true;
            SentRequest half = sent;
            half.body.resize(1'000);
            half.headers.set("Content-Range", "0-999");
            return registry.answer(half);
        };
        const std::uint64_t before = registry.bytes_received();
        const std::string other = random_bytes(6'000, 5);
        push(rig, PushedImage({other}), options);
        CHECK(registry.holds(other));
        CHECK(registry.bytes_received() - before == 6'000);
    }
    SECTION("no Range told: the digest decides") {
        registry.sends_range = false;
        const std::string other = random_bytes(6'000, 5);
        push(rig, PushedImage({other}), options);
        CHECK(registry.holds(other));
    }
}

TEST_CASE("push: a Range beyond what was sent is a lost session, and a lie once too often an error", "[unit][oci]") {
    UploadRegistry registry;
    int lies = 1;
    registry.amend = [&](FakeReply& reply, const SentRequest& sent) {
        if (sent.method == "PATCH" && lies-- > 0) {
            reply.headers.set("Range", "0-999999999");
        }
    };
    RegistryRig rig(registry.handler());
    oci::PushOptions options = in_turn();
    options.chunk_size = 4'000;
    const std::string layer = random_bytes(9'000, 1);
    push(rig, PushedImage({layer}), options);
    CHECK(registry.holds(layer));

    lies = 1000;
    CHECK_THROWS_WITH(push(rig, PushedImage({random_bytes(9'000, 2)}), options), Catch::Contains("lost the upload"));
    lies = 0;
    registry.amend = [](FakeReply& reply, const SentRequest& sent) {
        if (sent.method == "PATCH") {
            reply.headers.set("Range", "0-0");
        }
    };
    push(rig, PushedImage({random_bytes(9'000, 3)}), options);  // asked, it tells the truth
    CHECK(registry.holds(random_bytes(9'000, 3)));
    registry.knows_status = false;
    CHECK_THROWS_WITH(push(rig, PushedImage({random_bytes(9'000, 4)}), options), Catch::Contains("lost the upload"));
}

TEST_CASE("push: connections that break at the same place again and again mean smaller requests", "[unit][oci]") {
    UploadRegistry registry;
    registry.knows_status = false;
    registry.intercept = [](const SentRequest& sent) -> std::optional<FakeReply> {
        return has_body(sent) && sent.body.size() > 300'000 ? no_answer("connection reset")
                                                            : std::optional<FakeReply>();
    };
    RegistryRig rig(registry.handler());
    const std::string layer = random_bytes(900'000, 1);
    push(rig, PushedImage({layer}), in_turn());
    CHECK(registry.holds(layer));
}

TEST_CASE("push: a registry that wants PATCH gets it", "[unit][oci]") {
    UploadRegistry registry;
    registry.takes_whole_put = false;
    RegistryRig rig(registry.handler());
    push(rig, PushedImage({"layer"}), in_turn());
    CHECK(registry.holds("layer"));
    CHECK(requests(rig, "PATCH").size() == 2);
}

TEST_CASE("push: parts that a registry drops are noticed", "[unit][oci]") {
    UploadRegistry registry;
    registry.keeps_first_chunk_only = true;
    registry.sends_range = false;
    RegistryRig rig(registry.handler());
    oci::PushOptions options = in_turn();
    options.chunk_size = 4'000;
    try {
        push(rig, PushedImage({random_bytes(9'000, 1)}), options);
        FAIL("a blob that is not whole was taken for one");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Integrity);
        CHECK(error.advice().find("in one request") != std::string::npos);
    }
    CHECK(registry.named.empty());
}

TEST_CASE("push: wrong bytes never arrive whole, and nothing gets a name", "[unit][oci]") {
    for (const std::uint64_t chunk : {0U, 4'000U}) {
        UploadRegistry registry;
        RegistryRig rig(registry.handler());
        PushedImage image({random_bytes(9'000, 1)});
        oci::PushOptions options = in_turn();
        options.chunk_size = chunk;
        for (const std::string& wrong : {random_bytes(9'000, 2), random_bytes(8'999, 1), random_bytes(9'001, 1)}) {
            image.blobs->replace(sha256(random_bytes(9'000, 1)), wrong);
            CHECK_THROWS_AS(push(rig, image, options), IntegrityError);
        }
        CHECK(registry.named.empty());
        CHECK(registry.bytes_received() <= 3 * 8'000 + image.config.size());
        CHECK(requests(rig, "DELETE").size() == 3);
    }
}

TEST_CASE("push: what arrived wrong is sent once more, then told", "[unit][oci]") {
    UploadRegistry registry;
    int wrong = 1;
    registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
        if (!has_body(sent) || wrong-- <= 0) {
            return std::nullopt;
        }
        SentRequest spoilt = sent;
        spoilt.body[0] = static_cast<char>(spoilt.body[0] ^ 1);
        return registry.answer(spoilt);
    };
    RegistryRig rig(registry.handler());
    push(rig, PushedImage({random_bytes(9'000, 1)}), in_turn());
    CHECK(registry.holds(random_bytes(9'000, 1)));
    wrong = 1000;
    try {
        push(rig, PushedImage({random_bytes(9'000, 2)}), in_turn());
        FAIL("bytes that arrived wrong were taken for right");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Integrity);
    }
}

TEST_CASE("push: a manifest that did not arrive as it was sent is sent again, then told", "[unit][oci]") {
    UploadRegistry registry;
    int wrong = 2;
    registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
        const bool manifest = sent.method == "PUT" && sent.url.find("/manifests/") != std::string::npos;
        return manifest && wrong-- > 0 ? std::optional(FakeReply{400, {}, R"({"errors":[{"code":"DIGEST_INVALID"}]})"})
                                       : std::nullopt;
    };
    RegistryRig rig(registry.handler());
    push(rig, PushedImage({"layer"}));
    CHECK(registry.manifest("1"));
    wrong = 1000;
    CHECK_THROWS_WITH(push(rig, PushedImage({"other"})), Catch::Contains("did not arrive as it was sent"));
}

TEST_CASE("push: a registry that takes something else than it was sent is told", "[unit][oci]") {
    for (const std::string where : {"/uploads/", "/manifests/"}) {
        UploadRegistry registry;
        registry.amend = [&](FakeReply& reply, const SentRequest& sent) {
            if (sent.method == "PUT" && sent.url.find(where) != std::string::npos) {
                reply.headers.set("Docker-Content-Digest", sha256("something else").text());
            }
        };
        RegistryRig rig(registry.handler());
        CHECK_THROWS_AS(push(rig, PushedImage({"layer"})), IntegrityError);
    }
}

TEST_CASE("push: a busy registry is waited for at every step", "[unit][oci]") {
    UploadRegistry registry;
    std::map<std::string, int> asked;
    std::atomic<std::size_t> requests_seen = 0;
    registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
        ++requests_seen;
        // The first of each kind meets 429, the second 503.
        const int count = asked[sent.method + sent.url.substr(0, sent.url.find('?'))]++;
        return count == 0   ? std::optional(FakeReply{429, {{"Retry-After", "7"}}, ""})
               : count == 1 ? std::optional(FakeReply{503, {}, ""})
                            : std::nullopt;
    };
    RegistryRig rig(registry.handler());
    const oci::Pushed pushed = push(rig, PushedImage({random_bytes(5'000, 1)}), in_turn());
    CHECK(registry.bytes_received() == pushed.bytes_sent);
    CHECK(registry.manifest("1"));
    CHECK(requests_seen > 20);
}

TEST_CASE("push: refusals say what to do", "[unit][oci]") {
    const auto refused = [](int status, const std::string& code) {
        UploadRegistry registry;
        registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
            return sent.method == "POST" ? std::optional(FakeReply{
                                               status, {}, R"({"errors":[{"code":")" + code + R"(","message":"no"}]})"})
                                         : std::nullopt;
        };
        RegistryRig rig(registry.handler());
        try {
            push(rig, PushedImage({"layer"}));
        } catch (const Error& error) {
            return std::pair(error.code(), error.advice());
        }
        return std::pair(ErrorCode::System, std::string("no error"));
    };
    CHECK(refused(403, "DENIED").first == ErrorCode::AccessDenied);
    CHECK(refused(403, "DENIED").second.find("registry.example") != std::string::npos);
    CHECK(refused(404, "NAME_UNKNOWN").first == ErrorCode::NotFound);
    CHECK(refused(404, "NAME_UNKNOWN").second.find("before the first push") != std::string::npos);
    CHECK(refused(405, "UNSUPPORTED").second.find("read-only") != std::string::npos);
}

TEST_CASE("push: a tag that may not move is a conflict, unless it is there already", "[unit][oci]") {
    for (const auto& [status, body] : std::vector<std::pair<int, std::string>>{
             {412, ""},
             {409, ""},
             {403, ""},
             {400, R"({"errors":[{"code":"TAG_INVALID","message":"tag is immutable"}]})"}}) {
        UploadRegistry registry;
        RegistryRig rig(registry.handler());
        const PushedImage old({"old"});
        push(rig, old);
        registry.intercept = [&, status = status, body = body](const SentRequest& sent) -> std::optional<FakeReply> {
            return sent.method == "PUT" && sent.url.ends_with("/manifests/1")
                       ? std::optional(FakeReply{status, {}, body})
                       : std::nullopt;
        };
        push(rig, old);
        try {
            push(rig, PushedImage({"new"}));
            FAIL("a tag was moved that may not move");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Conflict);
            CHECK(std::string(error.what()).find(old.graph.root().digest.text()) != std::string::npos);
            CHECK(error.advice().find("another tag") != std::string::npos);
        }
    }
}

TEST_CASE("push: blobs that go away before the manifest comes are told", "[unit][oci]") {
    UploadRegistry registry;
    registry.intercept = [](const SentRequest& sent) -> std::optional<FakeReply> {
        return sent.method == "PUT" && sent.url.find("/manifests/") != std::string::npos
                   ? std::optional(FakeReply{400, {}, R"({"errors":[{"code":"MANIFEST_BLOB_UNKNOWN","message":"x"}]})"})
                   : std::nullopt;
    };
    RegistryRig rig(registry.handler());
    CHECK_THROWS_WITH(push(rig, PushedImage({"layer"})), Catch::Contains("went away"));
}

TEST_CASE("push: an upload is continued by the next process", "[unit][oci]") {
    const TempDirectory directory;
    const std::string layer = random_bytes(900'000, 1);
    UploadRegistry registry;
    oci::PushOptions options = in_turn();
    options.sessions = directory.path() / "uploads";
    const auto files = [&] {
        return std::distance(fs::directory_iterator(options.sessions), fs::directory_iterator());
    };
    {
        registry.cuts = {600'000};
        registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
            return registry.cuts.empty() && sent.method == "GET" ? no_answer() : std::optional<FakeReply>();
        };
        RegistryRig rig(registry.handler());
        CHECK_THROWS_AS(push(rig, PushedImage({layer}), options), Error);
        registry.intercept = nullptr;
    }
    REQUIRE(files() == 1);
    struct stat status {};
    REQUIRE(::stat(fs::directory_iterator(options.sessions)->path().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);

    SECTION("where it stopped") {
        RegistryRig rig(registry.handler());
        const oci::Pushed pushed = push(rig, PushedImage({layer}), options);
        CHECK(pushed.bytes_sent == 300'000 + 37);
        CHECK(pushed.bytes_reused == 600'000);
        CHECK(registry.bytes_received() == 900'000 + 37);
        CHECK(registry.holds(layer));
    }
    SECTION("but not with other bytes") {
        RegistryRig rig(registry.handler());
        PushedImage image({layer});
        std::string wrong = layer;
        wrong[5] = static_cast<char>(wrong[5] ^ 1);  // among those that the server has
        image.blobs->replace(sha256(layer), wrong);
        CHECK_THROWS_AS(push(rig, image, options), IntegrityError);
        CHECK_FALSE(registry.holds(layer));
        return;
    }
    SECTION("or from the start, when the registry forgot it") {
        registry.knows_status = false;
        RegistryRig rig(registry.handler());
        const oci::Pushed pushed = push(rig, PushedImage({layer}), options);
        CHECK(pushed.bytes_sent == 900'000 + 37);
        CHECK(registry.holds(layer));
    }
    SECTION("or from the start, when the file is no session's") {
        for (const auto& file : fs::directory_iterator(options.sessions)) {
            write_file(file.path(), "cooper upload 1\nnonsense\n", 0600);
        }
        RegistryRig rig(registry.handler());
        push(rig, PushedImage({layer}), options);
        CHECK(registry.holds(layer));
    }
    CHECK(files() == 0);
}

TEST_CASE("push on sockets: a kept connection that closes is not sent the same bytes again", "[unit][oci]") {
    UploadRegistry registry;
    registry.location_prefix = "";
    registry.cuts = {200'000, 100'000};
    ScriptedServer server([&](const ScriptedRequest& request) -> ScriptedReply {
        try {
            const FakeReply reply = registry(
                {request.method, "http://127.0.0.1" + request.target, request.headers, request.body, false, {}, {}});
            return {.status = reply.status, .headers = reply.headers, .body = reply.body};
        } catch (const Error&) {
            return {.no_answer = true};
        }
    });
    const Environment environment(
        std::map<std::string, std::string, std::less<>>{{"HOME", "/nonexistent"}, {"XDG_RUNTIME_DIR", "/nonexistent"}});
    const auto http = make_http_client({}, environment);
    const auto credentials = oci::make_ecosystem_credentials(environment);
    oci::RegistryClient client(*http, *credentials, environment);
    FakeClock clock;
    Run run;
    run.clock = &clock;
    const std::string layer = random_bytes(500'000, 1);
    const PushedImage image({layer});
    const oci::Pushed pushed =
        client.push(oci::Reference::parse("127.0.0.1:" + std::to_string(server.port()) + "/acme/app:1"), image.graph,
                    in_turn(), run);
    CHECK(registry.holds(layer));
    CHECK(registry.bytes_received() == pushed.bytes_sent);
}

TEST_CASE("push: a session has one process", "[unit][oci]") {
    const TempDirectory directory;
    const oci::UploadSessions sessions(directory.path(), Run{});
    const auto reference = oci::Reference::parse(kTarget);
    const auto held = sessions.claim(reference, sha256("a"));
    REQUIRE(held);
    CHECK_FALSE(sessions.claim(reference, sha256("a")));
    CHECK(sessions.claim(reference, sha256("b")));
    CHECK(sessions.claim(oci::Reference::parse("registry.example/acme/other"), sha256("a")));
    held->remember(Url::parse("https://registry.example/v2/acme/app/blobs/uploads/a-long-one?_state=xyz"));
    held->remember(Url::parse("https://registry.example/short"));
    CHECK(held->find() == Url::parse("https://registry.example/short"));
}

TEST_CASE("push: the Range of an upload", "[unit][oci]") {
    CHECK(oci::parse_upload_range("0-4999") == 4999U);
    CHECK(oci::parse_upload_range(" bytes=0-4999 ") == 4999U);
    CHECK(oci::parse_upload_range("bytes 0-0") == 0U);
    for (const char* const bad : {"", "1-5", "0-", "0-x", "0--1", "5", "0-99999999999999999999"}) {
        CHECK_FALSE(oci::parse_upload_range(bad));
    }
}
