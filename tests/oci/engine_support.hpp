// An engine that answers as told, on a unix socket.
#pragma once

#include "cooper/base/files.hpp"
#include "cooper/oci/engine.hpp"

#include "base/http_support.hpp"
#include "support/memory_image.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>

#include <functional>
#include <string>
#include <vector>

namespace cooper::testing {

/// What is answered to "GET /images/a/json" (the version is cut off its path).
using EngineHandler = std::function<ScriptedReply(const std::string& call, const ScriptedRequest& request)>;

struct EngineVoice {
    std::string api = "1.41";
    std::string oldest_api = "1.12";
    bool podman = false;
};

class ScriptedEngine {
public:
    explicit ScriptedEngine(EngineHandler handler, EngineVoice voice = {}, ScriptedOptions options = {})
        : handler_(std::move(handler)),
          voice_(std::move(voice)),
          server_([this](const ScriptedRequest& request) { return answer(request); }, on_socket(std::move(options))) {}

    [[nodiscard]] std::string socket() const { return (directory_.path() / "engine.sock").string(); }
    [[nodiscard]] oci::EngineEndpoint endpoint() const {
        return {oci::EngineEndpoint::Kind::Unix, socket(), {}, nullptr, "DOCKER_HOST"};
    }
    [[nodiscard]] oci::EngineClient& client() { return client_; }
    [[nodiscard]] HttpClient& http() { return *http_; }
    /// "GET /v1.41/images/a/json?…" of every request so far, less pings.
    [[nodiscard]] std::vector<std::string> calls() const {
        std::vector<std::string> lines;
        for (const ScriptedRequest& request : server_.requests()) {
            if (request.target != "/_ping") {
                lines.push_back(request.method + " " + request.target);
            }
        }
        return lines;
    }
    [[nodiscard]] std::size_t pings() const { return server_.requests().size() - calls().size(); }
    [[nodiscard]] ScriptedRequest last() const { return server_.requests().back(); }
    [[nodiscard]] std::vector<ScriptedRequest> requests() const { return server_.requests(); }

private:
    ScriptedOptions on_socket(ScriptedOptions options) const {
        options.unix_socket = socket();
        return options;
    }

    ScriptedReply answer(const ScriptedRequest& request) const {
        if (request.target == "/_ping") {
            Headers headers{{"Api-Version", voice_.api}};
            if (voice_.podman) {
                headers.add("Libpod-Api-Version", "4.3.1");
            }
            return {.headers = headers, .body = "OK"};
        }
        if (request.target == "/version") {
            return {.body = R"({"ApiVersion":")" + voice_.api + R"(","MinAPIVersion":")" + voice_.oldest_api + R"("})"};
        }
        return handler_(request.method + " " + request.target.substr(request.target.find('/', 1)), request);
    }

    TempDirectory directory_{"cte"};
    EngineHandler handler_;
    EngineVoice voice_;
    ScriptedServer server_;
    std::unique_ptr<HttpClient> http_ = make_http_client({}, Environment({}));
    oci::EngineClient client_{*http_, endpoint()};
};

/// GET /images/NAME/json as dockerd with its own image store has it.
inline std::string inspected(const std::string& id, const std::vector<Digest>& diff_ids, const std::string& more = "") {
    std::string layers;
    for (const Digest& diff_id : diff_ids) {
        layers += (layers.empty() ? "\"" : ",\"") + diff_id.text() + "\"";
    }
    return R"({"Id":")" + id +
           R"(","RepoTags":["a:1"],"RepoDigests":[],"Architecture":"amd64","Os":"linux","Size":12,)" +
           R"("RootFS":{"Type":"layers","Layers":[)" + layers + "]}" + more + "}";
}
inline std::string inspected(const oci::Image& image) {
    return inspected(image.config.image_id().text(), image.config.diff_ids);
}

inline constexpr const char* kLoaded = R"({"stream":"Loaded image: a:1\n"})";

struct LoadCase {
    explicit LoadCase(std::vector<std::string> names = {"docker.io/library/a:1"},
                      std::vector<LayerSpec> layers = {{LayerSpec::Form::Gzip, "one"}, {LayerSpec::Form::Plain, "two"}})
        : image(memory_image(layers, &blobs)),
          images{{image, std::move(names)}},
          plan(oci::ArchivePlan::make(images)) {}

    [[nodiscard]] std::string archive() const { return read_all(*plan.open(), 64 << 20, "archive"); }

    std::shared_ptr<MemoryBlobs> blobs;
    oci::Image image;
    std::vector<oci::ArchiveImage> images;
    oci::ArchivePlan plan;
};

/// Loads with `said` as the stream of answers; afterwards the engine has `inspect` under every name.
inline EngineHandler loads(const std::string& said, const std::string& inspect) {
    return [=](const std::string& call, const ScriptedRequest&) -> ScriptedReply {
        if (call.starts_with("POST /images/load")) {
            return {.headers = {{"Content-Type", "application/json"}}, .body = said, .chunked = true};
        }
        return inspect.empty() ? ScriptedReply{.status = 404, .body = R"({"message":"No such image"})"}
                               : ScriptedReply{.body = inspect};
    };
}

inline EngineHandler replies(const ScriptedReply& reply) {
    return [reply](const std::string&, const ScriptedRequest&) { return reply; };
}

template <class Action>
Error failure(Action&& action) {
    const auto error = error_of(action);
    REQUIRE(error);
    return *error;
}

}  // namespace cooper::testing
