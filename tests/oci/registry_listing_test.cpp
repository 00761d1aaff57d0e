// Tags, referrers and deletion, against a registry in memory.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/registry/registry_document.hpp"
#include "oci/upload_registry.hpp"

#include <catch2/catch.hpp>

#include <map>

using namespace cooper;
using namespace cooper::testing;

namespace {

const oci::Reference kRepository = oci::Reference::parse("registry.example/acme/app");

/// Answers by what stands behind "/v2/acme/app".
class Pages {
public:
    std::map<std::string, FakeReply> pages;
    FakeReply operator()(const SentRequest& sent) const {
        const std::string_view prefix = "https://registry.example/v2/acme/app";
        const auto found = pages.find(sent.url.starts_with(prefix) ? sent.url.substr(prefix.size()) : sent.url);
        return found == pages.end() ? FakeReply{404, {}, R"({"errors":[{"code":"NAME_UNKNOWN","message":"x"}]})"}
                                    : found->second;
    }
};

FakeReply page(const std::string& tags, const std::string& link = "") {
    FakeReply reply{200, {{"Content-Type", "application/json"}}, R"({"name":"acme/app","tags":)" + tags + "}"};
    if (!link.empty()) {
        reply.headers.add("Link", link);
    }
    return reply;
}

std::vector<std::string> tags_of(const Pages& pages) {
    RegistryRig rig(pages);
    return rig.client.tags(kRepository, rig.run);
}

oci::Descriptor subject() {
    return {std::string(oci::media_type::kOciManifest), sha256("subject"), 7, {}, {}, {}, ""};
}

/// A manifest about subject().
PushedImage signature(const std::string& more = "") {
    return PushedImage({"signature"}, R"(,"subject":{"mediaType":")" + std::string(oci::media_type::kOciManifest) +
                                          R"(","digest":")" + subject().digest.text() + R"(","size":7})" + more);
}

std::string fallback_tag() {
    return "sha256-" + std::string(subject().digest.hex());
}

}  // namespace

TEST_CASE("tags: page after page, relative and absolute, sorted", "[unit][oci]") {
    Pages pages;
    pages.pages["/tags/list?n=1000"] = page(R"(["c","a"])", R"(</v2/acme/app/tags/list?last=a&n=2>; rel="next")");
    pages.pages["/tags/list?last=a&n=2"] =
        page(R"(["d","b"])",
             R"(<https://h.example/x>; rel=prev, <https://registry.example/v2/acme/app/p3>;title="a, b;>"; REL=Next)");
    pages.pages["/p3"] = page(R"(["e","a"])", "<http://registry.example:5000/v2/acme/app/p4>; rel=\"last next\"");
    pages.pages["/p4"] = page("null", "</v2/acme/app/p5>; rel=first");
    CHECK(tags_of(pages) == std::vector<std::string>{"a", "b", "c", "d", "e"});
}

TEST_CASE("tags: a repository without tags, and none", "[unit][oci]") {
    Pages pages;
    pages.pages["/tags/list?n=1000"] = page("null");
    CHECK(tags_of(pages).empty());
    try {
        tags_of({});
        FAIL("a repository that is not there has tags");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::NotFound);
    }
}

TEST_CASE("tags: a registry that refuses large pages is asked for its own", "[unit][oci]") {
    Pages pages;
    pages.pages["/tags/list?n=1000"] = {400, {}, R"({"errors":[{"code":"PAGINATION_NUMBER_INVALID"}]})"};
    pages.pages["/tags/list"] = page(R"(["a"])");
    CHECK(tags_of(pages) == std::vector<std::string>{"a"});
}

TEST_CASE("tags: a list that leads elsewhere, back or nowhere is refused", "[unit][oci]") {
    Pages pages;
    pages.pages["/tags/list?n=1000"] = page(R"(["a"])", "<https://evil.example/v2/acme/app/tags/list>; rel=next");
    CHECK_THROWS_WITH(tags_of(pages), Catch::Contains("evil.example, another server"));
    pages.pages["/tags/list?n=1000"] = page(R"(["a"])", "<http://evil.example/>; rel=next");
    CHECK_THROWS_WITH(tags_of(pages), Catch::Contains("http"));
    pages.pages["/tags/list?n=1000"] = page(R"(["a"])", "</v2/acme/app/p2>; rel=next");
    pages.pages["/p2"] = page(R"(["b"])", "</v2/acme/app/tags/list?n=1000>; rel=next");
    CHECK_THROWS_WITH(tags_of(pages), Catch::Contains("would never end"));

    int asked = 0;
    RegistryRig endless(
        [&](const SentRequest&) { return page("[]", "</v2/acme/app/p" + std::to_string(++asked) + ">; rel=next"); });
    CHECK_THROWS_WITH(endless.client.tags(kRepository, endless.run), Catch::Contains("1000 pages"));
    CHECK(asked == 1000);
}

TEST_CASE("tags: what is no tag is left out with a warning, what is no list is refused", "[unit][oci]") {
    RegistryRig rig([](const SentRequest&) { return page(R"(["ok","\u001b[31m","-x","a b"])"); });
    CHECK(rig.client.tags(kRepository, rig.run) == std::vector<std::string>{"ok"});
    CHECK(rig.notices.texts.size() == 1);
    for (const std::string bad : {R"({"a":1})", "[1]", "\"a\""}) {
        RegistryRig other([&](const SentRequest&) { return page(bad); });
        CHECK_THROWS_AS(other.client.tags(kRepository, other.run), Error);
    }
}

TEST_CASE("tags: those of one manifest", "[unit][oci]") {
    UploadRegistry registry;
    registry.intercept = [](const SentRequest& sent) -> std::optional<FakeReply> {
        return sent.url.find("/tags/list") != std::string::npos ? std::optional(page(R"(["a","b","c","gone"])"))
                                                                : std::nullopt;
    };
    RegistryRig rig(registry.handler());
    const PushedImage image({"one"});
    oci::PushOptions options;
    options.tags = {"c"};
    rig.client.push(kRepository.with_tag("a"), image.graph, options, rig.run);
    rig.client.push(kRepository.with_tag("b"), PushedImage({"two"}).graph, {}, rig.run);
    CHECK(rig.client.tags_of(kRepository, image.graph.root().digest, rig.run) == std::vector<std::string>{"a", "c"});
}

TEST_CASE("links: the next one is found in any form", "[unit][oci]") {
    CHECK(oci::next_link({"</a>; rel=next"}) == "/a");
    CHECK(oci::next_link({"</a>;rel=prev", "< /b > ; x ; rel = \"next\""}) == "/b");
    CHECK(oci::next_link({"</a?x=1,2;3>; rel=\"next\", </b>; rel=next"}) == "/a?x=1,2;3");
    for (const char* const none : {"", "</a>", "</a>; rel=nextpage", "/a; rel=next", "</a; rel=next", "<", ";;;",
                                   "</a>; title=\"rel=next", "</a>; rel"}) {
        CHECK_FALSE(oci::next_link({none}));
    }
}

TEST_CASE("referrers: where the registry lists them itself, no tag is written", "[unit][oci]") {
    UploadRegistry registry;
    registry.amend = [](FakeReply& reply, const SentRequest& sent) {
        if (sent.method == "PUT") {
            reply.headers.add("OCI-Subject", subject().digest.text());
        }
    };
    RegistryRig rig(registry.handler());
    rig.client.push(kRepository.with_tag("sig"), signature().graph, {}, rig.run);
    CHECK_FALSE(registry.manifest(fallback_tag()));
}

TEST_CASE("referrers: elsewhere the subject's tag lists them, each once", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    const PushedImage one = signature(R"(,"artifactType":"application/x.one","annotations":{"k":"v"})");
    const PushedImage two = signature();
    rig.client.push(kRepository.with_digest(one.graph.root().digest), one.graph, {}, rig.run);
    rig.client.push(kRepository.with_digest(one.graph.root().digest), one.graph, {}, rig.run);
    rig.client.put_manifest(kRepository.with_digest(two.graph.root().digest), two.graph.root(), rig.run);

    const oci::Reference name = kRepository.with_digest(subject().digest);
    const auto all = rig.client.referrers(name, "", rig.run);
    REQUIRE(all.size() == 2);
    CHECK(all[0].digest == one.graph.root().digest);
    CHECK(all[0].size == one.graph.root().bytes.size());
    CHECK(all[0].annotations.at("k") == "v");
    CHECK(all[1].artifact_type == "application/vnd.oci.image.config.v1+json");
    CHECK(rig.client.referrers(name, "application/x.one", rig.run).size() == 1);

    CHECK(rig.client.remove(kRepository.with_digest(one.graph.root().digest), rig.run));
    CHECK(rig.client.referrers(name, "", rig.run).size() == 1);
}

TEST_CASE("referrers: what others write at the same time is not lost", "[unit][oci]") {
    UploadRegistry registry;
    int races = 1;
    registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
        // Somebody who read what we read writes after us.
        if (sent.method == "PUT" && sent.url.ends_with(fallback_tag()) && races-- > 0) {
            FakeReply ours = registry.answer(sent);
            SentRequest other = sent;
            other.body = R"({"schemaVersion":2,"mediaType":")" + std::string(oci::media_type::kOciIndex) +
                         R"(","manifests":[)" +
                         FakeRegistry::descriptor(std::string(oci::media_type::kOciManifest), "other") + "]}";
            registry.answer(other);
            return ours;
        }
        return std::nullopt;
    };
    RegistryRig rig(registry.handler());
    rig.client.push(kRepository.with_tag("sig"), signature().graph, {}, rig.run);
    CHECK(rig.client.referrers(kRepository.with_digest(subject().digest), "", rig.run).size() == 2);
    races = 1000;
    try {
        rig.client.push(kRepository.with_tag("sig"), signature(R"(,"annotations":{"x":"y"})").graph, {}, rig.run);
        FAIL("a referrer got lost in silence");
    } catch (const Error& error) {
        CHECK(error.code() == ErrorCode::Conflict);
    }
}

TEST_CASE("referrers: the API page by page, filtered here where the registry does not", "[unit][oci]") {
    const auto list = [](const std::string& type, const std::string& content) {
        return FakeReply{200,
                         {{"Content-Type", std::string(oci::media_type::kOciIndex)}},
                         R"({"schemaVersion":2,"manifests":[)" +
                             FakeRegistry::descriptor(std::string(oci::media_type::kOciManifest), content,
                                                      R"(,"artifactType":")" + type + "\"") +
                             "]}"};
    };
    Pages pages;
    const std::string path = "/referrers/" + subject().digest.text();
    pages.pages[path + "?artifactType=application%2Fx.one"] = list("application/x.one", "1");
    pages.pages[path + "?artifactType=application%2Fx.one"].headers.add("Link", "</v2/acme/app/more>; rel=next");
    pages.pages["/more"] = list("application/x.two", "2");
    RegistryRig rig(pages);
    const auto found = rig.client.referrers(kRepository.with_digest(subject().digest), "application/x.one", rig.run);
    REQUIRE(found.size() == 1);
    CHECK(found[0].digest == sha256("1"));

    pages.pages.clear();
    pages.pages[path] = {200, {{"Content-Type", "text/html"}}, "<html>welcome</html>"};
    RegistryRig pretty(pages);
    CHECK(pretty.client.referrers(kRepository.with_digest(subject().digest), "", pretty.run).empty());
}

TEST_CASE("deletion: a tag, a manifest, and what is not there", "[unit][oci]") {
    UploadRegistry registry;
    RegistryRig rig(registry.handler());
    const PushedImage image({"layer"});
    rig.client.push(kRepository.with_tag("1"), image.graph, {}, rig.run);
    CHECK(rig.client.remove(kRepository.with_tag("1"), rig.run));
    CHECK_FALSE(rig.client.remove(kRepository.with_tag("1"), rig.run));
    CHECK(rig.client.remove(kRepository.with_digest(image.graph.root().digest), rig.run));
    CHECK_FALSE(rig.client.remove(kRepository.with_digest(image.graph.root().digest), rig.run));
}

TEST_CASE("deletion: where it is not done, the advice says why", "[unit][oci]") {
    const auto refused = [](int status, const std::string& code, const oci::Reference& name) {
        UploadRegistry registry;
        registry.intercept = [&](const SentRequest& sent) -> std::optional<FakeReply> {
            return sent.method == "DELETE"
                       ? std::optional(
                             FakeReply{status, {}, R"({"errors":[{"code":")" + code + R"(","message":"no"}]})"})
                       : std::nullopt;
        };
        RegistryRig rig(registry.handler());
        const PushedImage image({"layer"});
        rig.client.push(kRepository.with_tag("1"), image.graph, {}, rig.run);
        try {
            rig.client.remove(name, rig.run);
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::Unsupported);
            return error.advice();
        }
        return std::string("no error");
    };
    CHECK_THAT(refused(405, "UNSUPPORTED", kRepository.with_tag("1")), Catch::Contains("storage.delete.enabled"));
    CHECK_THAT(refused(400, "DIGEST_INVALID", kRepository.with_tag("1")), Catch::Contains("give the digest"));
    CHECK_THAT(refused(405, "UNSUPPORTED", kRepository.with_digest(PushedImage({"layer"}).graph.root().digest)),
               Catch::Contains("administrator"));
}
