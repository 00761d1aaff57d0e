#include "cooper/oci/engine.hpp"

#include "cooper/base/secret.hpp"
#include "cooper/base/text.hpp"

#include "oci/engine/answer_stream.hpp"
#include "oci/engine/engine_inspect.hpp"
#include "oci/engine/engine_state.hpp"
#include "oci/engine/saved_archive.hpp"
#include "oci/engine/verified_archive.hpp"
#include "oci/printable.hpp"

namespace cooper::oci {

namespace {

constexpr ApiVersion kPlatformApi{1, 48};  // GET /images/get takes a platform
/// How dockerd with containerd's image store tells that layers are damaged: as text among the rest.
constexpr std::string_view kUnpackFailed = "Error unpacking image";
constexpr std::size_t kMaxWords = 1000;

std::string image_url(const std::string& name, std::string_view what) {
    return "/images/" + percent_encode(image_path(name), "/:@") + std::string(what);
}

/// "Loaded image: a:1\n", podman: "Loaded image: a:1,b:1"; "Loaded image ID: sha256:…".
void note_loaded(const std::string& text, EngineClient::Loaded& loaded) {
    constexpr std::size_t kMaxNames = 10'000;
    constexpr std::string_view kNames = "Loaded image: ";
    constexpr std::string_view kId = "Loaded image ID: ";
    for (const std::string_view line : split(text, '\n')) {
        const std::string_view prefix = line.starts_with(kNames) ? kNames : kId;
        if (!line.starts_with(prefix)) {
            continue;
        }
        for (const std::string_view part : split(line.substr(prefix.size()), ',')) {
            const std::string name = printable(trim(part));
            std::vector<std::string>& list = is_image_id(name) ? loaded.ids : loaded.names;
            if (list.size() < kMaxNames) {
                list.push_back(name);
            }
        }
    }
}

EngineClient::Loaded read_load_answers(HttpResponse& response, const std::string& engine) {
    EngineClient::Loaded loaded;
    std::string damaged_layers;
    AnswerStream answers([&](const EngineAnswer& answer) {
        if (answer.text.find(kUnpackFailed) != std::string::npos && damaged_layers.empty()) {
            damaged_layers = redact(printable(trim(answer.text), kMaxWords));
        }
        note_loaded(answer.text, loaded);
    });
    answers.feed_all(*response.body);
    if (const std::string words = answers.failure().empty() ? damaged_layers : answers.failure(); !words.empty()) {
        // "invalid diffID for layer 1: expected sha256:…, got sha256:…"
        const bool damaged = words.find("diffID") != std::string::npos;
        Error error(damaged ? ErrorCode::Integrity : ErrorCode::Unavailable, engine + " did not load it: " + words);
        if (words.find("no space left") != std::string::npos) {
            error.advise(
                "An engine unpacks an archive beside its images before it takes it: twice the room is needed.");
        }
        throw error;
    }
    return loaded;
}

std::string query_of(const std::vector<std::string>& names, const std::optional<Platform>& platform) {
    std::string query;
    for (const std::string& name : names) {
        query += (query.empty() ? "names=" : "&names=") + percent_encode(image_path(name));
    }
    if (platform) {
        query += "&platform=" + percent_encode(platform_json(*platform));
    }
    return query;
}

}  // namespace

EngineClient::EngineClient(HttpClient& http, EngineEndpoint endpoint, EngineOptions options)
    : state_(std::make_unique<State>(http, std::move(endpoint), options)) {}
EngineClient::~EngineClient() = default;

const EngineEndpoint& EngineClient::endpoint() const noexcept {
    return state_->endpoint();
}

std::optional<InspectedImage> EngineClient::State::inspect(const std::string& name, const Run& run) {
    HttpResponse response = send({.path = image_url(name, "/json")}, run);
    if (response.status == 404) {
        return std::nullopt;
    }
    if (response.status != 200) {
        refuse(response, "inspecting " + name);
    }
    return parse_inspected(read_all(*response.body, kMaxDocument, "what " + this->name() + " says of " + name));
}

std::optional<EngineImage> EngineClient::find(const std::string& name, const Run& run) {
    auto found = state_->inspect(name, run);
    return found ? std::optional(std::move(found->image)) : std::nullopt;
}

/// Docker tells an unknown name by 404, podman by 500: which of them it is, we find out by asking for each.
void EngineClient::State::refuse_save(HttpResponse& response, const std::vector<std::string>& names, const Run& run) {
    for (const std::string& name : names) {
        if (!inspect(name, run)) {
            throw Error(ErrorCode::NotFound, this->name() + " has no image " + printable(name))
                .advise(
                    "docker images, or podman images, lists those that it has; podman calls what it built "
                    "localhost/NAME.");
        }
    }
    refuse(response, "saving " + printable(names.front()));
}

void EngineClient::save(const std::vector<std::string>& names, Sink& archive, const std::optional<Platform>& platform,
                        const Run& run) {
    if (names.empty()) {
        throw Error(ErrorCode::InvalidInput, "nothing to save: no image is named");
    }
    const bool knows_platforms = state_->dialect(run).version >= kPlatformApi;
    HttpResponse response = state_->send({.path = "/images/get",
                                          .query = query_of(names, knows_platforms ? platform : std::nullopt),
                                          .works_in_silence = true},
                                         run);
    if (response.status != 200) {
        state_->refuse_save(response, names, run);
    }
    in_context("saving " + printable(names.front()),
               [&] { copy_saved_archive(*response.body, archive, state_->name(), run); });
}

EngineClient::Loaded EngineClient::load(const std::vector<ArchiveImage>& images, const ArchivePlan& plan,
                                        const std::string& task, const Run& run) {
    // podman takes the diff IDs of an OCI layout for granted; docker checks them itself.
    const bool deep = state_->dialect(run).podman;
    HttpResponse response = state_->send({.method = "POST",
                                          .path = "/images/load",
                                          .query = "quiet=1",
                                          .body = std::make_shared<VerifiedArchive>(plan, deep, task, run),
                                          .works_in_silence = true},
                                         run);
    if (response.status != 200) {
        state_->refuse(response, "loading the archive");
    }
    Loaded loaded = read_load_answers(response, state_->name());
    for (const ArchiveImage& image : images) {
        state_->check(image, run);
    }
    return loaded;
}

/// Under every name that it was to have; without one, under an ID that it may have.
void EngineClient::State::check(const ArchiveImage& loaded, const Run& run) {
    const std::string image_id = loaded.image.config.image_id().text();
    for (const std::string& name : loaded.repo_tags) {
        const auto found = inspect(name, run);
        if (!found) {
            throw IntegrityError("image " + name + " in " + this->name() + ", which says that it was loaded", image_id,
                                 "no such image");
        }
        check_loaded(*found, loaded.image, name);
    }
    if (!loaded.repo_tags.empty()) {
        return;
    }
    auto found = inspect(image_id, run);
    if (!found) {
        found = inspect(loaded.image.manifest.raw.digest.text(), run);
    }
    if (!found) {
        throw IntegrityError("the image without a name in " + this->name() + ", which says that it was loaded",
                             image_id, "no such image");
    }
    check_loaded(*found, loaded.image, image_id);
}

void EngineClient::tag(const std::string& id_or_name, const Reference& name, const Run& run) {
    const auto tag = name.effective_tag();
    if (!tag) {
        throw Error(ErrorCode::InvalidInput, "an engine cannot name an image " + name.text() + ": it takes NAME:TAG");
    }
    HttpResponse response =
        state_->send({.method = "POST",
                      .path = image_url(id_or_name, "/tag"),
                      .query = "repo=" + percent_encode(name.repository()) + "&tag=" + percent_encode(*tag)},
                     run);
    if (response.status != 201) {
        state_->refuse(response, "tagging " + printable(id_or_name) + " as " + name.text());
    }
}

bool EngineClient::remove(const std::string& name, bool force, const Run& run) {
    HttpResponse response = state_->send(
        {.method = "DELETE", .path = image_url(name, ""), .query = force ? "force=1" : "", .works_in_silence = true},
        run);
    if (response.status == 404) {
        return false;
    }
    if (response.status != 200) {
        state_->refuse(response, "removing " + printable(name));
    }
    return true;
}

}  // namespace cooper::oci
