// Changelogs that others edited: merging keeps their bytes, puts the entry in once, and is idempotent. The first line
// of the input is the commit's subject, the second the notes, the rest the document: a forged entry would be counted.
#include "cooper/delivery/changelog.hpp"

#include "fuzz/fuzz.hpp"

#include <algorithm>

namespace {

using cooper::delivery::ChangelogEntry;

std::string take_line(std::string_view& rest) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string line(rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
    return line;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::string_view document = cooper::fuzz::text_of(data, size);
    ChangelogEntry entry;
    entry.time = cooper::TimePoint(std::chrono::seconds(1'700'000'000));
    entry.commit = "abc1234def5678900000000000000000000000aa";
    entry.short_sha = "abc1234";
    entry.subject = take_line(document);
    entry.notes = take_line(document);
    std::replace(entry.notes.begin(), entry.notes.end(), '|', '\n');  // so that notes of several lines occur
    entry.images = {"openhands"};
    cooper::fuzz::expect_only_errors([&] {
        const auto before = cooper::delivery::parse_changelog(document);
        const std::string merged = cooper::delivery::merge_entry(document, entry);
        cooper::fuzz::check(cooper::delivery::contains_entry(merged, entry), "the entry is there");
        cooper::fuzz::check(cooper::delivery::merge_entry(merged, entry) == merged, "merging twice is merging once");
        const bool was_there = std::any_of(before.begin(), before.end(),
                                           [&](const auto& parsed) { return parsed.short_sha == entry.short_sha; });
        if (!was_there) {
            const auto after = cooper::delivery::parse_changelog(merged);
            cooper::fuzz::check(after.size() == before.size() + 1, "exactly one entry was added");
        }
        const auto again = cooper::delivery::entry_from_json(cooper::delivery::entry_to_json(entry));
        cooper::fuzz::check(cooper::delivery::render(again) == cooper::delivery::render(entry),
                            "the entry object gives the same text");
    });
    return 0;
}
