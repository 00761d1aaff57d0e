#include "cooper/build/tag_record.hpp"

#include "cooper/base/text.hpp"

#include "build/tree_support.hpp"

#include <catch2/catch.hpp>

#include <numeric>
#include <random>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');
const std::string kOther = "sha256:" + std::string(64, 'b');

RecordedInput input(TagLevel level, const std::string& kind, const std::string& name, const std::string& value,
                    std::uint32_t mode = 0, std::uint64_t size = 0) {
    return {level, kind, name, value, mode, size};
}

TagRecord record_of(std::vector<RecordedInput> inputs) {
    return {"cooper", {{"source", "1_a_b"}, {"lock", "1_a"}, {"versioned", "1_x-c"}}, std::move(inputs)};
}

/// What `text` says once it is wrapped into a record around one input.
TagRecord parse_input(const std::string& text) {
    return parse_tag_record(R"({"schema":"cooper.tags/v1","profile":"cooper","tags":{},"inputs":[)" + text + "]}", "R");
}

std::vector<std::string> texts_of(const std::vector<TagChange>& changes) {
    std::vector<std::string> texts;
    for (const auto& change : changes) {
        texts.push_back(change.text());
    }
    return texts;
}

/// The only change between two records of one input each.
TagChange only_change(const RecordedInput& before, const RecordedInput& after) {
    const auto changes = compare(record_of({before}), record_of({after}));
    REQUIRE(changes.size() == 1);
    return changes[0];
}

std::vector<RecordedInput> lock_files(const std::string& names) {
    std::vector<RecordedInput> inputs;
    for (const char name : names) {
        inputs.push_back(input(TagLevel::Lock, "lock file", std::string(1, name), kDigest));
    }
    return inputs;
}

const std::vector<TagLevel> kAllLevels = {TagLevel::Versioned, TagLevel::Lock, TagLevel::Source};

}  // namespace

// --- JSON ----------------------------------------------------------------------------------------------------------

TEST_CASE("tag record: the text is one input a line and never changes", "[unit][build]") {
    const auto record = record_of({
        input(TagLevel::Versioned, "version", "", "1"),
        input(TagLevel::Versioned, "build argument", "QUOTE", "\"\\\n"),
        input(TagLevel::Lock, "lock file", "uv.lock", kDigest, 0, 7),
        input(TagLevel::Source, "file", "a \xC3\xBC", kDigest, 04755, 18446744073709551615U),
        input(TagLevel::Source, "symlink", "b/\xFF%", "\xFEx", 0777),
    });
    const auto text = to_json(record);
    CHECK(text == R"({
"schema":"cooper.tags/v1",
"profile":"cooper",
"tags":{"source":"1_a_b","lock":"1_a","versioned":"1_x-c"},
"inputs":[
{"level":"versioned","kind":"version","value":"1"},
{"level":"versioned","kind":"build argument","name":"QUOTE","value":"\"\\\n"},
{"level":"lock","kind":"lock file","name":"uv.lock","value":")" +
                      kDigest + R"(","size":7},
{"level":"source","kind":"file","name":"a )" +
                      "\xC3\xBC" + R"(","value":")" + kDigest +
                      R"(","mode":"04755","size":18446744073709551615},
{"level":"source","kind":"symlink","name_encoded":"b/%FF%25","value_encoded":"%FEx","mode":"0777"}
]
}
)");
    CHECK(parse_tag_record(text, "R") == record);
    CHECK(to_json(parse_tag_record(text, "R")) == text);
}

TEST_CASE("tag record: any bytes come back", "[unit][build]") {
    std::mt19937 random(20261121);  // NOLINT(cert-msc51-cpp): the same each time
    for (int round = 0; round < 200; ++round) {
        auto record = record_of({});
        for (unsigned i = random() % 8; i > 0; --i) {
            const auto bytes = [&] {
                std::string text(random() % 12, '\0');
                for (auto& c : text) {
                    c = static_cast<char>(random() % 3 == 0 ? random() : 'a' + random() % 26);
                }
                return text;
            };
            record.inputs.push_back({static_cast<TagLevel>(random() % 3), "lock file", bytes(), bytes(),
                                     static_cast<std::uint32_t>(random() % 010000), random()});
        }
        INFO(to_json(record));
        CHECK(parse_tag_record(to_json(record), "R") == record);
    }
}

TEST_CASE("tag record: an empty record is one", "[unit][build]") {
    const TagRecord record{"v1", {}, {}};
    CHECK(parse_tag_record(to_json(record), "R") == record);
}

TEST_CASE("tag record: another schema is told apart from a newer one", "[unit][build]") {
    const auto code_for = [](const std::string& schema) {
        return code_of([&] {
            (void)parse_tag_record(R"({"schema":")" + schema + R"(","profile":"v1","tags":{},"inputs":[]})", "R");
        });
    };
    CHECK(code_for("cooper.tags/v2") == ErrorCode::Unsupported);
    CHECK(code_for("cooper.image/v1") == ErrorCode::InvalidInput);
    CHECK(code_for("") == ErrorCode::InvalidInput);
}

TEST_CASE("tag record: what to_json does not write is refused", "[unit][build]") {
    CHECK_NOTHROW(parse_input(R"({"level":"lock","kind":"x"})"));
    const auto problem = GENERATE(values<std::pair<std::string, std::string>>({
        {R"({"kind":"x"})", "level"},
        {R"({"level":"other","kind":"x"})", "level 'other'"},
        {R"({"level":"lock"})", "kind"},
        {R"({"level":"lock","kind":""})", "kind"},
        {R"({"level":"lock","kind":"x","nam":"y"})", "unknown member 'nam'"},
        {R"({"level":"lock","kind":"x","name":1})", "name is not a string"},
        {R"({"level":"lock","kind":"x","name":"a","name_encoded":"%FF"})", "both name and name_encoded"},
        {R"({"level":"lock","kind":"x","name_encoded":"a"})", "name_encoded"},
        {R"({"level":"lock","kind":"x","name_encoded":"%ff"})", "name_encoded"},
        {R"({"level":"lock","kind":"x","value_encoded":"%FF%"})", "value_encoded"},
        {R"({"level":"lock","kind":"x","mode":420})", "mode is not a string"},
        {R"({"level":"lock","kind":"x","mode":"644"})", "mode"},
        {R"({"level":"lock","kind":"x","mode":"0"})", "mode"},
        {R"({"level":"lock","kind":"x","mode":"0888"})", "mode"},
        {R"({"level":"lock","kind":"x","mode":"010000"})", "mode"},
        {R"({"level":"lock","kind":"x","size":-1})", "size"},
        {R"({"level":"lock","kind":"x","size":1.5})", "size"},
        {R"([])", "not an object"},
        {R"({"level":"source","kind":"file","name":"a"},{"level":"source","kind":"symlink","name":"a"})", "second"},
    }));
    INFO(problem.first);
    CHECK_THROWS_WITH(parse_input(problem.first), Catch::Contains("R") && Catch::Contains(problem.second));
    CHECK(code_of([&] { (void)parse_input(problem.first); }) == ErrorCode::InvalidInput);
}

TEST_CASE("tag record: a document that is none is refused", "[unit][build]") {
    const auto text = GENERATE(values<std::string>({
        "",
        "[]",
        R"({"schema":"cooper.tags/v1"})",
        R"({"schema":"cooper.tags/v1","profile":"x","tags":{}})",
        R"({"schema":"cooper.tags/v1","profile":"","tags":{},"inputs":[]})",
        R"({"schema":"cooper.tags/v1","profile":"x","tags":[],"inputs":[]})",
        R"({"schema":"cooper.tags/v1","profile":"x","tags":{"a":1},"inputs":[]})",
        R"({"schema":"cooper.tags/v1","profile":"x","tags":{},"inputs":{}})",
        R"({"schema":"cooper.tags/v1","profile":"x","tags":{},"inputs":[],"more":1})",
        R"({"schema":"cooper.tags/v1","profile":"x","tags":{},"inputs":[]} x)",
    }));
    INFO(text);
    CHECK(code_of([&] { (void)parse_tag_record(text, "R"); }) == ErrorCode::InvalidInput);
}

// --- what changed --------------------------------------------------------------------------------------------------

TEST_CASE("tag changes: equal records have none", "[unit][build]") {
    const auto record = record_of(lock_files("abcab"));
    CHECK(compare(record, record).empty());
}

TEST_CASE("tag changes: other profiles are not compared", "[unit][build]") {
    auto other = record_of({});
    other.profile = "v1";
    CHECK(code_of([&] { (void)compare(record_of({}), other); }) == ErrorCode::InvalidInput);
}

TEST_CASE("tag changes: each is a line that says what and how", "[unit][build]") {
    const auto file = [](const std::string& value, std::uint32_t mode, std::uint64_t size) {
        return input(TagLevel::Source, "file", "core/main.py", value, mode, size);
    };
    CHECK(only_change(file(kDigest, 0644, 120), file(kOther, 0644, 133)).text() ==
          "changed  core/main.py  (content, 120 -> 133 bytes)");
    CHECK(only_change(file(kDigest, 0644, 1), file(kOther, 0755, 1)).text() ==
          "changed  core/main.py  (content, 1 byte, mode 0644 -> 0755)");
    CHECK(only_change(file(kDigest, 0644, 1), file(kDigest, 0755, 1)).text() ==
          "changed  core/main.py  (mode 0644 -> 0755)");
    CHECK(only_change(file(kDigest, 0644, 1), input(TagLevel::Source, "symlink", "core/main.py", "x", 0777)).text() ==
          "changed  core/main.py  (file became symlink)");
    const auto link = [](const std::string& target) { return input(TagLevel::Source, "symlink", "l", target, 0777); };
    CHECK(only_change(link("a"), link("\x1B]")).text() == R"(changed  l  (target "a" -> "?]"))");
    const auto base = [](const std::string& digest) { return input(TagLevel::Versioned, "base", "", digest); };
    CHECK(only_change(base(kDigest), base(kOther)).text() ==
          "changed  base  (sha256:aaaaaaaaaaaa -> sha256:bbbbbbbbbbbb)");
    CHECK(only_change(base(kDigest), input(TagLevel::Versioned, "scratch", "", "")).text() ==
          "changed  base  (sha256:aaaaaaaaaaaa -> scratch)");
    const auto argument = [](const std::string& value) {
        return input(TagLevel::Versioned, "build argument", "NODE", value);
    };
    CHECK(only_change(argument("20"), argument("22")).text() == R"(changed  build argument NODE  ("20" -> "22"))");
    const auto secret = [](const std::string& digest) {
        return input(TagLevel::Versioned, "secret build argument", "TOKEN", digest);
    };
    CHECK(only_change(secret(kDigest), secret(kOther)).text() == "changed  build argument TOKEN  (secret value)");
}

TEST_CASE("tag changes: what came and went is described", "[unit][build]") {
    const auto before = record_of({input(TagLevel::Lock, "extra dependency", "", "jq"),
                                   input(TagLevel::Lock, "secret extra dependency", "", kDigest),
                                   input(TagLevel::Source, "file", "gone", kDigest, 0644, 5),
                                   input(TagLevel::Source, "symlink", "link", "there", 0777)});
    const auto after = record_of({input(TagLevel::Versioned, "recipe", "Dockerfile", kDigest, 0644, 5),
                                  input(TagLevel::Lock, "extra dependency", "", "git"),
                                  input(TagLevel::Source, "directory", "new", "", 0755)});
    CHECK(texts_of(compare(before, after)) == std::vector<std::string>{
                                                  "added    recipe Dockerfile  (5 bytes)",
                                                  R"(added    extra dependency "git")",
                                                  R"(removed  extra dependency "jq")",
                                                  "removed  extra dependency secret",
                                                  "removed  gone  (file, 5 bytes)",
                                                  R"(removed  link  (symlink to "there"))",
                                                  "added    new  (directory)",
                                              });
}

TEST_CASE("tag changes: a level touches itself and all after it", "[unit][build]") {
    const auto touched = [](TagLevel level, const std::string& kind) {
        return only_change(input(level, kind, "", "a"), input(level, kind, "", "b")).touches;
    };
    CHECK(touched(TagLevel::Versioned, "platform") == kAllLevels);
    CHECK(touched(TagLevel::Versioned, "base name") == std::vector<TagLevel>{TagLevel::Versioned});
    CHECK(touched(TagLevel::Lock, "browser") == std::vector<TagLevel>{TagLevel::Lock, TagLevel::Source});
    CHECK(touched(TagLevel::Source, "source") == std::vector<TagLevel>{TagLevel::Source});
}

TEST_CASE("tag changes: the same file at another level is another input", "[unit][build]") {
    const auto changes = compare(record_of({input(TagLevel::Source, "file", "x", kDigest)}),
                                 record_of({input(TagLevel::Lock, "lock file", "x", kDigest)}));
    REQUIRE(changes.size() == 2);
    CHECK(changes[0].kind == TagChange::Kind::Added);
    CHECK(changes[1].kind == TagChange::Kind::Removed);
}

TEST_CASE("tag changes: as few as possible have moved", "[unit][build]") {
    const auto moves = [](const std::string& before, const std::string& after) {
        std::string names;
        for (const auto& change : compare(record_of(lock_files(before)), record_of(lock_files(after)))) {
            REQUIRE(change.kind == TagChange::Kind::Reordered);
            CHECK(change.text() == "moved    lock file " + change.after->name + "  (another place in the order)");
            CHECK(change.touches == std::vector<TagLevel>{TagLevel::Lock, TagLevel::Source});
            names += change.after->name;
        }
        return names;
    };
    CHECK(moves("abcdef", "abcdef").empty());
    CHECK(moves("abcdef", "fabcde") == "f");
    CHECK(moves("abcdef", "bcdefa") == "a");
    CHECK(moves("ab", "ba").size() == 1);
    CHECK(moves("abcdef", "fedcba").size() == 5);
    CHECK(moves("aab", "baa") == "b");
}

TEST_CASE("tag changes: the order of what is sorted anyway is none", "[unit][build]") {
    auto inputs =
        std::vector{input(TagLevel::Source, "file", "a", kDigest), input(TagLevel::Source, "file", "b", kOther)};
    const auto before = record_of(inputs);
    std::swap(inputs[0], inputs[1]);
    CHECK(compare(before, record_of(inputs)).empty());
}

TEST_CASE("tag changes: many are found without comparing each with each", "[unit][build]") {
    constexpr std::size_t kCount = 20'000;
    std::vector<RecordedInput> before;
    for (std::size_t i = 0; i < kCount; ++i) {
        before.push_back(input(TagLevel::Lock, "lock file", std::to_string(i), kDigest));
    }
    auto after = before;
    std::reverse(after.begin(), after.end());
    CHECK(compare(record_of(before), record_of(after)).size() == kCount - 1);
}
