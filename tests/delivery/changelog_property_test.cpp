// Properties that hold for any document, tried on documents that are put together at random from pieces that matter.
#include "cooper/delivery/changelog.hpp"

#include "delivery/delivery_support.hpp"

#include <catch2/catch.hpp>

#include <random>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::at;

namespace {

constexpr unsigned kSeed = 20240116;
constexpr int kDocuments = 20'000;

class Random {
public:
    explicit Random(unsigned seed) : engine_(seed) {}
    std::size_t below(std::size_t limit) { return engine_() % limit; }
    template <class T>
    const T& one_of(const std::vector<T>& choices) {
        return choices[below(choices.size())];
    }

private:
    std::mt19937 engine_;
};

std::string random_heading(Random& random) {
    return "### 2024-01-0" + std::to_string(1 + random.below(4)) + " 00:00:0" + std::to_string(random.below(3)) +
           "Z - aaaaaa" + std::to_string(random.below(4));
}

std::string random_document(Random& random) {
    static const std::vector<std::string> kPieces = {
        "## Build History",
        "## Other",
        "# Title",
        "### Free heading",
        "#### deeper",
        "**Images**: a, b",
        "**Images**: c",
        "**Images**:",
        "**Images**:  x  ",
        "**Commit**: `aaaaaa1` - s",
        "**Commit**: [`aaaaaa1`](https://h/o/r/commit/aaaaaa1000000000000000000000000000000000)",
        "**Links**: [commit](https://h/o/r/commit/aaaaaa2000000000000000000000000000000000), [files](aaaaaa2/)",
        "**Repository**: https://h/o/r",
        "**Repository**: https://h/o/q",
        "**Status**: WITHDRAWN",
        "**Status**: WITHDRAWN 2024-01-02 - x",
        "**Status**: WITHDRAWN 2024-01-03 - \\# h",
        "**Status**:  fine",
        "> ### 2024-01-01 00:00:00Z - aaaaaa1",
        "",
        " ",
        "text",
        "\xEF\xBB\xBF",
        "\xff\xfe",
        std::string("a\0b", 3),
        "```",
        "---",
        "\r",
        "**",
        "- item"};
    static const std::vector<std::string> kEnds = {"\n", "\n", "\n", "\n\n", "\r\n", "\r\n\r\n", ""};
    std::string document = random.below(8) == 0 ? "\xEF\xBB\xBF" : "";
    if (random.below(3) != 0) {
        document += "## Build History\n";
    }
    for (std::size_t pieces = random.below(14); pieces > 0; --pieces) {
        document += random.below(3) == 0 ? random_heading(random) : random.one_of(kPieces);
        document += random.one_of(kEnds);
    }
    return document;
}

ChangelogEntry random_entry(Random& random) {
    static const std::vector<std::string> kTexts = {"",
                                                    "s",
                                                    "a\nb",
                                                    "### 2024-01-01 00:00:00Z - aaaaaa9",
                                                    "x\n\n## Build History\n\n### 2024-01-01 00:00:00Z - aaaaaa9\n",
                                                    "\xff",
                                                    "> q\n# h\n**Images**: z",
                                                    "\r\n\r\n**Repository**: y"};
    ChangelogEntry entry;
    entry.time =
        at("2024-01-0" + std::to_string(1 + random.below(4)) + "T00:00:0" + std::to_string(random.below(3)) + "Z");
    entry.short_sha = "aaaaaa" + std::to_string(random.below(4));
    entry.commit = entry.short_sha + std::string(33, '0');
    entry.subject = random.one_of(kTexts);
    entry.notes = random.one_of(kTexts);
    entry.images = {std::string(1, static_cast<char>('a' + random.below(4)))};
    if (random.below(2) == 0) {
        entry.repository = random.below(2) == 0 ? "https://h/o/r" : "https://h/o/q";
        entry.commit_url = entry.repository + "/commit/" + entry.commit;
    }
    if (random.below(4) == 0) {
        entry.withdrawn =
            Withdrawal{at("2024-01-0" + std::to_string(1 + random.below(4)) + "T12:00:00Z"), random.one_of(kTexts)};
    }
    return entry;
}

std::size_t common_prefix(const std::string& a, const std::string& b) {
    return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first - a.begin());
}

std::size_t common_suffix(const std::string& a, const std::string& b) {
    return static_cast<std::size_t>(std::mismatch(a.rbegin(), a.rend(), b.rbegin(), b.rend()).first - a.rbegin());
}

std::vector<std::string> names_of(const std::vector<ParsedEntry>& entries) {
    std::vector<std::string> names;
    for (const ParsedEntry& entry : entries) {
        names.push_back(std::to_string(entry.time.time_since_epoch().count()) + entry.short_sha);
    }
    return names;
}

}  // namespace

TEST_CASE("changelog: entries of any document lie in it in order and do not overlap", "[unit][delivery]") {
    Random random(kSeed);
    for (int i = 0; i < kDocuments; ++i) {
        const std::string document = random_document(random);
        std::size_t position = 0;
        for (const ParsedEntry& entry : parse_changelog(document)) {
            const bool ordered = position <= entry.begin && entry.begin < entry.end && entry.end <= document.size();
            if (!ordered || document.compare(entry.begin, 4, "### ") != 0) {
                FAIL(document);
            }
            position = entry.end;
        }
    }
    SUCCEED();
}

TEST_CASE("changelog: merging into any document keeps all of its bytes, is found again, and is done once",
          "[unit][delivery]") {
    Random random(kSeed + 1);
    int added = 0;
    int gained = 0;
    for (int i = 0; i < kDocuments; ++i) {
        const std::string before = random_document(random);
        const ChangelogEntry entry = random_entry(random);
        const std::string after = merge_entry(before, entry);
        INFO("seed " << kSeed << ", document " << i << ":\n" << before << "\n--- merged:\n" << after);
        if (!contains_entry(after, entry) || merge_entry(after, entry) != after) {
            FAIL("the entry is not found again, or added twice");
        }
        const auto entries_before = parse_changelog(before);
        const auto entries_after = parse_changelog(after);
        if (entries_after.size() == entries_before.size() + 1) {
            ++added;
            // One insertion: what was there is a beginning and an end of what is there.
            if (common_prefix(before, after) + common_suffix(before, after) < before.size()) {
                FAIL("foreign bytes are gone");
            }
        } else {
            gained += after != before ? 1 : 0;
            if (names_of(entries_before) != names_of(entries_after)) {
                FAIL("entries changed that should not have");
            }
        }
    }
    CHECK(added > kDocuments / 10);
    CHECK(gained > kDocuments / 100);
}

TEST_CASE("changelog: a status that is set or replaced costs no other byte", "[unit][delivery]") {
    Random random(kSeed + 4);
    int replaced = 0;
    for (int i = 0; i < kDocuments; ++i) {
        const std::string before = random_document(random);
        ChangelogEntry entry = random_entry(random);
        entry.images.clear();
        entry.withdrawn = Withdrawal{at("2024-01-03T12:00:00Z"), "bad \\ *news*"};
        const auto entries_before = parse_changelog(before);
        const std::string after = merge_entry(before, entry);
        const auto entries_after = parse_changelog(after);
        if (after == before || entries_after.size() != entries_before.size()) {
            continue;
        }
        ++replaced;
        INFO("document " << i << ":\n" << before << "\n--- merged:\n" << after);
        const std::size_t same = common_prefix(before, after) + common_suffix(before, after);
        std::size_t status_bytes = 0;
        for (std::size_t n = 0; n < entries_after.size(); ++n) {
            status_bytes += entries_after[n].status != entries_before[n].status ? entries_before[n].status.size() : 0U;
        }
        if (same + status_bytes < before.size()) {
            FAIL("foreign bytes are gone");
        }
    }
    CHECK(replaced > kDocuments / 100);
}

TEST_CASE("changelog: the entries that were there are still there after a merge, in their order", "[unit][delivery]") {
    Random random(kSeed + 2);
    for (int i = 0; i < kDocuments; ++i) {
        const std::string before = random_document(random);
        std::vector<ChangelogEntry> entries;
        for (std::size_t count = 1 + random.below(4); count > 0; --count) {
            entries.push_back(random_entry(random));
        }
        const auto names_after = names_of(parse_changelog(merge_entries(before, entries)));
        std::size_t at_name = 0;
        for (const std::string& name : names_of(parse_changelog(before))) {
            while (at_name < names_after.size() && names_after[at_name] != name) {
                ++at_name;
            }
            if (at_name++ == names_after.size()) {
                FAIL("lost " << name << " of:\n" << before);
            }
        }
    }
    SUCCEED();
}

TEST_CASE("changelog: every entry that we write can be read and is found by the build that wrote it",
          "[unit][delivery]") {
    Random random(kSeed + 3);
    for (int i = 0; i < kDocuments; ++i) {
        const ChangelogEntry entry = random_entry(random);
        const auto entries = parse_changelog("## Build History\n\n" + render(entry));
        if (entries.size() != 1 || entries[0].time != entry.time || entries[0].short_sha != entry.short_sha ||
            entries[0].images != entry.images || entries[0].repository != entry.repository ||
            !is_same_build(entries[0], entry)) {
            FAIL(render(entry));
        }
        const auto withdrawn = withdrawal_of(entries[0].status);
        if (withdrawn.has_value() != entry.withdrawn.has_value() ||
            (withdrawn && withdrawn->time != std::chrono::floor<std::chrono::days>(entry.withdrawn->time))) {
            FAIL(render(entry));
        }
    }
    SUCCEED();
}
