// A registry that takes uploads, for FakeHttp: what arrives is kept and counted, and it misbehaves as it is told.
#pragma once

#include "cooper/base/text.hpp"

#include "oci/fake_registry.hpp"
#include "support/memory_image.hpp"

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace cooper::testing {

/// Serves "/v2/NAME/…" of one host. Thread-safe; what is to be told stands in public members, set before the push.
class UploadRegistry {
public:
    std::string location_prefix = "https://registry.example";  ///< "" for relative Locations
    bool sends_range = true;
    bool knows_status = true;     ///< GET of a session
    bool mounts = true;           ///< false: opens a session instead
    bool takes_whole_put = true;  ///< false: 405 for a PUT with bytes
    bool keeps_first_chunk_only = false;
    bool strict_state = false;  ///< as docker-registry 2.8: an old Location ends the session
    std::size_t max_body = 0;   ///< larger ones: 413
    std::string min_chunk;      ///< OCI-Chunk-Min-Length
    /// For the next requests with bytes: how many of them arrive before the connection breaks.
    std::deque<std::size_t> cuts;
    /// Asked first.
    std::function<std::optional<FakeReply>(const SentRequest&)> intercept;
    std::function<void(FakeReply&, const SentRequest&)> amend;

    FakeReply operator()(const SentRequest& sent) {
        if (intercept) {
            if (auto reply = intercept(sent)) {
                return *reply;
            }
        }
        return answer(sent);
    }
    /// The same without `intercept`.
    FakeReply answer(const SentRequest& sent) {
        const std::scoped_lock lock(mutex_);
        FakeReply reply = serve(sent);
        if (amend) {
            amend(reply, sent);
        }
        return reply;
    }
    FakeHttp::Handler handler() {
        return [this](const SentRequest& sent) { return (*this)(sent); };
    }

    [[nodiscard]] bool holds(const std::string& content, const std::string& repository = "acme/app") const {
        return blobs_.contains(repository + "@" + sha256(content).text());
    }
    void hold(const std::string& content, const std::string& repository = "acme/app") {
        blobs_[repository + "@" + sha256(content).text()] = content;
    }
    /// Of blobs, whether they were worth it or not.
    [[nodiscard]] std::uint64_t bytes_received() const { return received_; }
    [[nodiscard]] std::optional<std::string> manifest(const std::string& name,
                                                      const std::string& repository = "acme/app") const {
        const auto found = manifests_.find(repository + "@" + name);
        return found == manifests_.end() ? std::nullopt : std::optional(found->second.body);
    }
    /// Tags and digests in the order in which they came.
    std::vector<std::string> named;

private:
    struct Session {
        std::string bytes;
        std::size_t chunks = 0;
    };

    FakeReply serve(const SentRequest& sent) {
        const std::size_t at = sent.url.find("/v2/");
        const std::string target = at == std::string::npos ? "/" : sent.url.substr(at + 4);
        for (const std::string_view part : {"/blobs/uploads/", "/blobs/", "/manifests/"}) {
            const std::size_t found = target.find(part);
            if (found == std::string::npos) {
                continue;
            }
            const std::string name = target.substr(0, found);
            const std::string rest = target.substr(found + part.size());
            return part == "/manifests/" ? serve_manifest(sent, name, rest)
                   : part == "/blobs/"   ? serve_blob(name, rest)
                                         : serve_upload(sent, name, rest);
        }
        return {404, {}, R"({"errors":[{"code":"NOT_FOUND","message":"no such page"}]})"};
    }

    FakeReply serve_blob(const std::string& name, const std::string& digest) {
        const auto found = blobs_.find(name + "@" + digest);
        return found == blobs_.end() ? FakeReply{404, {}, ""} : FakeReply{200, {}, found->second};
    }

    FakeReply serve_manifest(const SentRequest& sent, const std::string& name, const std::string& tag) {
        const std::string key = name + "@" + tag;
        if (sent.method == "PUT") {
            const std::string digest = sha256(sent.body).text();
            const FakeReply kept{
                200, {{"Content-Type", sent.header("Content-Type")}, {"Docker-Content-Digest", digest}}, sent.body};
            manifests_[key] = kept;
            manifests_[name + "@" + digest] = kept;
            named.push_back(tag);
            return {201, {{"Docker-Content-Digest", digest}}, ""};
        }
        const auto found = manifests_.find(key);
        if (found == manifests_.end()) {
            return {404, {}, R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]})"};
        }
        const FakeReply kept = found->second;
        if (sent.method == "DELETE") {
            manifests_.erase(found);
            return {202, {}, ""};
        }
        return kept;
    }

    static std::string parameter(const std::string& target, const std::string& name) {
        const std::size_t at = target.find(name + "=");
        return at == std::string::npos
                   ? ""
                   : target.substr(at + name.size() + 1, target.find('&', at) - at - name.size() - 1);
    }

    FakeReply serve_upload(const SentRequest& sent, const std::string& name, const std::string& target) {
        if (sent.method == "POST") {
            return begin(name, parameter(target, "mount"), parameter(target, "from"));
        }
        const std::string id = target.substr(0, target.find('?'));
        const auto found = sessions_.find(id);
        const bool stale = found != sessions_.end() && strict_state &&
                           parameter(target, "_state") != std::to_string(found->second.bytes.size());
        if (found == sessions_.end() || stale || (sent.method == "GET" && !knows_status)) {
            sessions_.erase(id);
            return {404, {}, R"({"errors":[{"code":"BLOB_UPLOAD_UNKNOWN","message":"no such upload"}]})"};
        }
        if (sent.method == "DELETE") {
            sessions_.erase(found);
            return {204, {}, ""};
        }
        if (sent.method == "GET") {
            return {204, where(name, id, found->second), ""};
        }
        return take(sent, name, id, found->second, parameter(target, "digest"));
    }

    FakeReply begin(const std::string& name, const std::string& mount, const std::string& from) {
        const auto found = blobs_.find(from + "@" + mount);
        if (mounts && found != blobs_.end()) {
            blobs_[name + "@" + mount] = found->second;
            return {201, {{"Docker-Content-Digest", mount}}, ""};
        }
        const std::string id = "upload-" + std::to_string(++last_id_);
        Headers headers = where(name, id, sessions_[id]);
        if (!min_chunk.empty()) {
            headers.add("OCI-Chunk-Min-Length", min_chunk);
        }
        return {202, headers, ""};
    }

    Headers where(const std::string& name, const std::string& id, const Session& session) const {
        Headers headers{{"Location", location_prefix + "/v2/" + name + "/blobs/uploads/" + id +
                                         "?_state=" + std::to_string(session.bytes.size())}};
        if (sends_range) {
            headers.add("Range", "0-" + std::to_string(session.bytes.empty() ? 0 : session.bytes.size() - 1));
        }
        return headers;
    }

    FakeReply take(const SentRequest& sent, const std::string& name, const std::string& id, Session& session,
                   const std::string& digest) {
        if (sent.header("Content-Type") != "application/octet-stream") {
            return {400, {}, R"({"errors":[{"code":"BLOB_UPLOAD_INVALID","message":"bad content type"}]})"};
        }
        if (max_body > 0 && sent.body.size() > max_body) {
            return {413, {{"Content-Type", "text/html"}}, "<html>413 Request Entity Too Large</html>"};
        }
        const bool completes = sent.method == "PUT";
        if (completes && !sent.body.empty() && !takes_whole_put) {
            return {405, {}, ""};
        }
        const std::string range = sent.header("Content-Range");
        if (!range.empty() && !keeps_first_chunk_only &&
            !range.starts_with(std::to_string(session.bytes.size()) + "-")) {
            return {416, where(name, id, session), ""};
        }
        std::size_t count = sent.body.size();
        const bool cut = count > 0 && !cuts.empty();
        if (cut) {
            count = std::min(count, cuts.front());
            cuts.pop_front();
        }
        received_ += count;
        if (!keeps_first_chunk_only || session.chunks++ == 0) {
            session.bytes.append(sent.body, 0, count);
        }
        if (cut) {
            no_answer("connection reset");
        }
        return completes ? complete(name, id, session, digest) : FakeReply{202, where(name, id, session), ""};
    }

    FakeReply complete(const std::string& name, const std::string& id, const Session& session,
                       const std::string& digest) {
        const std::string bytes = session.bytes;
        sessions_.erase(id);
        if (sha256(bytes).text() != digest && !keeps_first_chunk_only) {
            return {400, {}, R"({"errors":[{"code":"DIGEST_INVALID","message":"provided digest did not match"}]})"};
        }
        blobs_[name + "@" + digest] = bytes;
        return {201, {{"Docker-Content-Digest", digest}}, ""};
    }

    std::mutex mutex_;
    std::map<std::string, std::string> blobs_;
    std::map<std::string, FakeReply> manifests_;
    std::map<std::string, Session> sessions_;
    std::uint64_t received_ = 0;
    int last_id_ = 0;
};

/// A manifest of these layers and its blobs, with `more` in it ("," first).
struct PushedImage {
    explicit PushedImage(const std::vector<std::string>& layers, const std::string& more = "",
                         const std::string& layer_type = "application/vnd.oci.image.layer.v1.tar")
        : blobs(std::make_shared<MemoryBlobs>()) {
        const auto add = [&](const std::string& bytes, const std::string& type) {
            graph.blobs.push_back(blobs->add(bytes, type));
            return FakeRegistry::descriptor(type, bytes);
        };
        std::string text = R"({"schemaVersion":2,"mediaType":")" + std::string(oci::media_type::kOciManifest) +
                           R"(","config":)" + add(config, "application/vnd.oci.image.config.v1+json") +
                           R"(,"layers":[)";
        for (const std::string& layer : layers) {
            text += (text.ends_with('[') ? "" : ",") + add(layer, layer_type);
        }
        text += "]" + more + "}";
        const Digest digest = sha256(text);
        graph.manifests.push_back({std::move(text), std::string(oci::media_type::kOciManifest), digest});
        graph.source = blobs;
    }

    std::string config = R"({"os":"linux","architecture":"amd64"})";
    std::shared_ptr<MemoryBlobs> blobs;
    oci::Graph graph;
};

}  // namespace cooper::testing
