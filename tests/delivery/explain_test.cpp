#include "cooper/delivery/explain.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/files.hpp"
#include "cooper/base/text.hpp"

#include "delivery/explain/causes.hpp"
#include "delivery/explain/content_kinds.hpp"
#include "delivery/explain/documents.hpp"
#include "delivery/explain/gzip_header.hpp"
#include "delivery/explain/order.hpp"
#include "delivery/explain/packages.hpp"
#include "delivery/explain/raw_tar.hpp"
#include "delivery/explain/report_files.hpp"
#include "delivery/explain/unified_diff.hpp"
#include "fuzz/tar_checksums.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace cooper;
using namespace cooper::delivery;
using namespace std::string_literals;

namespace {

std::string block_of(const std::string& path, TarType type = TarType::File, std::uint64_t size = 0) {
    TarEntry entry;
    entry.path = path;
    entry.type = type;
    entry.size = size;
    return tar_header(entry);
}

std::string patched(std::string block, std::size_t at, std::string_view bytes) {
    block.replace(at, bytes.size(), bytes);
    return fuzz::with_checksums(std::move(block));
}

std::vector<RawEntry> raw_entries(const std::string& tar) {
    MemorySource source{std::string_view(tar)};
    RawTarReader reader(source);
    std::vector<RawEntry> entries;
    while (auto entry = reader.next()) {
        entries.push_back(std::move(*entry));
    }
    return entries;
}

ErrorCode code_of_reading(const std::string& tar) {
    try {
        static_cast<void>(raw_entries(tar));
    } catch (const Error& error) {
        return error.code();
    }
    FAIL("it was read");
    return ErrorCode::System;
}

/// A docker-archive of one layer.
std::string archive_of(const std::string& layer, const std::string& extra = "") {
    const auto config = R"({"architecture":"amd64","os":"linux",)" + extra +
                        R"("rootfs":{"type":"layers","diff_ids":[")" + sha256(layer).text() + R"("]}})";
    const std::pair<std::string, std::string> members[] = {
        {"config.json", config},
        {"layer.tar", layer},
        {"manifest.json", R"([{"Config":"config.json","RepoTags":["app:1"],"Layers":["layer.tar"]}])"}};
    std::string archive;
    for (const auto& [name, content] : members) {
        archive +=
            block_of(name, TarType::File, content.size()) + content + std::string(tar_padding(content.size()), '\0');
    }
    return archive + std::string(2 * kTarBlock, '\0');
}

std::string layer_of(const std::string& content, std::int64_t mtime = 0) {
    TarEntry entry;
    entry.path = "etc/motd";
    entry.size = content.size();
    entry.mtime = mtime;
    return tar_header(entry) + content + std::string(tar_padding(content.size()), '\0') +
           std::string(2 * kTarBlock, '\0');
}

Explanation explained(const std::string& a, const std::string& b, const ExplainOptions& options = {}) {
    const TempDirectory directory;
    for (const auto& [name, bytes] : {std::pair("a.tar", &a), {"b.tar", &b}}) {
        write_file(directory.path() / name, *bytes);
    }
    const auto place = [&](const char* name) {
        return oci::PlaceName::parse("docker-archive:" + (directory.path() / name).string(), oci::PlaceName::Use::Read);
    };
    oci::PlaceAccess access;
    access.spool = [&] { return directory.path(); };
    return explain(place("a.tar"), place("b.tar"), options, access, {});
}

ContentKind described(std::string_view path, const std::string& a, const std::string& b) {
    const Captured x{a, a.size(), true, "", 0}, y{b, b.size(), true, "", 0};
    return describe_content({path, x, y, false}, 20);
}

}  // namespace

TEST_CASE("explain: equal archives are identical, and a time is named", "[unit][delivery]") {
    const auto a = archive_of(layer_of("hello\n", 1));
    CHECK(explained(a, a).identical);
    CHECK(explained(a, a).verdict == "identical");

    const auto found = explained(a, archive_of(layer_of("hello\n", 2)));
    CHECK(!found.same());
    CHECK(found.verdict == "1 of 1 layer differs: 1 entry, in its mtime");
    REQUIRE(found.causes.size() == 1);
    CHECK(found.causes[0].cause.id == "mtime");
    CHECK(found.causes[0].example == "layer 1 of 1: etc/motd");
    REQUIRE(!found.differences.empty());
    const auto mtime = std::find_if(found.differences.begin(), found.differences.end(),
                                    [](const Difference& each) { return each.field == "mtime"; });
    REQUIRE(mtime != found.differences.end());
    CHECK((mtime->path == "etc/motd" && mtime->a == "1" && mtime->b == "2" && mtime->cause == "mtime"));

    ExplainOptions options;
    options.ignore_times = true;
    CHECK(explained(a, archive_of(layer_of("hello\n", 2)), options).same());
    CHECK(!explained(a, archive_of(layer_of("other\n", 2)), options).same());
}

TEST_CASE("explain: no more is listed than asked for, and all is counted", "[unit][delivery]") {
    ExplainOptions options;
    options.max_differences = 2;
    const auto found =
        explained(archive_of(layer_of("x")), archive_of(layer_of("x"), R"("a":1,"b":2,"c":3,)"), options);
    CHECK(found.found == 3);
    CHECK(found.not_listed == 1);
    CHECK(found.verdict == "config differs");
}

TEST_CASE("explain: a layer that is no tar is damage, not a failure", "[unit][delivery]") {
    const auto found = explained(archive_of(layer_of("x")), archive_of(std::string(2000, 'x')));
    REQUIRE(found.causes.size() == 1);
    CHECK(found.causes[0].cause.id == "damaged");
    CHECK((found.differences.back().level == ExplainLevel::Layers && found.differences.back().field == "unreadable"));
}

TEST_CASE("explain: ids of causes are unique, and each says why and what to do", "[unit][delivery]") {
    std::set<std::string_view> ids;
    for (const auto& cause : known_causes()) {
        CHECK(ids.insert(cause.id).second);
        CHECK(!cause.why.empty());
        CHECK(!cause.remedy.empty());
    }
    CHECK(fits("a|b*c", "bxxc"));
    CHECK(fits("*", ""));
    CHECK(!fits("a|b*c", "bxxcd"));
    CHECK(fits("*a*b*c", std::string(1000, 'a') + "bc"));
    CHECK(may_hold_secrets("./etc/shadow"));
    CHECK(!may_hold_secrets("usr/lib/python3/token.py"));
}

TEST_CASE("explain: a tar is read as it stands there", "[unit][delivery]") {
    const auto plain = raw_entries(patched(block_of("./a", TarType::File), 265, "root"));
    REQUIRE(plain.size() == 1);
    CHECK(plain[0].path == "./a");
    CHECK(plain[0].user == "root");
    CHECK(plain[0].dialect == TarDialect::Ustar);

    const auto gnu = raw_entries(patched(block_of("a"), 257, "ustar  \0"s));
    CHECK(gnu.at(0).dialect == TarDialect::Gnu);
    CHECK(raw_entries(patched(block_of("a"), 100, "0100644")).at(0).mode_type_bits == 0100000);

    // A GNU sparse file: 1,000,000 bytes long, nothing stored.
    auto sparse = patched(patched(block_of("s"), 156, "S"), 257, "ustar  \0"s);
    sparse = patched(sparse, 483, "00003641100");
    const auto holes = raw_entries(sparse);
    CHECK((holes.at(0).sparse && holes[0].length == 1'000'000 && holes[0].size == 0));
}

TEST_CASE("explain: tars that cannot be followed are refused", "[unit][delivery]") {
    CHECK(code_of_reading(block_of("a", TarType::File, 600) + std::string(kTarBlock, 'x')) == ErrorCode::Integrity);
    CHECK(code_of_reading(std::string(kTarBlock, 'x')) == ErrorCode::Integrity);
    CHECK(code_of_reading(patched(block_of("l", TarType::Directory), 124, "00000001000")) == ErrorCode::Integrity);
    const auto pax_of_2_gib = patched(patched(block_of("x"), 156, "x"), 124, "20000000000");
    CHECK(code_of_reading(pax_of_2_gib) == ErrorCode::InvalidInput);
    CHECK(code_of_reading(patched(patched(block_of("x"), 156, "x"), 124, "00000000010") + "8 mtime=\n" +
                          std::string(kTarBlock, '\0')) == ErrorCode::Integrity);
}

TEST_CASE("explain: the end of a tar", "[unit][delivery]") {
    const auto end_of = [](const std::string& tar) {
        MemorySource source{std::string_view(tar)};
        RawTarReader reader(source);
        while (reader.next()) {
        }
        return reader.end();
    };
    const auto head = block_of("a");
    CHECK(end_of(head).zero_blocks == 0);
    CHECK(end_of(head + std::string(1024, '\0')).zero_blocks == 2);
    CHECK(end_of(head + std::string(19 * kTarBlock, '\0')).is_padded());
    CHECK(end_of(head + std::string(1024, '\0') + "tail").other_bytes == 4);
}

TEST_CASE("explain: texts as unified diffs", "[unit][delivery]") {
    CHECK(unified_diff("a\nb\nc\n", "a\nx\nc\n", 20) == "@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
    CHECK(unified_diff("", "x\n", 20) == "@@ -0,0 +1,1 @@\n+x\n");
    CHECK(unified_diff("x\n", "", 20) == "@@ -1,1 +0,0 @@\n-x\n");
    std::string a, b;
    for (int i = 0; i < 30; ++i) {
        a += std::to_string(i) + "\n";
        b += (i == 5 || i == 25 ? "x" : std::to_string(i)) + "\n";
    }
    CHECK(
        unified_diff(a, b, 40) ==
        "@@ -3,7 +3,7 @@\n 2\n 3\n 4\n-5\n+x\n 6\n 7\n 8\n@@ -23,7 +23,7 @@\n 22\n 23\n 24\n-25\n+x\n 26\n 27\n 28\n");
    CHECK(unified_diff(a, b, 5) == "@@ -3,4 +3,4 @@\n 2\n 3\n 4\n-5\n+x\n… 2 more lines differ\n");
}

TEST_CASE("explain: headers of gzip and zstd", "[unit][delivery]") {
    const auto header = read_gzip_header("\x1f\x8b\x08\x08\x01\0\0\0\x02\x03name\0rest"s);
    REQUIRE(header);
    CHECK((header->mtime == 1 && header->name == "name" && header->system == 3 && header->extra_flags == 2));
    CHECK(header->length == 15);
    CHECK(!read_gzip_header("\x1f\x8b\x08\x08\x01\0\0\0\x02\x03name"s));
    CHECK(!read_gzip_header("\x1f\x8b\x08\x04\0\0\0\0\0\x03\xff"s));
    CHECK(read_zstd_header("\x28\xb5\x2f\xfd\x24\x05"s).at(0).second == "5");
    CHECK(read_zstd_header("PK").empty());
}

TEST_CASE("explain: kinds of content", "[unit][delivery]") {
    CHECK(described("m.pyc", "\x61\x0d\r\n\0\0\0\0\1\0\0\0\3\0\0\0code"s, "\x61\x0d\r\n\0\0\0\0\2\0\0\0\3\0\0\0code"s)
              .detail == "1 -> 2");
    CHECK(described("f", "PK\3\4 not really"s, "PK\3\4 a zip"s).kind == "zip");
    CHECK(described("f",
                    "\x7f"
                    "ELF short",
                    "\x7f"
                    "ELF shorter")
              .kind == "ELF");
    CHECK(described("f", "SQLite format 3\0a"s, "SQLite format 3\0b"s).detail == "first different byte: 16 of 17");
    CHECK(described("f", "\0\1\2"s, "\0\1"s).detail == "first different byte: 2 of 3 and 2");
    CHECK(described("f", "text\n", "text").kind == "text");
    CHECK(described("root/.ssh/id", "one", "two").detail == "not shown: it may hold secrets");
}

TEST_CASE("explain: packages, order, digests and names of files", "[unit][delivery]") {
    const auto moved = moved_packages("Package: a\nVersion: 1\n\nPackage: b\nVersion: 1\n", "P:a\nV:2\n\nP:c\nV:1\n");
    REQUIRE(moved.size() == 3);
    CHECK((moved[0].name == "a" && moved[0].a == "1" && moved[0].b == "2"));
    CHECK((moved[1].name == "b" && !moved[1].b && moved[2].name == "c" && !moved[2].a));

    const std::string x = "x", y = "y", z = "z";
    CHECK(!compare_positions({{0, 5, &x, &x}, {1, 7, &y, &y}}));
    const auto order = compare_positions({{0, 2, &x, &x}, {1, 0, &y, &y}, {2, 1, &z, &z}});
    REQUIRE(order);
    CHECK(order->detail == "1 of 3 stand elsewhere; A is sorted by bytes");

    CHECK(without_digests("blobs/sha256/" + std::string(64, 'a') + ".json") == "blobs/sha256/X.json");
    CHECK(without_digests(std::string(65, 'a')) == std::string(65, 'a'));

    for (const auto path : {"../../etc/passwd", ".", "..", "/", "a\nb", ""}) {
        const auto name = safe_file_name("", path);
        CHECK(name.find_first_of("/\n") == std::string::npos);
        CHECK((!name.empty() && name != "." && name != ".."));
    }
    CHECK(safe_file_name("", std::string(4000, '/')).size() < 255);
    CHECK(safe_file_name("", std::string(4000, '/')) != safe_file_name("", std::string(4001, '/')));
}
