#include "publish_report.hpp"

#include <nlohmann/json.hpp>

namespace cooper::cli {

namespace {

std::string expiry_text(TimePoint expires, const Run& run) {
    return format_changelog(expires) + " (in " + format_duration(expires - run.clock->now_seconds()) + ")";
}

/// "1.2 MB (1200000 bytes)", or nothing for nothing.
std::string some(std::uint64_t bytes) {
    return bytes == 0 ? "" : size_text(bytes);
}

Json json_of(const delivery::PublishedImage& image) {
    return {{"name", image.name},
            {"tag", image.tag},
            {"key", image.key},
            {"file", image.file},
            {"size", image.size},
            {"sha256", image.sha256},
            {"image_id", image.image_id},
            {"already_there", image.already_there},
            {"diff_ids_checked", image.diff_ids_checked},
            {"sent", image.traffic.sent},
            {"copied", image.traffic.copied},
            {"resumed", image.traffic.resumed},
            {"lock", image.lock_key},
            {"url", image.link.url},
            {"expires", image.link.expires ? Json(format_rfc3339(*image.link.expires)) : Json()},
            {"warning", image.link.warning.empty() ? Json() : Json(image.link.warning)}};
}

Json json_of(const delivery::PlannedImage& image) {
    Json object{{"name", image.name}, {"tag", image.tag}, {"key", image.key}, {"already_there", image.already_there}};
    const auto when_known = [&](std::uint64_t value) { return image.size_known ? Json(value) : Json(); };
    object["size"] = when_known(image.size);
    object["fetch"] = image.fetch;
    object["reuse"] = image.at_hand;
    object["copy"] = when_known(image.copy);
    object["send"] = when_known(image.send);
    object["requests"] = when_known(image.requests);
    object["copied_from"] = image.copied_from.empty() ? Json() : Json(image.copied_from);
    return object;
}

}  // namespace

Json published_json(const delivery::Published& published, const delivery::BuildInfo& build,
                    const delivery::Place& place) {
    Json images = Json::array();
    for (const auto& image : published.images) {
        images.push_back(json_of(image));
    }
    return {
        {"place", place.name()},
        {"branch", build.branch},
        {"commit", build.commit},
        {"images", std::move(images)},
        {"checksums",
         {{"key", published.side_files.checksums_key},
          {"signature", published.side_files.signature_key.empty() ? Json() : Json(published.side_files.signature_key)},
          {"signed_by", published.side_files.fingerprint.empty() ? Json() : Json(published.side_files.fingerprint)}}},
        {"changelog", {{"key", published.changelog_key}, {"changed", published.changelog_changed}}}};
}

std::vector<std::pair<std::string, std::string>> published_outputs(const delivery::Published& published,
                                                                   const delivery::Place& place) {
    Json tarballs = Json::array();
    std::optional<TimePoint> expires;
    for (const auto& image : published.images) {
        tarballs.push_back({{"name", image.name},
                            {"tag", image.tag},
                            {"uri", place.name() + "/" + image.key},
                            {"file", image.file},
                            {"size", image.size},
                            {"sha256", image.sha256},
                            {"image_id", image.image_id}});
        if (image.link.expires && (!expires || *image.link.expires < *expires)) {
            expires = image.link.expires;
        }
    }
    return {{"place", place.name()},
            {"changelog", place.name() + "/" + published.changelog_key},
            {"tarballs", tarballs.dump(-1, ' ', true, Json::error_handler_t::replace)},
            {"expires", expires ? format_rfc3339(*expires) : ""}};
}

std::string published_text(const delivery::Published& published, const delivery::Place& place, const Run& run) {
    std::string out;
    for (const auto& image : published.images) {
        out += image.name + ":" + image.tag + (image.already_there ? "  (already there, unchanged)" : "") + "\n" +
               aligned({{"key", place.name() + "/" + image.key},
                        {"size", size_text(image.size)},
                        {"sent", image.traffic.sent == image.size ? "" : some(image.traffic.sent)},
                        {"copied", some(image.traffic.copied)},
                        {"was there", some(image.traffic.resumed)},
                        {"sha256", image.sha256},
                        {"image ID", image.image_id},
                        {"checked", image.diff_ids_checked ? "digests and diff IDs" : ""},
                        {"lock", place.name() + "/" + image.lock_key},
                        {"save as", image.file},
                        {"link", image.link.url},
                        {"expires", image.link.expires ? expiry_text(*image.link.expires, run) : "never"}},
                       "  ");
    }
    return out + "\n" +
           aligned({{"checksums", place.name() + "/" + published.side_files.checksums_key},
                    {"signed by", published.side_files.fingerprint},
                    {"changelog", place.name() + "/" + published.changelog_key +
                                      (published.changelog_changed ? "" : "  (unchanged)")}});
}

void warn_of_links(const delivery::Published& published, Session& session) {
    for (const auto& image : published.images) {
        if (!image.link.warning.empty()) {
            session.warn(image.name + ":" + image.tag + ": " + image.link.warning);
        }
    }
}

void print_published(const delivery::Published& published, const delivery::BuildInfo& build,
                     const delivery::Place& place, Session& session, bool json) {
    warn_of_links(published, session);
    if (json) {
        print_json(published_json(published, build, place));
    } else {
        print(published_text(published, place, session.run()));
    }
}

Json plan_json(const std::vector<delivery::PlannedImage>& planned, const delivery::Place& place) {
    Json images = Json::array();
    for (const auto& image : planned) {
        images.push_back(json_of(image));
    }
    return {{"place", place.name()}, {"images", std::move(images)}};
}

std::string plan_text(const std::vector<delivery::PlannedImage>& planned, const delivery::Place& place) {
    std::string out;
    for (const auto& image : planned) {
        out += image.name + ":" + image.tag + "\n";
        const std::string key = place.name() + "/" + image.key;
        if (image.already_there) {
            out += aligned({{"key", key}, {"size", size_text(image.size)}, {"to do", "nothing, it is there"}}, "  ");
            continue;
        }
        const auto when_known = [&](const std::string& text) {
            return image.size_known ? text : "known once its zstd layers are re-encoded";
        };
        out += aligned({{"key", key},
                        {"size", when_known(size_text(image.size))},
                        {"fetch", size_text(image.fetch)},
                        {"reuse", size_text(image.at_hand)},
                        {"copy", when_known(size_text(image.copy))},
                        {"from", image.copied_from.empty() ? "" : place.name() + "/" + image.copied_from},
                        {"send", when_known(size_text(image.send))},
                        {"requests", when_known(std::to_string(image.requests))}},
                       "  ");
    }
    return out;
}

void print_plan(const std::vector<delivery::PlannedImage>& planned, const delivery::Place& place, bool json) {
    if (json) {
        print_json(plan_json(planned, place));
    } else {
        print(plan_text(planned, place));
    }
}

}  // namespace cooper::cli
