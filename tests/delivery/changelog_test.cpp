#include "cooper/delivery/changelog.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "delivery/delivery_support.hpp"

#include <catch2/catch.hpp>

#include <chrono>

using namespace cooper;
using namespace cooper::delivery;
using cooper::testing::at;
using cooper::testing::count_of;
using cooper::testing::entry_of;

namespace {

/// Section 5.4 of the design document, but for the line that follows from "Links to the specific commit builds".
constexpr std::string_view kDesignEntry =
    "### 2024-01-16 09:15:42Z - def5678\n"
    "**Commit**: `def5678` - Fix authentication bug in enterprise mode\n"
    "**Images**: openhands, enterprise, runtime-api\n"
    "**Notes**: Critical security fix for enterprise customers\n"
    "**Links**: [files](def5678/)\n";

ChangelogEntry design_entry() {
    ChangelogEntry entry;
    entry.time = at("2024-01-16T09:15:42Z");
    entry.commit = "def5678";
    entry.short_sha = "def5678";
    entry.subject = "Fix authentication bug in enterprise mode";
    entry.images = {"openhands", "enterprise", "runtime-api"};
    entry.notes = "Critical security fix for enterprise customers\n";
    return entry;
}

std::string rendered_subject(std::string subject) {
    ChangelogEntry entry = design_entry();
    entry.subject = std::move(subject);
    const std::string text = render(entry);
    constexpr std::string_view kBefore = "**Commit**: `def5678`";
    const std::size_t begin = text.find(kBefore) + kBefore.size();
    const std::string rest = text.substr(begin, text.find('\n', begin) - begin);
    return rest.empty() ? rest : rest.substr(std::string_view(" - ").size());
}

std::string rendered_notes(std::string notes) {
    ChangelogEntry entry = design_entry();
    entry.notes = std::move(notes);
    const std::string text = render(entry);
    const std::size_t begin = text.find("**Images**");
    const std::size_t end = text.find("**Links**");
    const std::string between = text.substr(begin, end - begin);
    return between.substr(between.find('\n') + 1);
}

const std::string kHistory = "## Build History\n\n";

}  // namespace

TEST_CASE("changelog: an entry is the design document's, to the byte", "[unit][delivery]") {
    CHECK(render(design_entry()) == kDesignEntry);
    CHECK(merge_entry("", design_entry()) == kHistory + std::string(kDesignEntry));
}

TEST_CASE("changelog: links are relative or permanent, and the repository is named", "[unit][delivery]") {
    const ChangelogEntry entry = entry_of("2024-01-15T14:30:25Z", "abc1234");
    CHECK(render(entry) ==
          "### 2024-01-15 14:30:25Z - abc1234\n"
          "**Commit**: `abc1234` - Subject of abc1234\n"
          "**Images**: openhands\n"
          "**Links**: [commit](https://github.com/acme/openhands/commit/abc1234000000000000000000000000000000000), "
          "[build](https://github.com/acme/openhands/actions/runs/17), [files](abc1234/)\n"
          "**Repository**: https://github.com/acme/openhands\n");
}

TEST_CASE("changelog: a subject is one line of at most 200 characters", "[unit][delivery]") {
    CHECK(rendered_subject("first\nsecond") == "first");
    CHECK(rendered_subject("first\r\nsecond") == "first");
    CHECK(rendered_subject("\n\n  first  \n") == "first");
    CHECK(rendered_subject(std::string(200, 'x')) == std::string(200, 'x'));
    CHECK(rendered_subject(std::string(201, 'x')) == std::string(199, 'x') + "…");
    std::string umlauts;
    for (int i = 0; i < 300; ++i) {
        umlauts += "ü";
    }
    CHECK(rendered_subject(umlauts) == umlauts.substr(0, 199 * 2) + "…");
    CHECK(rendered_subject("") == "");
}

TEST_CASE("changelog: what Markdown takes for markup is escaped in a subject", "[unit][delivery]") {
    CHECK(rendered_subject("`code` <b> [x](y) a|b") == "\\`code\\` \\<b> \\[x](y) a\\|b");
    CHECK(rendered_subject("# heading") == "\\# heading");
    CHECK(rendered_subject("> quote") == "\\> quote");
    CHECK(rendered_subject("fixes #12, a > b") == "fixes #12, a > b");
    CHECK(rendered_subject("**Images**: forged") == "\\*\\*Images\\*\\*: forged");
    CHECK(rendered_subject("__Images__: forged") == "\\_\\_Images\\_\\_: forged");
    CHECK(rendered_subject("keep snake_case") == "keep snake_case");
    // A backslash of the subject's own must not undo an escape.
    CHECK(rendered_subject("\\<b>") == "\\\\\\<b>");
}

TEST_CASE("changelog: controls, bidirectional marks and broken UTF-8 do not get into a subject", "[unit][delivery]") {
    CHECK(rendered_subject("a\x1b[31mb\x07\x7f") == "a\\[31mb");
    CHECK(rendered_subject("a\u202Eb\u2066c\u200Fd\u2028e\u0085f\uFEFFg") == "abcdefg");
    CHECK(rendered_subject("a\tb") == "a b");
    CHECK(rendered_subject("a\xff\xc0\xafz\xed\xa0\x80") == "a\uFFFD\uFFFD\uFFFDz\uFFFD\uFFFD\uFFFD");
    CHECK(rendered_subject("\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb") ==
          "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x92\xbb");
    CHECK(is_valid_utf8(rendered_subject("\xf0\x9f\x91")));
}

TEST_CASE("changelog: notes of one line stand inline, of more lines quoted", "[unit][delivery]") {
    CHECK(rendered_notes("") == "");
    CHECK(rendered_notes("  \n\r\n\n") == "");
    CHECK(rendered_notes("One line.\n") == "**Notes**: One line.\n");
    CHECK(rendered_notes("One\r\n\r\n- two\r\n") == "**Notes**:\n> One\n>\n> - two\n>\n");
}

TEST_CASE("changelog: neither subject nor notes can forge an entry", "[unit][delivery]") {
    const std::string forged = "### 2030-01-01 00:00:00Z - 0badbad";
    ChangelogEntry entry = entry_of("2024-01-15T14:30:25Z", "abc1234");
    for (const std::string& before :
         {std::string(), std::string("x\n"), std::string("x\n\n"), std::string("\r"), std::string("x\r\n\r\n"),
          std::string("x\u2028"), std::string("x\v"), std::string("\xEF\xBB\xBF")}) {
        entry.subject = before + forged + "\n**Images**: evil\n";
        entry.notes =
            before + forged + "\n**Commit**: `0badbad`\n**Images**: evil\n\n## Build History\n\n" + forged + "\n";
        const std::string document = merge_entry("", entry);
        INFO(document);
        const auto entries = parse_changelog(document);
        REQUIRE(entries.size() == 1);
        CHECK(entries[0].short_sha == "abc1234");
        CHECK(entries[0].images == std::vector<std::string>{"openhands"});
        CHECK(entries[0].begin == kHistory.size());
        CHECK(entries[0].end == document.size());
    }
}

TEST_CASE("changelog: addresses from outside cannot end a link", "[unit][delivery]") {
    ChangelogEntry entry = entry_of("2024-01-15T14:30:25Z", "abc1234");
    entry.build_url = "https://x/) [y](javascript:alert(1)\n### 2030-01-01 00:00:00Z - 0badbad";
    CHECK(
        render(entry).find("[build](https://x/"
                           "%29%20%5By%5D%28javascript:alert%281%29%0A###%202030-01-01%2000:00:00Z%20-%200badbad), ") !=
        std::string::npos);
    entry.build_url = "javascript:alert(1)";
    CHECK(render(entry).find("[build]") == std::string::npos);
    entry.short_sha = "../x/yz";
    CHECK_THROWS_AS(render(entry), Error);
}

TEST_CASE("changelog: what is rendered is read back", "[unit][delivery]") {
    ChangelogEntry entry = entry_of("2024-01-15T14:30:25Z", "abc1234", {"a.b", "evil, name", "z%20"});
    entry.notes = "one\n\ntwo";
    const auto entries = parse_changelog(merge_entry("", entry));
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].time == entry.time);
    CHECK(entries[0].commit == entry.commit);
    CHECK(entries[0].short_sha == entry.short_sha);
    CHECK(entries[0].repository == entry.repository);
    CHECK(entries[0].images == entry.images);
}

TEST_CASE("changelog: the design document's own example is read, folder ghi9012 and all", "[unit][delivery]") {
    const std::string document =
        "## Build History\n\n### 2024-01-16 09:15:42Z - ghi9012\n**Commit**: `ghi9012` - Fix\n**Images**: openhands, "
        "enterprise\n\n"
        "### 2024-01-15 14:30:25Z - abc1234\n**Commit**: `abc1234` - First\n**Images**: openhands\n**Notes**: First "
        "build\n";
    const auto entries = parse_changelog(document);
    REQUIRE(entries.size() == 2);
    CHECK(entries[0].short_sha == "ghi9012");
    CHECK(entries[0].images == std::vector<std::string>{"openhands", "enterprise"});
    CHECK(entries[1].time == at("2024-01-15T14:30:25Z"));
    CHECK(entries[1].end == document.size());
}

TEST_CASE("changelog: newest first, and the order does not depend on who came first", "[unit][delivery]") {
    std::vector<ChangelogEntry> entries = {
        entry_of("2024-01-15T00:00:00Z", "bbbbbbb"), entry_of("2024-01-15T00:00:00Z", "aaaaaaa"),
        entry_of("2024-01-17T00:00:00Z", "ccccccc"), entry_of("2024-01-14T00:00:00Z", "ddddddd")};
    const std::string batch = merge_entries("", entries);
    std::sort(entries.begin(), entries.end(), [](const auto& a, const auto& b) { return a.short_sha < b.short_sha; });
    do {
        std::string document;
        for (const ChangelogEntry& entry : entries) {
            document = merge_entry(document, entry);
        }
        CHECK(document == batch);
    } while (std::next_permutation(entries.begin(), entries.end(),
                                   [](const auto& a, const auto& b) { return a.short_sha < b.short_sha; }));
    std::vector<std::string> order;
    for (const ParsedEntry& entry : parse_changelog(batch)) {
        order.push_back(entry.short_sha);
    }
    CHECK(order == std::vector<std::string>{"ccccccc", "aaaaaaa", "bbbbbbb", "ddddddd"});
}

TEST_CASE("changelog: merging the same entry again changes nothing", "[unit][delivery]") {
    const ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", "abc1234", {"a", "b"});
    const std::string document = merge_entry("", entry);
    ChangelogEntry later = entry;
    later.time += std::chrono::hours(5);
    later.subject = "reworded";
    later.images = {"b"};
    CHECK(merge_entry(document, later) == document);
    CHECK(contains_entry(document, later));
}

TEST_CASE("changelog: a build that gains images keeps its time and all else", "[unit][delivery]") {
    ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", "abc1234", {"b"});
    entry.notes = "note";
    const std::string document = merge_entry("# Top\n", entry);
    ChangelogEntry later = entry;
    later.time += std::chrono::hours(5);
    later.notes = "another";
    later.images = {"a", "c"};
    CHECK_FALSE(contains_entry(document, later));
    std::string expected = document;
    expected.replace(expected.find("**Images**: b"), 13, "**Images**: a, b, c");
    CHECK(merge_entry(document, later) == expected);
}

TEST_CASE("changelog: an entry without images gains the line", "[unit][delivery]") {
    const ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", "abc1234", {"a"});
    CHECK(merge_entry("## Build History\n### 2024-01-15 00:00:00Z - abc1234\n", entry) ==
          "## Build History\n### 2024-01-15 00:00:00Z - abc1234\n**Images**: a\n");
    CHECK(merge_entry("## Build History\n### 2024-01-15 00:00:00Z - abc1234\n**Commit**: x\nfree text", entry) ==
          "## Build History\n### 2024-01-15 00:00:00Z - abc1234\n**Commit**: x\n**Images**: a\nfree text");
    CHECK(merge_entry("## Build History\n### 2024-01-15 00:00:00Z - abc1234\n**Images**:\nfree text", entry) ==
          "## Build History\n### 2024-01-15 00:00:00Z - abc1234\n**Images**: a\nfree text");
    CHECK(merge_entry("## Build History\n### 2024-01-15 00:00:00Z - abc1234", entry) ==
          "## Build History\n### 2024-01-15 00:00:00Z - abc1234\n**Images**: a\n");
}

TEST_CASE("changelog: one commit in two repositories is two builds", "[unit][delivery]") {
    ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", "abc1234", {"a"});
    const std::string document = merge_entry("", entry);
    entry.repository = "https://github.com/acme/runtime-api";
    entry.commit_url = entry.repository + "/commit/" + entry.commit;
    entry.images = {"b"};
    CHECK_FALSE(contains_entry(document, entry));
    CHECK(parse_changelog(merge_entry(document, entry)).size() == 2);
    // Who does not say which repository it is may be either.
    entry.repository.clear();
    entry.images = {"a"};
    CHECK(contains_entry(document, entry));
}

TEST_CASE("changelog: one short SHA of two commits is two builds", "[unit][delivery]") {
    const ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", "abc1234", {"a"});
    ChangelogEntry other = entry;
    other.commit = "abc1234" + std::string(33, 'f');
    other.short_sha = other.commit.substr(0, 12);
    other.commit_url = other.repository + "/commit/" + other.commit;
    const std::string document = merge_entries("", {entry, other});
    const auto entries = parse_changelog(document);
    REQUIRE(entries.size() == 2);
    CHECK(contains_entry(document, entry));
    CHECK(contains_entry(document, other));
    CHECK(merge_entry(merge_entry(document, entry), other) == document);
}

TEST_CASE("changelog: foreign text stays where it is", "[unit][delivery]") {
    const ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", "abc1234");
    const std::string text = render(entry);
    const std::string older = "### 2024-01-10 00:00:00Z - 0000001\n**Images**: x\n";
    struct Example {
        std::string before;
        std::string after;
    };
    const Example examples[] = {
        {"", kHistory + text},
        {"\n", "\n\n" + kHistory + text},
        {"# Mine", "# Mine\n\n" + kHistory + text},
        {"# Mine\n", "# Mine\n\n" + kHistory + text},
        {"\xEF\xBB\xBF", "\xEF\xBB\xBF" + kHistory + text},
        {"## Build History", "## Build History\n\n" + text},
        {"## Build History\n", "## Build History\n\n" + text},
        {"## Build History\n\n\n", "## Build History\n\n" + text + "\n\n"},
        {"\xEF\xBB\xBF## Build History  \nAll builds.\n",
         "\xEF\xBB\xBF## Build History  \n\n" + text + "\nAll builds.\n"},
        {"before\n## Build History\n\npreamble\n\n" + older +
             "\nbetween\n\n## Other\n### 2023-01-01 00:00:00Z - 0000002\n",
         "before\n## Build History\n\npreamble\n\n" + text + "\n" + older +
             "\nbetween\n\n## Other\n### 2023-01-01 00:00:00Z - 0000002\n"},
        {"## Build History\n\n### 2024-02-10 00:00:00Z - 0000001\nfree **text**\n**Status**: WITHDRAWN\n\nmore\n# "
         "End\n",
         "## Build History\n\n### 2024-02-10 00:00:00Z - 0000001\nfree **text**\n**Status**: WITHDRAWN\n\n" + text +
             "\nmore\n# End\n"},
        {"## Build History\n### 2024-02-10 00:00:00Z - 0000001\n# End",
         "## Build History\n### 2024-02-10 00:00:00Z - 0000001\n\n" + text + "\n# End"},
    };
    for (const Example& example : examples) {
        INFO(example.before);
        CHECK(merge_entry(example.before, entry) == example.after);
    }
}

TEST_CASE("changelog: a document with CRLF gets entries with CRLF", "[unit][delivery]") {
    const std::string document =
        "# T\r\n\r\n## Build History\r\n\r\n### 2024-01-10 00:00:00Z - 0000001\r\n**Images**: x\r\n";
    ChangelogEntry entry = entry_of("2024-01-15T00:00:00Z", "abc1234");
    const std::string merged = merge_entry(document, entry);
    CHECK(count_of(merged, "\n") == count_of(merged, "\r\n"));
    CHECK(parse_changelog(merged).size() == 2);
    CHECK(parse_changelog(merged)[0].images == entry.images);
    CHECK(merge_entry(merged, entry) == merged);
    entry.images = {"openhands", "second"};
    const std::string gained = merge_entry(merged, entry);
    CHECK(count_of(gained, "**Images**: openhands, second\r\n") == 1);
}

TEST_CASE("changelog: only headings of the form that is written are entries", "[unit][delivery]") {
    for (const std::string heading : {"### 2024-01-16 09:15:42Z - DEF5678", "### 2024-01-16 09:15:42Z - def567",
                                      "### 2024-01-16 09:15:42 - def5678", "## 2024-01-16 09:15:42Z - def5678",
                                      "### 2024-13-16 09:15:42Z - def5678", " ### 2024-01-16 09:15:42Z - def5678",
                                      "### 2024-01-16 09:15:42Z - def5678 and more",
                                      "###2024-01-16 09:15:42Z - def5678", "### 2024-01-16T09:15:42Z - def5678"}) {
        INFO(heading);
        CHECK(parse_changelog("## Build History\n\n" + heading + "\n").empty());
    }
    CHECK(parse_changelog("### 2024-01-16 09:15:42Z - def5678\n").empty());
}

TEST_CASE("changelog: ten thousand entries merge in well under a second", "[unit][delivery]") {
    std::vector<ChangelogEntry> entries;
    for (int i = 0; i < 10'000; ++i) {
        std::string sha = std::to_string(1'000'000 + i);
        entries.push_back(entry_of("2024-01-15T00:00:00Z", sha));
        entries.back().time += std::chrono::seconds(i * 7919 % 100'003);
    }
    const auto begin = std::chrono::steady_clock::now();
    const std::string document = merge_entries("", entries);
    const std::string again = merge_entries(document, entries);
    const std::string one_more = merge_entry(document, entry_of("2024-06-01T00:00:00Z", "abc1234"));
    const auto taken = std::chrono::steady_clock::now() - begin;
    CHECK(again == document);
    CHECK(parse_changelog(document).size() == 10'000);
    CHECK(parse_changelog(one_more).size() == 10'001);
    CHECK(taken < std::chrono::seconds(10));  // some 0.2 s; quadratic work would take minutes
}

TEST_CASE("changelog: an entry object comes back from its JSON", "[unit][delivery]") {
    ChangelogEntry entry = entry_of("2024-01-15T14:30:25Z", "abc1234", {"a", "b"});
    entry.subject = "quotes \" and \\ and \n lines \u202E";
    entry.notes = "a\r\nb\t\x01";
    const ChangelogEntry back = entry_from_json(entry_to_json(entry));
    CHECK(back.time == entry.time);
    CHECK(back.commit == entry.commit);
    CHECK(back.short_sha == entry.short_sha);
    CHECK(back.subject == entry.subject);
    CHECK(back.images == entry.images);
    CHECK(back.notes == entry.notes);
    CHECK(back.commit_url == entry.commit_url);
    CHECK(back.build_url == entry.build_url);
    CHECK(back.repository == entry.repository);
    entry.subject = "bad \xff byte";
    CHECK(entry_from_json(entry_to_json(entry)).subject == "bad \uFFFD byte");
}

TEST_CASE("changelog: an entry object that is wrong is refused by the member's name", "[unit][delivery]") {
    const std::string good = entry_to_json(entry_of("2024-01-15T14:30:25Z", "abc1234"));
    const auto with = [&](const std::string& from, const std::string& to) {
        std::string text = good;
        text.replace(text.find(from), from.size(), to);
        return text;
    };
    CHECK_THROWS_WITH(entry_from_json(with("2024-01-15T14:30:25Z", "yesterday")), Catch::Contains("time"));
    CHECK_THROWS_WITH(entry_from_json(with("\"abc1234\"", "\"x\\n### y\"")), Catch::Contains("short_sha"));
    CHECK_THROWS_WITH(entry_from_json(with("\"commit\":\"abc", "\"commit\":\"xyz")), Catch::Contains("commit"));
    CHECK_THROWS_WITH(entry_from_json(with("[\"openhands\"]", "[1]")), Catch::Contains("images"));
    CHECK_THROWS_WITH(entry_from_json(with("[\"openhands\"]", "\"openhands\"")), Catch::Contains("images"));
    CHECK_THROWS_WITH(entry_from_json(with("cooper.entry/v1", "cooper.entry/v9")), Catch::Contains("schema"));
    CHECK_THROWS_WITH(entry_from_json(with("\"notes\"", "\"nodes\"")), Catch::Contains("notes"));
    CHECK_THROWS_AS(entry_from_json("{"), Error);
    CHECK_THROWS_AS(entry_from_json(""), Error);
}

TEST_CASE("changelog: a withdrawn build's entry says so, and why", "[unit][delivery]") {
    const std::string document = kHistory + std::string(kDesignEntry) + "\n## By hand\n";
    ChangelogEntry entry = design_entry();
    entry.withdrawn = Withdrawal{at("2024-01-17T23:59:59Z"), "CVE-2024-1 in *libfoo*"};
    const std::string withdrawn = merge_entry(document, entry);
    const std::string line = "**Status**: WITHDRAWN 2024-01-17 - CVE-2024-1 in \\*libfoo\\*\n";
    std::string expected = document;
    expected.insert(expected.find("**Images**"), line);
    CHECK(withdrawn == expected);
    CHECK(render(entry).find("\n" + line + "**Images**") != std::string::npos);

    const auto parsed = parse_changelog(withdrawn).at(0);
    CHECK(parsed.status == "WITHDRAWN 2024-01-17 - CVE-2024-1 in \\*libfoo\\*");
    CHECK(withdrawal_of(parsed.status) == Withdrawal{at("2024-01-17T00:00:00Z"), "CVE-2024-1 in *libfoo*"});
    CHECK(contains_entry(withdrawn, entry));
    CHECK_FALSE(contains_entry(document, entry));
    CHECK(merge_entry(withdrawn, entry) == withdrawn);

    SECTION("more images of the build keep it") {
        ChangelogEntry more = design_entry();
        more.images = {"zoo"};
        const std::string merged = merge_entry(withdrawn, more);
        CHECK(parse_changelog(merged).at(0).status == parsed.status);
        CHECK(parse_changelog(merged).at(0).images.size() == 4);
    }
    SECTION("another reason replaces the first, an earlier day does not") {
        entry.withdrawn->reason = "worse";
        CHECK(parse_changelog(merge_entry(withdrawn, entry)).at(0).status == "WITHDRAWN 2024-01-17 - worse");
        entry.withdrawn->time -= std::chrono::days(1);
        CHECK(merge_entry(withdrawn, entry) == withdrawn);
    }
    SECTION("of several objects of the build the last withdrawal counts, in any order") {
        ChangelogEntry later = entry;
        later.withdrawn = Withdrawal{at("2024-01-18T00:00:00Z"), "later"};
        CHECK(merge_entries("", {entry, later, design_entry()}) == merge_entries("", {design_entry(), later, entry}));
        CHECK(parse_changelog(merge_entries(document, {later, entry})).at(0).status == "WITHDRAWN 2024-01-18 - later");
    }
}

TEST_CASE("changelog: a status without images, line end or Commit line is written all the same", "[unit][delivery]") {
    ChangelogEntry entry = design_entry();
    entry.withdrawn = Withdrawal{at("2024-01-17T00:00:00Z"), "x"};
    const std::string bare = kHistory + "### 2024-01-16 09:15:42Z - def5678";
    CHECK(merge_entry(bare, entry) ==
          bare + "\n**Status**: WITHDRAWN 2024-01-17 - x\n**Images**: enterprise, openhands, runtime-api\n");
    CHECK(merge_entry(bare + "\r\n**Status**:\r\n**Images**: openhands, enterprise, runtime-api", entry) ==
          bare + "\r\n**Status**: WITHDRAWN 2024-01-17 - x\r\n**Images**: openhands, enterprise, runtime-api");
}

TEST_CASE("changelog: a reason forges nothing", "[unit][delivery]") {
    for (const std::string reason : {"a\n\n### 2024-01-01 00:00:00Z - aaaaaa9\n**Images**: z",
                                     "x\r\n**Repository**: https://evil", "<script>`[x](javascript:y)",
                                     "\xe2\x80\xae"
                                     "reversed",
                                     "\xff\xfe", ""}) {
        ChangelogEntry entry = design_entry();
        entry.withdrawn = Withdrawal{at("2024-01-17T00:00:00Z"), reason};
        const auto parsed = parse_changelog(merge_entry("", entry));
        REQUIRE(parsed.size() == 1);
        CHECK(parsed[0].repository.empty());
        CHECK(parsed[0].images == entry.images);
        CHECK(parsed[0].status.starts_with("WITHDRAWN 2024-01-17"));
        CHECK(parsed[0].status.find("<script>") == parsed[0].status.find("\\<script>") + (reason[0] == '<' ? 1 : 0));
    }
}

TEST_CASE("changelog: which Status lines say that a build was withdrawn", "[unit][delivery]") {
    CHECK(withdrawal_of("WITHDRAWN") == Withdrawal{TimePoint(), ""});
    CHECK(withdrawal_of("WITHDRAWN - why") == Withdrawal{TimePoint(), "why"});
    CHECK(withdrawal_of("WITHDRAWN because") == Withdrawal{TimePoint(), "because"});
    CHECK(withdrawal_of("WITHDRAWN 2024-01-17") == Withdrawal{at("2024-01-17T00:00:00Z"), ""});
    CHECK_FALSE(withdrawal_of("WITHDRAWNish"));
    CHECK_FALSE(withdrawal_of("available"));
    CHECK_FALSE(withdrawal_of(""));
}

TEST_CASE("changelog: an entry object knows the withdrawal, and one without it is read as before", "[unit][delivery]") {
    ChangelogEntry entry = design_entry();
    const std::string before = entry_to_json(entry);
    CHECK(before.find("withdrawn") == std::string::npos);
    CHECK_FALSE(entry_from_json(before).withdrawn);
    entry.withdrawn = Withdrawal{at("2024-01-17T01:02:03Z"), "a\n\"b\""};
    CHECK(entry_from_json(entry_to_json(entry)).withdrawn == entry.withdrawn);
    std::string bad = entry_to_json(entry);
    bad.replace(bad.find("2024-01-17"), 4, "now!");
    CHECK_THROWS_AS(entry_from_json(bad), Error);
}
