#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/tar.hpp"

#include "base/scripted_streams.hpp"
#include "base/tar_cases.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

std::vector<TarCase> read_tar(const std::string& archive) {
    PiecewiseSource source(archive, 1000);
    TarReader reader(source);
    std::vector<TarCase> cases;
    while (auto entry = reader.next()) {
        cases.push_back({*entry, read_all(reader.content(), 1 << 24, "content")});
    }
    return cases;
}

TarEntry named(std::string path, TarType type = TarType::File) {
    TarEntry entry;
    entry.type = type;
    entry.path = std::move(path);
    return entry;
}

}  // namespace

TEST_CASE("tar: what is written reads back the same", "[unit][base]") {
    const auto cases = thirty_cases();
    REQUIRE(cases.size() == 30);
    const auto read = read_tar(write_tar(cases));
    REQUIRE(read.size() == cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        INFO(cases[i].entry.path);
        TarEntry expected = cases[i].entry;
        if (expected.type == TarType::Directory && !expected.path.ends_with('/')) {
            expected.path += '/';
        }
        REQUIRE(read[i].entry == expected);
        REQUIRE(read[i].content == cases[i].content);
    }
}

TEST_CASE("tar: the bytes are the ones that we promise", "[unit][base][golden]") {
    TarEntry huge = named("huge");
    huge.size = 9'000'000'000;
    // Layers are named by these bytes: a change here changes every layer digest and needs a note in the change log.
    REQUIRE(sha256(write_tar(thirty_cases())).hex() ==
            "9044adf245fef19ddfff3dab34e2f2f00ac22983c32d058d1d8656e688dfb646");
    REQUIRE(sha256(tar_header(huge)).hex() == "6d4883b55ec1b5fd859dbb5327ca315114c70504f4e0daeee7d5dade1d34afd2");
    REQUIRE(tar_header(huge).find("19 size=9000000000\n") == 512);
}

TEST_CASE("tar: one block where ustar fits, pax records where it does not", "[unit][base]") {
    const auto blocks = [](const TarEntry& entry) { return tar_header(entry).size() / kTarBlock; };
    const std::string p155(155, 'p');
    REQUIRE(blocks(named(std::string(100, 'a'))) == 1);
    REQUIRE(blocks(named(std::string(101, 'a'))) == 3);
    REQUIRE(blocks(named(p155 + "/" + std::string(100, 'n'))) == 1);
    REQUIRE(blocks(named(p155 + "x/" + std::string(100, 'n'))) == 3);
    REQUIRE(blocks(named("/" + std::string(60, 'a') + "/" + std::string(60, 'b'))) == 1);
    REQUIRE(blocks(named(std::string(99, 'e'), TarType::Directory)) == 1);
    REQUIRE(blocks(named(std::string(100, 'e'), TarType::Directory)) == 3);
    TarEntry entry = named("f");
    entry.size = 077777777777;
    REQUIRE(blocks(entry) == 1);
    entry.size += 1;
    REQUIRE(blocks(entry) == 3);
    entry.xattrs = {{"user.large", std::string(1900, 'x')}};
    REQUIRE(blocks(entry) == 1 + 4 + 1);
}

TEST_CASE("tar: what no archive can say is refused", "[unit][base]") {
    std::vector<TarEntry> wrong = {named(""), named("a\0b"s), named("dir/"), named("l", TarType::Symlink),
                                   named("h", TarType::HardLink)};
    wrong.push_back(named("t"));
    wrong.back().mtime = -1;
    wrong.push_back(named("l", TarType::Symlink));
    wrong.back().link = "a\0b"s;
    wrong.push_back(named("f"));
    wrong.back().link = "elsewhere";
    wrong.push_back(named("d", TarType::Directory));
    wrong.back().size = 1;
    wrong.push_back(named("x"));
    wrong.back().xattrs = {{"user.a=b", ""}};
    wrong.push_back(named("x"));
    wrong.back().xattrs = {{"", ""}};
    wrong.push_back(named("dev", TarType::BlockDevice));
    wrong.back().device_minor = 2097152;
    for (const TarEntry& entry : wrong) {
        INFO(entry.path);
        try {
            tar_header(entry);
            FAIL("written");
        } catch (const Error& error) {
            REQUIRE(error.code() == ErrorCode::InvalidInput);
        }
    }
}

TEST_CASE("tar: a file that changes while it is read is an integrity error with its path", "[unit][base][fault]") {
    StringSink sink(1 << 20);
    TarWriter writer(sink);
    TarEntry entry = named("grown");
    entry.size = 5;
    for (const std::string& content : {"1234"s, ""s, "123456"s, std::string(1'000'000, 'x')}) {
        PiecewiseSource source(content, 4096);
        REQUIRE_THROWS_AS(writer.add(entry, source), IntegrityError);
    }
    PiecewiseSource shorter("1234", 2);
    REQUIRE_THROWS_WITH(writer.add(entry, shorter),
                        "size of 'grown', which changed while it was read: expected 5 bytes, got 4");
    REQUIRE_THROWS_AS(writer.add(entry), IntegrityError);
}

TEST_CASE("tar: failures and stops on either side pass through", "[unit][base][fault]") {
    TarEntry entry = named("f");
    entry.size = 5;
    for (int writes = 0; writes < 4; ++writes) {
        FailingSink sink(writes);
        TarWriter writer(sink);
        const auto write_all = [&] {
            PiecewiseSource content("12345", 100);
            writer.add(entry, content);
            writer.finish();
        };
        REQUIRE_THROWS_WITH(write_all(), "scripted failure");
        REQUIRE_FALSE(sink.finished());
    }
    FailingSink sink(4);
    TarWriter writer(sink);
    PiecewiseSource content("12345", 100);
    writer.add(entry, content);
    writer.finish();
    REQUIRE(sink.finished());

    StringSink other(1000);
    TarWriter stopped(other);
    std::stop_source stop;
    stop.request_stop();
    PiecewiseSource endless("12345", 100);
    REQUIRE_THROWS_AS(stopped.add(entry, endless, stop.get_token()), Cancelled);
}
