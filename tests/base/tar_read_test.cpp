// Traps for tar readers: every one is an archive that two readers took for different things, or that cost too much.
#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "base/scripted_streams.hpp"
#include "base/tar_cases.hpp"

#include <catch2/catch.hpp>

#include <functional>

using namespace cooper;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

std::vector<TarEntry> read_entries(const std::string& archive, const TarLimits& limits = {}) {
    PiecewiseSource source(archive, 300);
    TarReader reader(source, limits);
    std::vector<TarEntry> entries;
    while (auto entry = reader.next()) {
        entries.push_back(std::move(*entry));
    }
    return entries;
}

TarEntry read_one(const std::string& archive) {
    const auto entries = read_entries(archive + end_blocks());
    REQUIRE(entries.size() == 1);
    return entries[0];
}

/// The header of a file called "file" after `change`.
std::string changed(const std::function<void(RawHeader&)>& change) {
    RawHeader header;
    change(header);
    return header.block();
}

void check_refused(const std::string& archive, const std::string& problem, ErrorCode code = ErrorCode::Integrity,
                   const TarLimits& limits = {}) {
    try {
        read_entries(archive, limits);
    } catch (const Error& error) {
        INFO(error.what());
        REQUIRE(error.code() == code);
        REQUIRE(std::string(error.what()).find(problem) != std::string::npos);
        return;
    }
    FAIL("accepted: " << problem);
}

const std::string kFile = RawHeader().block();

std::string pax(const std::string& key, const std::string& value) {
    return extension('x', pax_record(key, value));
}

/// A base-256 field of `width` bytes.
std::string base256(std::int64_t value, std::size_t width) {
    std::string field(width, value < 0 ? '\xff' : '\0');
    for (std::size_t i = 0; i < 8 && i < width; ++i) {
        field[width - 1 - i] = static_cast<char>(static_cast<std::uint64_t>(value) >> 8 * i);
    }
    field[0] = static_cast<char>(static_cast<unsigned char>(field[0]) | 0x80U);
    return field;
}

}  // namespace

TEST_CASE("tar reader: the end may be marked, padded or missing", "[unit][base]") {
    for (const std::string& end : {""s, std::string(512, '\0'), end_blocks(), std::string(10'240, '\0'),
                                   std::string(700, '\0'), std::string(100, '\0')}) {
        REQUIRE(read_entries(kFile + end).size() == 1);
        REQUIRE(read_entries(end).empty());
    }
    check_refused(kFile + end_blocks() + kFile, "goes on after its end");
    check_refused(kFile + std::string(512, '\0') + kFile, "goes on after its end");
    check_refused(kFile + end_blocks() + std::string(5000, '\0') + "x", "goes on after its end");
}

TEST_CASE("tar reader: after the end it stays at the end", "[unit][base]") {
    MemorySource source{std::string_view()};
    TarReader reader(source);
    REQUIRE_FALSE(reader.next());
    REQUIRE_FALSE(reader.next());
    std::byte byte{};
    REQUIRE(reader.content().read({&byte, 1}) == 0);
}

TEST_CASE("tar reader: an archive cut anywhere is refused, or ends where an entry ends", "[unit][base][fault]") {
    const std::string archive = pax("path", "long") + changed([](RawHeader& h) { h.size = octal_size(700); }) +
                                padded(std::string(700, 'x')) + extension('L', "longname\0"s) + kFile;
    const std::size_t first_end = 512 * 5;
    for (std::size_t length = 1; length < archive.size(); ++length) {
        const std::string cut = archive.substr(0, length);
        if (length == first_end) {
            REQUIRE(read_entries(cut).size() == 1);
        } else {
            INFO(length);
            REQUIRE_THROWS_AS(read_entries(cut), Error);
        }
    }
    REQUIRE(read_entries(archive).size() == 2);
}

TEST_CASE("tar reader: content that ends early is refused while it is read", "[unit][base][fault]") {
    const std::string archive = changed([](RawHeader& h) { h.size = octal_size(700); }) + std::string(600, 'x');
    MemorySource source{std::string_view(archive)};
    TarReader reader(source);
    REQUIRE(reader.next());
    REQUIRE_THROWS_WITH(read_all(reader.content(), 1000, "x"), Catch::Contains("cut short at byte 1112"));
}

TEST_CASE("tar reader: reads no further than the header", "[unit][base]") {
    const std::string archive =
        pax("path", "p") + changed([](RawHeader& h) { h.size = octal_size(3); }) + padded("abc");
    MemorySource source{std::string_view(archive)};
    TarReader reader(source);
    REQUIRE(reader.next()->path == "p");
    REQUIRE(read_all(source, 10'000, "rest") == padded("abc"));
}

TEST_CASE("tar reader: checksums, unsigned or signed, must be right", "[unit][base]") {
    std::string block = changed([](RawHeader& h) { h.name = "\xff\xff"; });
    REQUIRE(read_one(block).path == "\xff\xff");
    unsigned sum = 8 * ' ';
    for (std::size_t i = 0; i < block.size(); ++i) {
        sum += i >= 148 && i < 156 ? 0U : static_cast<unsigned char>(block[i]);
    }
    char text[8] = {};
    std::snprintf(text, sizeof text, "%06o", sum - 2 * 256);
    block.replace(148, 7, text, 7);
    REQUIRE(read_one(block).path == "\xff\xff");
    block[0] = 'x';
    check_refused(block, "checksum");
}

TEST_CASE("tar reader: numbers in octal and base-256", "[unit][base]") {
    REQUIRE(read_one(changed([](RawHeader& h) { h.uid = "    17 "; })).uid == 017);
    REQUIRE(read_one(changed([](RawHeader& h) { h.uid = ""; })).uid == 0);
    REQUIRE(read_one(changed([](RawHeader& h) { h.uid = "77777777"; })).uid == 077777777);
    REQUIRE(read_one(changed([](RawHeader& h) { h.uid = base256(3'000'000, 8); })).uid == 3'000'000);
    REQUIRE(read_one(changed([](RawHeader& h) { h.mtime = base256(-5, 12); })).mtime == -5);
    REQUIRE(read_one(changed([](RawHeader& h) { h.mtime = base256(INT64_MIN, 12); })).mtime == INT64_MIN);
    REQUIRE(read_one(changed([](RawHeader& h) { h.mtime = base256(INT64_MAX, 12); })).mtime == INT64_MAX);
    REQUIRE(read_one(changed([](RawHeader& h) { h.mode = "0100644"; })).mode == 0644);

    check_refused(changed([](RawHeader& h) { h.size = base256(-1, 12); }), "size in the header is negative");
    check_refused(changed([](RawHeader& h) { h.uid = base256(-1, 8); }), "user id in the header is negative");
    check_refused(changed([](RawHeader& h) { h.mtime = "\x80\0\0\1\0\0\0\0\0\0\0\0"s; }), "does not fit 64 bits");
    check_refused(changed([](RawHeader& h) { h.mtime = "\xc0"s + std::string(11, '\0'); }), "does not fit 64 bits");
    check_refused(changed([](RawHeader& h) { h.size = "00000000008"; }), "not octal");
    check_refused(changed([](RawHeader& h) { h.size = "-0000000001"; }), "not octal");
    check_refused(changed([](RawHeader& h) { h.size = "0x1"; }), "not octal");
    check_refused(changed([](RawHeader& h) { h.size = "1\0002"s; }), "goes on after its end");
    check_refused(changed([](RawHeader& h) { h.size = "1 2"; }), "goes on after its end");
}

TEST_CASE("tar reader: a size in a pax record must agree with the header", "[unit][base]") {
    // CVE-2025-62518: readers that take the header's 0 find a second archive inside the content.
    const std::string smuggled = kFile;
    check_refused(pax("size", "512") + kFile + smuggled + end_blocks(), "size is 0 in the header but 512");
    check_refused(pax("size", "0") + changed([](RawHeader& h) { h.size = octal_size(512); }) + smuggled,
                  "but 0 in its pax");
    check_refused(pax("size", "8589934591") + kFile, "size is 0 in the header");
    check_refused(pax("size", "8589934592") + changed([](RawHeader& h) { h.size = octal_size(1); }), "in its pax");
    const std::string agreeing =
        pax("size", "3") + changed([](RawHeader& h) { h.size = octal_size(3); }) + padded("abc");
    REQUIRE(read_one(agreeing).size == 3);

    for (const std::string& in_header :
         {octal_size(0), octal_size(077777777777), base256(8589934592, 12), "100000000000"s}) {
        MemorySource source{std::string_view()};
        const std::string archive = pax("size", "8589934592") + changed([&](RawHeader& h) { h.size = in_header; });
        source = MemorySource(std::string_view(archive));
        TarReader reader(source);
        REQUIRE(reader.next()->size == 8589934592);
    }
    for (const char* size : {"-1", "18446744073709551616", "9223372036854775808", "0x10", "1.0", " 1", ""}) {
        INFO(size);
        check_refused(pax("size", size) + kFile, "the pax record size is");
    }
}

TEST_CASE("tar reader: pax records give names, ids, times and attributes", "[unit][base]") {
    const std::string records = pax_record("path", "new/path") + pax_record("uid", "4294967295") +
                                pax_record("gid", "2097152") + pax_record("mtime", "1700000000.999") +
                                pax_record("SCHILY.xattr.user.a", "x\0y\n"s) + pax_record("atime", "1.5") +
                                pax_record("LIBARCHIVE.xattr.user.a", "eA==") + pax_record("comment", "") +
                                pax_record("hdrcharset", "BINARY") + pax_record("uname", "me");
    const TarEntry entry = read_one(extension('x', records) + kFile);
    REQUIRE(entry.path == "new/path");
    REQUIRE(entry.uid == 4294967295);
    REQUIRE(entry.gid == 2097152);
    REQUIRE(entry.mtime == 1700000000);
    REQUIRE(entry.xattrs == std::map<std::string, std::string>{{"user.a", "x\0y\n"s}});

    REQUIRE(read_one(pax("mtime", "-1.5") + kFile).mtime == -2);
    REQUIRE(read_one(pax("mtime", "-1.000") + kFile).mtime == -1);
    REQUIRE(read_one(pax("mtime", "1.") + kFile).mtime == 1);
    for (const char* time : {"", ".", ".5", "--1", "1e5", "1.5.5", "9223372036854775807", "+1", "now"}) {
        INFO(time);
        check_refused(pax("mtime", time) + kFile, "the pax record mtime is");
    }
}

TEST_CASE("tar reader: damaged pax records are refused", "[unit][base]") {
    for (const std::string& records :
         {"x"s, "11 path=a\n"s, "8 path=a\n"s, "12 path=a\n"s, "0 path=a\n"s, "011 path=ab\n"s, "-1 path=a\n"s,
          "99999999999999999999 a=b\n"s, "5 =a\n"s, "7 path\n"s, "3 \n"s, "2 "s, " 11 path=ab\n"s,
          pax_record("path", "a") + "\0"s, pax_record("path", "a") + "garbage"}) {
        INFO(records);
        check_refused(extension('x', records) + kFile, "a pax record ");
    }
    REQUIRE(read_one(extension('x', "11 path=ab\n") + kFile).path == "ab");
    REQUIRE(read_one(extension('x', "") + kFile).path == "file");
}

TEST_CASE("tar reader: pax records that readers understand differently are refused", "[unit][base]") {
    check_refused(pax("path", "a\0b"s) + kFile, "NUL in a name");
    check_refused(pax("linkpath", "a\0"s) + kFile, "NUL in a name");
    check_refused(pax("pa\0th"s, "a") + kFile, "NUL in a name");
    check_refused(pax("path", "") + kFile, "pax record path is empty");
    check_refused(pax("uid", "") + kFile, "pax record uid is empty");
    check_refused(extension('x', pax_record("path", "a") + pax_record("path", "b")) + kFile, "comes twice: path");
    for (const char* key :
         {"GNU.sparse.size", "GNU.sparse.realsize", "GNU.sparse.major", "SCHILY.realsize", "SCHILY.devmajor"}) {
        check_refused(pax(key, "1") + kFile, "not supported");
    }
}

TEST_CASE("tar reader: headers that extend an entry are not mixed, doubled or left alone", "[unit][base]") {
    const std::string x = pax("path", "pax-name");
    const std::string l = extension('L', "gnu-name\0"s);
    const std::string k = extension('K', "gnu-target\0"s);
    const std::string g = extension('g', pax_record("comment", "0123"));
    const std::string link = changed([](RawHeader& h) {
        h.type = '2';
        h.link = "short";
    });
    REQUIRE(read_one(l + kFile).path == "gnu-name");
    REQUIRE(read_one(l + k + link).link == "gnu-target");
    REQUIRE(read_one(k + l + link).path == "gnu-name");
    REQUIRE(read_one(g + x + kFile).path == "pax-name");
    REQUIRE(read_one(g + g + kFile).path == "file");
    // GHSA-fp55-jw48-c537: whether the pax size belongs to the L header or to the file is a matter of taste.
    for (const std::string& mix : {x + l, l + x, x + k, k + x, x + x, l + l, k + k, k + l + k, x + g, l + g}) {
        check_refused(mix + kFile + end_blocks(), "header");
    }
    for (const std::string& alone : {x, l, k}) {
        check_refused(alone, "ends where an entry must follow");
        check_refused(alone + end_blocks(), "ends where an entry must follow");
    }
}

TEST_CASE("tar reader: global records that change entries are refused, comments are not", "[unit][base]") {
    for (const char* key :
         {"path", "linkpath", "size", "uid", "gid", "mtime", "SCHILY.xattr.user.a", "GNU.sparse.major"}) {
        check_refused(extension('g', pax_record(key, "1")) + kFile, "changes entries");
    }
}

TEST_CASE("tar reader: GNU long names end in one NUL or none", "[unit][base]") {
    REQUIRE(read_one(extension('L', "without") + kFile).path == "without");
    check_refused(extension('L', "a\0b\0"s) + kFile, "NUL inside");
    check_refused(extension('L', "a\0\0"s) + kFile, "NUL inside");
    check_refused(extension('L', "\0"s) + kFile, "is empty");
    check_refused(extension('L', "") + kFile, "is empty");
}

TEST_CASE("tar reader: names in headers end at the first NUL", "[unit][base]") {
    check_refused(changed([](RawHeader& h) { h.name = "good\0evil"s; }), "goes on after a NUL");
    check_refused(changed([](RawHeader& h) {
                      h.type = '2';
                      h.link = "good\0evil"s;
                  }),
                  "goes on after a NUL");
    check_refused(changed([](RawHeader& h) { h.prefix = "good\0evil"s; }), "goes on after a NUL");
    check_refused(changed([](RawHeader& h) { h.name = ""; }), "no path");
    REQUIRE(read_one(changed([](RawHeader& h) { h.prefix = "dir"; })).path == "dir/file");
}

TEST_CASE("tar reader: formats are told by their magic alone", "[unit][base]") {
    const std::string gnu = "ustar  \0"s;
    const std::string v7(8, '\0');
    REQUIRE(read_one(changed([&](RawHeader& h) { h.magic = gnu; })).path == "file");
    REQUIRE(read_one(changed([&](RawHeader& h) { h.magic = v7; })).path == "file");
    // Where GNU has times: 12 octal digits are no prefix, anything else was one to an old Go.
    REQUIRE(read_one(changed([&](RawHeader& h) {
                h.magic = gnu;
                h.prefix = "14000000000\00014000000000"s;
            })).path == "file");
    check_refused(changed([&](RawHeader& h) {
                      h.magic = gnu;
                      h.prefix = "dir";
                  }),
                  "not octal");
    check_refused(changed([&](RawHeader& h) {
                      h.magic = v7;
                      h.prefix = "dir";
                  }),
                  "no known tar format");
    check_refused(changed([&](RawHeader& h) { h.trailer = std::string(8, '\0') + "tar\0"s; }), "after its last field");
    check_refused(changed([](RawHeader& h) { h.magic = "ustar\0xx"s; }), "no known tar format");
    check_refused(changed([](RawHeader& h) { h.magic = "garbage!"; }), "no known tar format");
    check_refused(changed([&](RawHeader& h) {
                      h.magic = gnu;
                      h.prefix = std::string(41, '\0') + "00000001000";
                  }),
                  "sparse");
    check_refused(std::string(512, 'x'), "");
}

TEST_CASE("tar reader: kinds of entries", "[unit][base]") {
    const auto typed = [](char type, const std::string& name = "file", const std::string& link = {}) {
        return changed([&](RawHeader& h) {
            h.type = type;
            h.name = name;
            h.link = link;
        });
    };
    REQUIRE(read_one(typed('\0')).type == TarType::File);
    REQUIRE(read_one(typed('\0', "old/")).type == TarType::Directory);
    REQUIRE(read_one(typed('5', "d")).type == TarType::Directory);
    REQUIRE(read_one(typed('1', "h", "file")).link == "file");
    REQUIRE(read_one(typed('0', "f", "ignored")).link.empty());
    const TarEntry device = read_one(changed([](RawHeader& h) {
        h.type = '3';
        h.device_major = "0000005";
        h.device_minor = "0000001";
    }));
    REQUIRE((device.device_major == 5 && device.device_minor == 1));

    check_refused(typed('0', "file/"), "path of a directory");
    check_refused(pax("path", "file/") + kFile, "path of a directory");
    check_refused(typed('1', "h"), "no target");
    check_refused(typed('2', "s"), "no target");
    for (const char type : {'7', 'S', 'M', 'V', 'D', 'N', 'A', 'X', 'Z', '\xff', '\x01'}) {
        check_refused(typed(type), "entries of type");
    }
    // CVE-2016-5418 and kin: content after a header that other readers know to have none.
    for (const char type : {'1', '2', '3', '4', '5', '6'}) {
        check_refused(changed([&](RawHeader& h) {
                          h.type = type;
                          h.link = "target";
                          h.size = octal_size(512);
                      }) + kFile,
                      "has a size but is no file");
    }
}

TEST_CASE("tar reader: limits name themselves and their values", "[unit][base]") {
    TarLimits limits;
    limits.max_name = 300;
    const std::string most(300, 'n');
    REQUIRE(read_entries(pax("path", most) + kFile, limits).size() == 1);
    REQUIRE(read_entries(extension('L', most + '\0') + kFile, limits).size() == 1);
    check_refused(pax("path", most + "n") + kFile, "limit of 300", ErrorCode::InvalidInput, limits);
    check_refused(extension('L', most + "nn") + kFile, "limit of 301", ErrorCode::InvalidInput, limits);
    check_refused(extension('L', most + "n") + kFile, "limit of 300", ErrorCode::InvalidInput, limits);
    limits.max_entries = 2;
    REQUIRE(read_entries(kFile + kFile, limits).size() == 2);
    check_refused(kFile + kFile + kFile, "limit of 2 entries", ErrorCode::InvalidInput, limits);
    check_refused(extension('g', "") + extension('g', "") + kFile, "limit of 2 entries", ErrorCode::InvalidInput,
                  limits);

    check_refused(pax("SCHILY.xattr.user.a", std::string(64 * 1024, 'x')) + kFile, "limit of 65536",
                  ErrorCode::InvalidInput);
    std::string many;
    for (int i = 0; i < 20; ++i) {
        many += pax_record("SCHILY.xattr.user." + std::to_string(i), std::string(60'000, 'x'));
    }
    check_refused(extension('x', many) + kFile, "limit of 1048576", ErrorCode::InvalidInput);
    // Claims of sizes are checked before memory is taken.
    check_refused(changed([](RawHeader& h) {
                      h.type = 'x';
                      h.size = base256(INT64_MAX, 12);
                  }),
                  "limit of 1048576", ErrorCode::InvalidInput);
}
