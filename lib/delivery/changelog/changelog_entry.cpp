// One entry of a changelog as text: Markdown for people, JSON for the repair source.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/keys.hpp"

#include "base/json.hpp"
#include "delivery/changelog/changelog_text.hpp"
#include "delivery/changelog/markdown.hpp"

#include <nlohmann/json.hpp>

#include <tuple>

namespace cooper::delivery {
namespace {

constexpr std::size_t kMaxSubject = 200;
constexpr std::size_t kMaxReason = 500;
constexpr std::string_view kWithdrawn = "WITHDRAWN";
constexpr std::size_t kDate = 10;
constexpr std::size_t kMaxShown = 100;
constexpr std::string_view kEntrySchema = "cooper.entry/v1";

void append_notes(std::string& to, std::string_view notes) {
    const std::vector<std::string> lines = note_lines(notes);
    if (lines.empty()) {
        return;
    }
    if (lines.size() == 1) {
        to += "**Notes**: " + lines.front() + "\n";
        return;
    }
    to += "**Notes**:\n";
    for (const std::string& line : lines) {
        to += line.empty() ? ">\n" : "> " + line + "\n";
    }
    // Ends the quoted paragraph: Markdown would draw the next field into the quotation otherwise ("lazy continuation").
    to += ">\n";
}

std::string links(const ChangelogEntry& entry) {
    std::string text;
    for (const std::string& link : {web_link("commit", entry.commit_url), web_link("build", entry.build_url)}) {
        if (!link.empty()) {
            text += link + ", ";
        }
    }
    return text + "[files](" + safe_url(entry.short_sha) + "/)";
}

void check_short_sha(std::string_view text) {
    if (!is_heading_sha(text)) {
        throw Error(ErrorCode::InvalidInput, "changelog entry: short_sha is not 7 to 40 letters and digits: \"" +
                                                 plain_line(text, kMaxShown) + "\"");
    }
}

TimePoint time_member(const json::Value& object) {
    const std::string text = json::string_member(object, "time", "changelog entry");
    const auto time = parse_rfc3339(text);
    if (!time) {
        throw Error(ErrorCode::InvalidInput,
                    "changelog entry: time is not a time: \"" + plain_line(text, kMaxShown) + "\"");
    }
    return *time;
}

std::string date_of(TimePoint time) {
    return format_changelog(time).substr(0, kDate);
}

/// What escaped_line() escaped.
std::string unescaped(std::string_view text) {
    std::string plain;
    for (std::size_t i = 0; i < text.size(); ++i) {
        i += text[i] == '\\' && i + 1 < text.size() ? 1U : 0U;
        plain += text[i];
    }
    return plain;
}

}  // namespace

std::string written_status(const Withdrawal& withdrawal) {
    const std::string reason = escaped_line(withdrawal.reason, kMaxReason);
    return std::string(kWithdrawn) + " " + date_of(withdrawal.time) + (reason.empty() ? "" : " - " + reason);
}

std::optional<Withdrawal> withdrawal_of(std::string_view status) {
    if (!status.starts_with(kWithdrawn)) {
        return std::nullopt;
    }
    status.remove_prefix(kWithdrawn.size());
    if (!status.empty() && status.front() != ' ') {
        return std::nullopt;
    }
    status = trim(status);
    Withdrawal withdrawal{};
    if (const auto day = parse_rfc3339(std::string(status.substr(0, kDate)) + "T00:00:00Z")) {
        withdrawal.time = *day;
        status = trim(status.substr(kDate));
    }
    if (status.starts_with("- ")) {
        status.remove_prefix(2);
    }
    withdrawal.reason = unescaped(status);
    return withdrawal;
}

std::optional<Withdrawal> later_withdrawal(const std::optional<Withdrawal>& a, const std::optional<Withdrawal>& b) {
    if (!a || !b) {
        return a ? a : b;
    }
    return std::tie(a->time, a->reason) < std::tie(b->time, b->reason) ? b : a;
}

std::string written_repository(std::string_view repository) {
    return safe_url(trim(repository));
}

std::string written_images(const std::vector<std::string>& images) {
    std::string text;
    for (const std::string& image : images) {
        text += (text.empty() ? "" : ", ") + percent_encode(image, "/:@+");
    }
    return text;
}

std::string render(const ChangelogEntry& entry) {
    check_short_sha(entry.short_sha);
    std::string text = "### " + format_changelog(entry.time) + " - " + entry.short_sha + "\n";
    const std::string subject = escaped_line(entry.subject, kMaxSubject);
    text += "**Commit**: `" + entry.short_sha + "`" + (subject.empty() ? "" : " - " + subject) + "\n";
    if (entry.withdrawn) {
        text += "**Status**: " + written_status(*entry.withdrawn) + "\n";
    }
    if (!entry.images.empty()) {
        text += "**Images**: " + written_images(entry.images) + "\n";
    }
    append_notes(text, entry.notes);
    text += "**Links**: " + links(entry) + "\n";
    if (const std::string repository = written_repository(entry.repository); !repository.empty()) {
        text += "**Repository**: " + repository + "\n";
    }
    return text;
}

std::string entry_to_json(const ChangelogEntry& entry) {
    json::Value object = json::Value::object();
    object["schema"] = kEntrySchema;
    object["time"] = format_rfc3339(entry.time);
    object["commit"] = valid_utf8(entry.commit);
    object["short_sha"] = valid_utf8(entry.short_sha);
    object["subject"] = valid_utf8(entry.subject);
    object["images"] = json::Value::array();
    for (const std::string& image : entry.images) {
        object["images"].push_back(valid_utf8(image));
    }
    object["notes"] = valid_utf8(entry.notes);
    object["commit_url"] = valid_utf8(entry.commit_url);
    object["build_url"] = valid_utf8(entry.build_url);
    object["repository"] = valid_utf8(entry.repository);
    if (entry.withdrawn) {
        object["withdrawn"] = {{"time", format_rfc3339(entry.withdrawn->time)},
                               {"reason", valid_utf8(entry.withdrawn->reason)}};
    }
    return json::write(object) + "\n";
}

ChangelogEntry entry_from_json(std::string_view text) {
    constexpr std::string_view kWhat = "changelog entry";
    const json::Value object = json::parse(text, kWhat);
    if (json::string_member(object, "schema", kWhat) != kEntrySchema) {
        throw Error(ErrorCode::InvalidInput, "changelog entry: schema is not " + std::string(kEntrySchema));
    }
    ChangelogEntry entry;
    entry.time = time_member(object);
    entry.commit = in_context(kWhat, [&] { return check_commit(json::string_member(object, "commit", kWhat)); });
    entry.short_sha = json::string_member(object, "short_sha", kWhat);
    check_short_sha(entry.short_sha);
    entry.subject = json::string_member(object, "subject", kWhat);
    const json::Value& images = json::member(object, "images", kWhat);
    if (!images.is_array()) {
        throw Error(ErrorCode::InvalidInput, "changelog entry: images is not an array");
    }
    for (const json::Value& image : images) {
        if (!image.is_string()) {
            throw Error(ErrorCode::InvalidInput, "changelog entry: images has an element that is not a string");
        }
        entry.images.push_back(image.get<std::string>());
    }
    entry.notes = json::string_member(object, "notes", kWhat);
    entry.commit_url = json::string_member(object, "commit_url", kWhat);
    entry.build_url = json::string_member(object, "build_url", kWhat);
    entry.repository = json::string_member(object, "repository", kWhat);
    if (const json::Value* withdrawn = json::find_member(object, "withdrawn")) {
        const TimePoint time = time_member(*withdrawn);
        entry.withdrawn = Withdrawal{time, json::string_member(*withdrawn, "reason", kWhat)};
    }
    return entry;
}

}  // namespace cooper::delivery
