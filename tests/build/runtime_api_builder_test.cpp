// The Runtime API as a builder.
#include "cooper/base/compression.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"
#include "cooper/build/builder.hpp"

#include "build/remote_builder_support.hpp"

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

BuildRequest request_for(std::vector<std::string> names) {
    BuildRequest request;
    request.context = std::make_shared<MemoryRanged>("a tar");
    request.names = std::move(names);
    return request;
}

std::string gzipped(const std::string& text) {
    StringSink sink(1 << 20);
    const auto gzip = gzip_compressing(sink);
    gzip->write(as_bytes(text));
    gzip->finish();
    return sink.take();
}

}  // namespace

TEST_CASE("runtime api builder: a plain context is compressed on its way, a compressed one goes as it is",
          "[unit][build]") {
    const bool plain = GENERATE(true, false);
    Scene scene({accepted(), success()});
    const TempDirectory spool;
    const RemoteBuilder api(scene.http, scene.options);
    RuntimeApiBuilder builder(api, scene.options.base_url, spool.path());
    BuildRequest request = request_for({"r:src", "r:lock"});
    std::string content;
    for (int i = 0; content.size() < 300'000; ++i) {
        content += std::to_string(i * i);
    }
    const std::string given = plain ? content : gzipped(content);
    request.context = std::make_shared<MemoryRanged>(given);
    REQUIRE(builder.build(request, scene.run) == "registry.example.com/runtime:built");
    const std::string body = scene.http.sent_to("/build").at(0).body;
    const std::size_t begin = body.find("\r\n\r\n") + 4;
    const auto sent = from_base64(body.substr(begin, body.find("\r\n", begin) - begin));
    REQUIRE(sent);
    REQUIRE((plain || *sent == given));
    const auto inflated = decompressed(MemoryRanged(*sent).open(), Compression::Gzip);
    REQUIRE(read_all(*inflated, 1 << 20, "context") == content);
    REQUIRE(std::filesystem::is_empty(spool.path()));
    REQUIRE(builder.description() == "the Runtime API at https://runtime.example.com/api");
}

TEST_CASE("runtime api builder: what must be in the Dockerfile is refused", "[unit][build]") {
    Scene scene({accepted(), success()});
    const RemoteBuilder api(scene.http, scene.options);
    RuntimeApiBuilder builder(api, "https://h", "/nonexistent");
    REQUIRE_FALSE(builder.abilities().args_and_target);
    REQUIRE_FALSE(builder.abilities().platforms);
    BuildRequest request = request_for({"r:src"});
    SECTION("arguments") {
        request.args = {{"A", "b"}};
    }
    SECTION("target") {
        request.target = "x";
    }
    SECTION("platform") {
        request.platform = oci::Platform::host();
    }
    SECTION("base images pulled anew") {
        REQUIRE_FALSE(builder.abilities().pull_and_no_cache);
        request.pull = true;
    }
    SECTION("no cache") {
        request.no_cache = true;
    }
    REQUIRE(error_of([&] { builder.build(request, {}); }).code() == ErrorCode::Unsupported);
    REQUIRE(scene.http.log().empty());
}

TEST_CASE("runtime api builder: a Dockerfile that failed is told apart from a server in trouble", "[unit][build]") {
    const TempDirectory spool;
    Scene failed({accepted(), json(R"({"status":"FAILURE","error":"RUN make: exit 2"})")});
    const RemoteBuilder failing(failed.http, failed.options);
    RuntimeApiBuilder first(failing, "https://h", spool.path());
    BuildRequest request = request_for({"r:src"});
    REQUIRE_THROWS_AS(first.build(request, failed.run), BuildFailed);
    Scene broken({accepted(), status("INTERNAL_ERROR")});
    const RemoteBuilder breaking(broken.http, broken.options);
    RuntimeApiBuilder second(breaking, "https://h", spool.path());
    REQUIRE_THROWS_AS(second.build(request, broken.run), RemoteBuildError);
}
