// A release.json that somebody else put there, and Status lines of changelogs: only errors, what is accepted has one
// spelling, and merging it with itself changes nothing.
#include "cooper/delivery/changelog.hpp"
#include "cooper/delivery/release_record.hpp"

#include "fuzz/fuzz.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using cooper::delivery::release_to_json;
    using cooper::fuzz::check;
    const std::string_view text = cooper::fuzz::text_of(data, size);
    cooper::fuzz::expect_only_errors([&] {
        const auto record = cooper::delivery::release_from_json(text, "release.json");
        const std::string written = release_to_json(record);
        check(release_to_json(cooper::delivery::release_from_json(written, "it")) == written,
              "a record has one spelling");
        const auto merged = cooper::delivery::merge_releases(record, record);
        check(merge_releases(merged, record) == merged, "merging the same again changes nothing");
    });
    cooper::fuzz::expect_only_errors([&] {
        const auto withdrawn = cooper::delivery::withdrawal_of(text);
        if (!withdrawn) {
            return;
        }
        cooper::delivery::ChangelogEntry entry;
        entry.commit = "abc1234def5678900000000000000000000000aa";
        entry.short_sha = "abc1234";
        entry.withdrawn = withdrawn;
        const auto entries = cooper::delivery::parse_changelog("## Build History\n\n" + render(entry));
        check(entries.size() == 1, "a reason forges no entry");
        const auto again = cooper::delivery::withdrawal_of(entries[0].status);
        check(again && again->time == withdrawn->time, "the day is read back");
    });
    return 0;
}
