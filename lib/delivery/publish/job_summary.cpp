#include "cooper/delivery/job_summary.hpp"

#include "cooper/base/text.hpp"
#include "cooper/delivery/keys.hpp"

#include "delivery/changelog/markdown.hpp"

namespace cooper::delivery {
namespace {

constexpr std::size_t kMaxText = 200;

std::string cell(std::string_view text) {
    return escaped_line(text, kMaxText);
}

/// A link may have any address that a place gives; the label is ours.
std::string link_cell(const PublishedImage& image) {
    return "[" + cell(image.file) + "](" + safe_url(image.link.url) + ")";
}

std::string end_cell(const Link& link) {
    return link.expires ? format_changelog(*link.expires) : "never";
}

std::string headline(const BuildInfo& build) {
    const std::string sha = short_sha(build.commit);
    const std::string commit_link = web_link(sha, build.commit_url);
    std::string text =
        "### Delivered: " + cell(build.branch) + ", commit " + (commit_link.empty() ? "`" + sha + "`" : commit_link);
    const std::string subject = cell(build.subject);
    return text + (subject.empty() ? "" : " - " + subject) + "\n";
}

std::string image_table(const std::vector<PublishedImage>& images) {
    std::string text =
        "| Image | Link | Works until | Size | SHA-256 | Image ID |\n| --- | --- | --- | ---: | --- | --- |\n";
    for (const PublishedImage& image : images) {
        text += "| " + cell(image.name + ":" + image.tag) + " | " + link_cell(image) + " | " + end_cell(image.link) +
                " | " + format_bytes(image.size) + " | `" + cell(image.sha256) + "` | `" + cell(image.image_id) +
                "` |\n";
    }
    for (const PublishedImage& image : images) {
        if (!image.link.warning.empty()) {
            text += "\n> " + cell(image.file) + ": " + cell(image.link.warning) + "\n";
        }
    }
    return text;
}

constexpr std::string_view kBearer = "Whoever has a link can download the file until then.\n";

}  // namespace

std::string job_summary(const Published& published, const BuildInfo& build, const std::string& place) {
    std::string text = headline(build) + "\n" + image_table(published.images);
    text += "\nChangelog: " + cell(place) + "/" + cell(published.changelog_key) + "\n\n";
    return text + std::string(kBearer);
}

std::string job_summary(const Released& released, const BuildInfo& build, const std::string& place) {
    std::string text = place.empty() ? "### Released\n" : job_summary(released.published, build, place);
    if (!released.tags.empty()) {
        text += "\n| Tag | Names | |\n| --- | --- | --- |\n";
    }
    for (const ReleasedTag& tag : released.tags) {
        text += "| " + cell(tag.reference) + " | `" + tag.manifest.text() + "` | " +
                (tag.changed() ? (tag.before ? "moved" : "new") : "as before") + " |\n";
    }
    if (!released.gates.empty()) {
        text += "\n| Passed | By | Looked at |\n| --- | --- | --- |\n";
    }
    for (const GateReport& gate : released.gates) {
        text += "| " + cell(gate.passed.kind) + " | " + cell(gate.passed.command) + " | `" + cell(gate.passed.subject) +
                "` |\n";
    }
    return text;
}

std::string links_summary(const RefreshedLinks& links, const std::string& place) {
    const FoundBuild& build = links.build;
    std::string text = "### Links: " + cell(build.branch) + ", commit `" + cell(build.commit) + "`" +
                       (build.time ? " of " + format_changelog(*build.time) : "") + "\n\n";
    if (build.withdrawn) {
        text += "> **WITHDRAWN**: " + cell(build.withdrawn->reason) + "\n\n";
    }
    text += image_table(links.images);
    text += "\nFrom: " + cell(place) + "/" + cell(build.folder) + "\n\n";
    return text + std::string(kBearer);
}

}  // namespace cooper::delivery
