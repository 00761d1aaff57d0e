// A registry of documents and blobs in memory, for FakeHttp.
#pragma once

#include "cooper/base/digest.hpp"
#include "cooper/oci/credentials.hpp"
#include "cooper/oci/registry.hpp"

#include "oci/fake_http.hpp"
#include "support/fake_clock.hpp"

#include <map>
#include <string>
#include <vector>

namespace cooper::testing {

/// Serves what is in it below "/v2/acme/app/"; everything else is 404.
class FakeRegistry {
public:
    FakeRegistry() {
        config = R"({"os":"linux","architecture":"amd64","rootfs":{"type":"layers","diff_ids":["sha256:)" +
                 std::string(64, 'b') + R"("]}})";
        for (int i = 0; i < 5000; ++i) {
            layer += std::to_string(i) + ",";
        }
        manifest = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":)" +
                   descriptor("application/vnd.oci.image.config.v1+json", config) + R"(,"layers":[)" +
                   descriptor("application/vnd.oci.image.layer.v1.tar", layer) + "]}";
        index = R"({"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[)" +
                descriptor("application/vnd.oci.image.manifest.v1+json", manifest,
                           R"(,"platform":{"os":"linux","architecture":"amd64"})") +
                "]}";
        put("/manifests/1", "application/vnd.oci.image.manifest.v1+json", manifest);
        put("/manifests/multi", "application/vnd.oci.image.index.v1+json", index);
        put("/manifests/" + sha256(manifest).text(), "application/vnd.oci.image.manifest.v1+json", manifest);
        put("/blobs/" + sha256(config).text(), "application/octet-stream", config);
        put("/blobs/" + sha256(layer).text(), "application/octet-stream", layer);
    }

    static std::string descriptor(const std::string& type, const std::string& content, const std::string& more = "") {
        return R"({"mediaType":")" + type + R"(","digest":")" + sha256(content).text() + R"(","size":)" +
               std::to_string(content.size()) + more + "}";
    }

    void put(const std::string& path, const std::string& type, const std::string& content) {
        content_[path] = {200, {{"Content-Type", type}, {"Docker-Content-Digest", sha256(content).text()}}, content};
    }

    [[nodiscard]] FakeReply serve(const SentRequest& sent) const {
        const std::string prefix = "/v2/acme/app";
        const std::size_t at = sent.url.find(prefix);
        const auto found =
            at == std::string::npos ? content_.end() : content_.find(sent.url.substr(at + prefix.size()));
        if (found == content_.end()) {
            return {404, {}, R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})"};
        }
        return part(found->second, sent);
    }

    /// `whole`, or the part of it that a Range asks for.
    static FakeReply part(FakeReply whole, const SentRequest& sent) {
        const std::string range = sent.header("Range");
        if (range.empty()) {
            return whole;
        }
        const std::size_t first = std::stoul(range.substr(6));
        const std::string total = std::to_string(whole.body.size());
        whole.headers.set("Content-Range",
                          "bytes " + std::to_string(first) + "-" + std::to_string(whole.body.size() - 1) + "/" + total);
        whole.status = 206;
        whole.body.erase(0, first);
        return whole;
    }

    [[nodiscard]] oci::Descriptor layer_descriptor() const {
        return {"application/vnd.oci.image.layer.v1.tar", sha256(layer), layer.size(), {}, {}, {}, ""};
    }

    std::string config;
    std::string layer;
    std::string manifest;
    std::string index;

private:
    std::map<std::string, FakeReply> content_;
};

/// Notes notices. Thread-safe enough for tests with one thread.
class Notices final : public Progress {
public:
    void notice(NoticeLevel /*level*/, std::string_view text) noexcept override { texts.emplace_back(text); }
    std::vector<std::string> texts;
};

/// A client over FakeHttp with a clock that does not wait.
class RegistryRig {
    using Variables = std::map<std::string, std::string, std::less<>>;

public:
    explicit RegistryRig(FakeHttp::Handler handler, std::optional<oci::RegistryCredentials> credentials = std::nullopt,
                         oci::RegistryOptions options = {})
        : http(std::move(handler)),
          environment(Variables{{"HOME", "/nonexistent"}, {"XDG_RUNTIME_DIR", "/nonexistent"}}),
          source_(credentials ? oci::make_fixed_credentials(*credentials)
                              : oci::make_ecosystem_credentials(environment)),
          client(http, *source_, environment, std::move(options)) {
        run.clock = &clock;
        run.progress = &notices;
    }

    /// The layer, read through the client.
    std::string read_layer(const FakeRegistry& registry, std::uint64_t offset = 0,
                           const std::string& name = "registry.example/acme/app") {
        const auto blobs = client.blobs(oci::Reference::parse(name));
        const auto source = blobs->open(registry.layer_descriptor(), offset, run);
        return read_all(*source, 1'000'000, "layer");
    }
    oci::Image image(const std::string& name = "registry.example/acme/app:1",
                     const std::string& platform = "linux/amd64") {
        return client.image(oci::Reference::parse(name), oci::Platform::parse(platform), run);
    }

    FakeClock clock;
    Notices notices;
    FakeHttp http;
    Environment environment;

private:
    std::unique_ptr<oci::RegistryCredentialSource> source_;

public:
    oci::RegistryClient client;
    Run run;
};

inline oci::RegistryCredentials alice() {
    return {"alice", Secret("s3cret"), {}, {}, "a test"};
}

}  // namespace cooper::testing
