// Blobs: resumed in the middle, bounded by their size, never with credentials for somebody else.
#include "oci/registry/registry_blob.hpp"

#include "cooper/base/error.hpp"

#include "oci/fake_registry.hpp"

#include <catch2/catch.hpp>

#include <string>
#include <thread>
#include <vector>

using namespace cooper;
using namespace cooper::testing;

namespace {

const std::string kStorage = "https://storage.example/data?X-Amz-Signature=abc";

/// Sends blobs of `registry` to another host, which serves them.
FakeHttp::Handler with_storage(const FakeRegistry& registry) {
    return [&registry](const SentRequest& sent) {
        if (sent.url == kStorage) {
            return FakeRegistry::part({200, {}, registry.layer}, sent);
        }
        if (sent.url.find("/blobs/") != std::string::npos) {
            return FakeReply{307, {{"Location", kStorage}}, "<a href>"};
        }
        return registry.serve(sent);
    };
}

}  // namespace

TEST_CASE("content range: only what means something is read", "[unit][oci]") {
    const auto range = oci::parse_content_range("bytes 5-9/10");
    REQUIRE(range);
    CHECK(range->first == 5);
    CHECK(range->last == 9);
    CHECK(range->total == 10);
    CHECK_FALSE(oci::parse_content_range("Bytes 5-9/*")->total);
    for (const char* text :
         {"", "bytes", "bytes */10", "bytes 9-5/10", "bytes 5-10/10", "bytes -5/10", "bytes 5-/10", "5-9/10",
          "lines 5-9/10", "bytes 5/9-10", "bytes 5-9/x", "bytes 5-99999999999999999999/*"}) {
        CAPTURE(text);
        CHECK_FALSE(oci::parse_content_range(text));
    }
}

TEST_CASE("blob: a connection that breaks in the middle is resumed there", "[unit][oci]") {
    const FakeRegistry registry;
    std::size_t cuts = 40;  // more than there are tries: progress begins the count anew
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(sent);
        if (cuts > 0) {
            --cuts;
            reply.breaks_after = 100;
        }
        return reply;
    });
    CHECK(rig.read_layer(registry) == registry.layer);
    const auto log = rig.http.log();
    REQUIRE(log.size() == 41);
    CHECK(log[0].header("Range").empty());
    CHECK(log[1].header("Range") == "bytes=100-");
    CHECK(log[40].header("Range") == "bytes=4000-");
}

TEST_CASE("blob: no progress ends after the tries", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(sent);
        reply.breaks_after = sent.header("Range").empty() ? 10 : 0;
        return reply;
    });
    CHECK_THROWS_WITH(rig.read_layer(registry), Catch::Contains("connection reset"));
    CHECK(rig.http.log().size() == 6);
}

TEST_CASE("blob: a server that ignores Range is read from the start, and the known bytes skipped", "[unit][oci]") {
    const FakeRegistry registry;
    int cuts = 3;
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(SentRequest{sent.method, sent.url, {}, "", false});
        if (cuts-- > 0) {
            reply.breaks_after = 500;  // the second and third break while skipping
        }
        return reply;
    });
    CHECK(rig.read_layer(registry) == registry.layer);
    CHECK(rig.http.log().size() == 4);
    RegistryRig whole([&](const SentRequest& sent) {
        return registry.serve(SentRequest{sent.method, sent.url, {}, "", false});
    });
    CHECK(whole.read_layer(registry, 777) == registry.layer.substr(777));
}

TEST_CASE("blob: reading may begin anywhere", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest& sent) { return registry.serve(sent); });
    CHECK(rig.read_layer(registry, 777) == registry.layer.substr(777));
    CHECK(rig.http.log().at(0).header("Range") == "bytes=777-");
    CHECK(rig.read_layer(registry, registry.layer.size()).empty());
    CHECK(rig.http.log().size() == 1);
    CHECK_THROWS_AS(rig.read_layer(registry, registry.layer.size() + 1), Error);
}

TEST_CASE("blob: a first answer that breaks while skipping is tried again", "[unit][oci]") {
    const FakeRegistry registry;
    int cuts = 2;
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(SentRequest{sent.method, sent.url, {}, "", false});
        if (cuts-- > 0) {
            reply.breaks_after = 5;
        }
        return reply;
    });
    CHECK(rig.read_layer(registry, 777) == registry.layer.substr(777));
    CHECK(rig.http.log().size() == 3);
}

TEST_CASE("blob: answers that lie about sizes and ranges are refused", "[unit][oci]") {
    const FakeRegistry registry;
    const std::string total = std::to_string(registry.layer.size());
    struct Case {
        int status;
        Headers headers;
    };
    const std::vector<Case> cases = {
        {200, {{"Content-Length", "5"}}},
        {200, {{"Content-Length", std::to_string(registry.layer.size() + 1)}}},
        {206, {}},
        {206, {{"Content-Range", "bytes 0-9/" + total}}},
        {206, {{"Content-Range", "bytes 777-999999/1000000"}}},
        {206, {{"Content-Range", "bytes 777-1000/5000"}}},
        {416, {{"Content-Range", "bytes */5"}}},
    };
    for (const Case& c : cases) {
        CAPTURE(c.status);
        RegistryRig rig([&](const SentRequest&) { return FakeReply{c.status, c.headers, registry.layer}; });
        CHECK_THROWS_AS(rig.read_layer(registry, 777), IntegrityError);
        CHECK(rig.http.log().size() == 1);
    }
}

TEST_CASE("blob: a body without end is read to the blob's size and no further", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest&) { return FakeReply{200, {}, registry.layer, false, {}, true}; });
    CHECK(rig.read_layer(registry) == registry.layer);
}

TEST_CASE("blob: a body that ends early without a length is resumed", "[unit][oci]") {
    const FakeRegistry registry;
    bool first = true;
    RegistryRig rig([&](const SentRequest& sent) {
        FakeReply reply = registry.serve(sent);
        reply.sends_length = false;
        if (std::exchange(first, false)) {
            reply.body.resize(1000);
        }
        return reply;
    });
    CHECK(rig.read_layer(registry) == registry.layer);
    CHECK(rig.http.log().back().header("Range") == "bytes=1000-");
}

TEST_CASE("blob: a part shorter than asked is taken and the rest asked for", "[unit][oci]") {
    const FakeRegistry registry;
    const std::string total = std::to_string(registry.layer.size());
    bool first = true;
    RegistryRig rig([&](const SentRequest& sent) {
        if (std::exchange(first, false)) {
            return FakeReply{206, {{"Content-Range", "bytes 777-876/" + total}}, registry.layer.substr(777, 100)};
        }
        return registry.serve(sent);
    });
    CHECK(rig.read_layer(registry, 777) == registry.layer.substr(777));
    CHECK(rig.http.log().at(1).header("Range") == "bytes=877-");
}

TEST_CASE("blob: an absent one is told by name", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest&) { return FakeReply{404, {}, R"({"errors":[{"code":"BLOB_UNKNOWN"}]})"}; });
    CHECK_THROWS_WITH(rig.read_layer(registry),
                      Catch::Contains("blob registry.example/acme/app@" + sha256(registry.layer).shortened()) &&
                          Catch::Contains("BLOB_UNKNOWN"));
}

TEST_CASE("redirect: credentials stay with the registry, Range goes along", "[unit][oci]") {
    const FakeRegistry registry;
    const auto storage = with_storage(registry);
    RegistryRig rig(
        [&](const SentRequest& sent) {
            if (sent.url != kStorage && sent.header("Authorization").empty()) {
                return FakeReply{401, {{"WWW-Authenticate", "Basic realm=x"}}, ""};
            }
            return storage(sent);
        },
        alice());
    CHECK(rig.read_layer(registry, 777) == registry.layer.substr(777));
    const auto sent = rig.http.sent_to("storage.example");
    REQUIRE(sent.size() == 1);
    CHECK_FALSE(sent[0].headers.find("Authorization"));
    CHECK(sent[0].header("Range") == "bytes=777-");
    CHECK(rig.http.sent_to("registry.example").back().header("Authorization") == "Basic YWxpY2U6czNjcmV0");
}

TEST_CASE("redirect: another port or scheme is another place", "[unit][oci]") {
    const FakeRegistry registry;
    for (const std::string& target :
         std::vector<std::string>{"https://registry.example:444/x", "https://REGISTRY.example.evil/x",
                                  "//other.example/x", "http://127.0.0.1:5000/x"}) {
        CAPTURE(target);
        RegistryRig rig(
            [&](const SentRequest& sent) {
                if (sent.url.find("/blobs/") == std::string::npos) {
                    return FakeReply{200, {}, registry.layer};
                }
                return sent.header("Authorization").empty()
                           ? FakeReply{401, {{"WWW-Authenticate", "Basic realm=x"}}, ""}
                           : FakeReply{302, {{"Location", target}}, ""};
            },
            alice());
        if (target.starts_with("http:")) {
            CHECK_THROWS_WITH(rig.read_layer(registry), Catch::Contains("redirects from https to http"));
            CHECK(rig.http.log().size() == 2);
        } else {
            CHECK(rig.read_layer(registry) == registry.layer);
            CHECK_FALSE(rig.http.log().back().headers.find("Authorization"));
        }
    }
}

TEST_CASE("redirect: within the registry the credentials go along", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig(
        [&](const SentRequest& sent) {
            if (sent.header("Authorization").empty()) {
                return FakeReply{401, {{"WWW-Authenticate", "Basic realm=x"}}, ""};
            }
            if (sent.url.find("/blobs/") != std::string::npos) {
                return FakeReply{308, {{"Location", "/elsewhere"}}, ""};
            }
            return FakeReply{200, {}, registry.layer};
        },
        alice());
    CHECK(rig.read_layer(registry) == registry.layer);
    CHECK(rig.http.lines().back() == "GET https://registry.example/elsewhere");
}

TEST_CASE("redirect: loops and redirects to nowhere end", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig loop([&](const SentRequest& sent) { return FakeReply{302, {{"Location", sent.url}}, ""}; });
    CHECK_THROWS_WITH(loop.read_layer(registry), Catch::Contains("redirects more than 10 times"));
    CHECK(loop.http.log().size() == 11);
    RegistryRig nowhere([&](const SentRequest&) { return FakeReply{302, {}, ""}; });
    CHECK_THROWS_WITH(nowhere.read_layer(registry), Catch::Contains("without saying where"));
    for (const char* target : {"file:///etc/passwd", "ftp://x/y", "https://user:pw@x/", "https://", "http:"}) {
        CAPTURE(target);
        RegistryRig odd([&](const SentRequest&) { return FakeReply{302, {{"Location", target}}, ""}; });
        CHECK_THROWS_AS(odd.read_layer(registry), Error);
        CHECK(odd.http.log().size() <= 2);
    }
}

TEST_CASE("redirect: an expired storage URL is asked for anew, once", "[unit][oci]") {
    const FakeRegistry registry;
    const auto storage = with_storage(registry);
    int refusals = 1;
    const auto handler = [&](const SentRequest& sent) {
        return sent.url == kStorage && refusals-- > 0 ? FakeReply{403, {}, "<Error>expired</Error>"} : storage(sent);
    };
    RegistryRig rig(handler);
    CHECK(rig.read_layer(registry) == registry.layer);
    CHECK(rig.http.sent_to("registry.example").size() == 2);
    refusals = 100;
    RegistryRig closed(handler);
    CHECK_THROWS_WITH(closed.read_layer(registry), Catch::Contains("storage server storage.example answered 403"));
    CHECK(closed.http.log().size() == 4);
    CHECK_THROWS_WITH(closed.read_layer(registry), !Catch::Contains("X-Amz"));
}

TEST_CASE("blob: several threads read through one client", "[unit][oci]") {
    const FakeRegistry registry;
    RegistryRig rig([&](const SentRequest& sent) {
        if (sent.url.starts_with("https://auth.example")) {
            return FakeReply{200, {}, R"({"token":"t"})"};
        }
        if (sent.header("Authorization") != "Bearer t") {
            return FakeReply{401, {{"WWW-Authenticate", R"(Bearer realm="https://auth.example/token")"}}, ""};
        }
        return registry.serve(sent);
    });
    std::vector<std::string> texts(8);
    {
        std::vector<std::jthread> threads;
        for (std::string& text : texts) {
            threads.emplace_back([&] { text = rig.read_layer(registry); });
        }
    }
    for (const std::string& text : texts) {
        CHECK(text == registry.layer);
    }
    CHECK(rig.http.sent_to("auth.example").size() == 1);
}
