#include "cooper/delivery/parts.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"
#include "cooper/delivery/checksums.hpp"

#include <catch2/catch.hpp>

#include <functional>

using namespace cooper;
using namespace cooper::delivery;
using Path = std::filesystem::path;

namespace {

/// A file of `size` bytes, none like its neighbours.
std::string content_of(std::size_t size) {
    std::string text;
    while (text.size() < size) {
        text += std::to_string(text.size()) + " ";
    }
    return text.substr(0, size);
}

/// A directory with "app:1.tar" in it, split into "parts".
struct Delivery {
    TempDirectory directory;
    Path file = directory.path() / "app:1.tar";
    Path parts = directory.path() / "parts";
    Path out = directory.path() / "out.tar";
    std::string content;
    PartsList list;

    Delivery(std::size_t size, std::uint64_t part_size)
        : content(content_of(size)), list((write_file(file, content), split_file(file, part_size, parts, {}))) {}
    [[nodiscard]] Path part(std::size_t index) const { return parts / list.parts[index].name; }
    [[nodiscard]] Path list_path() const { return parts / "app_1.tar.parts.json"; }
    [[nodiscard]] std::vector<Path> all() const {
        std::vector<Path> paths;
        for (const Part& each : list.parts) {
            paths.push_back(parts / each.name);
        }
        return paths;
    }
    JoinReport join(const std::vector<Path>& inputs) const { return join_parts(inputs, out, {}); }
};

std::string read(const Path& path) {
    return read_file(path, 1 << 20);
}

void flip(const Path& path, std::size_t at) {
    std::string text = read(path);
    text[at] = static_cast<char>(text[at] ^ 1);
    write_file(path, text);
}

std::string message_of(const std::function<void()>& body, ErrorCode code) {
    try {
        body();
    } catch (const Error& error) {
        CHECK(error.code() == code);
        return error.what();
    }
    FAIL("nothing was thrown");
    return {};
}

}  // namespace

TEST_CASE("parts: names sort, have the count in them and are read back", "[unit][delivery]") {
    CHECK(part_name("a.tar", 1, 4) == "a.tar.part001of004");
    CHECK(part_name("a.tar", 7, 999) == "a.tar.part007of999");
    CHECK(part_name("a.tar", 7, 1000) == "a.tar.part0007of1000");
    CHECK(part_name("a.tar", 10000, 10000) == "a.tar.part10000of10000");
    CHECK(parse_part_name("a.tar.part002of004") == PartName{"a.tar", 2, 4});
    CHECK(parse_part_name("a.part001of002.part0002of1000") == PartName{"a.part001of002", 2, 1000});
    for (const std::string name :
         {"", "a.tar", ".part001of001", "a.part1of1", "a.part000of001", "a.part002of001", "a.part0001of0001",
          "a.part001of1000", "a.part001of", "a.partof001", "a.part001of00x", "a.part001of001x", "a.part00001of10001",
          "a.part001of99999999999999999999"}) {
        INFO(name);
        CHECK_FALSE(parse_part_name(name));
    }
}

TEST_CASE("parts: sizes are presets or bytes with a suffix", "[unit][delivery]") {
    CHECK(parse_part_size("fat32") == 4294967295);
    CHECK(parse_part_size("dvd") == 4692251770);
    CHECK(parse_part_size("mail") == 20971520);
    CHECK(parse_part_size("1") == 1);
    CHECK(parse_part_size("3K") == 3072);
    CHECK(parse_part_size("500M") == 524288000);
    CHECK(parse_part_size("4G") == 4294967296);
    CHECK(parse_part_size("1T") == 1099511627776);
    for (const std::string text : {"", "0", "0G", "G", "-1", "4GB", "4 G", "4.5G", "cd", "99999999T", "1\033[31m"}) {
        INFO(text);
        CHECK_THROWS_WITH(parse_part_size(text), Catch::Contains("is no size of a part"));
    }
}

TEST_CASE("parts: whatever the size, cat of the parts is the file, and join proves it", "[unit][delivery]") {
    constexpr std::uint64_t n = 64;
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, n - 1, n, n + 1, 2 * n - 1, 2 * n, 2 * n + 1, 10 * n}) {
        INFO(size);
        const Delivery delivery(size, n);
        const std::size_t count = std::max<std::size_t>(1, (size + n - 1) / n);
        REQUIRE(delivery.list.parts.size() == count);
        std::string joined;
        for (const Path& path : delivery.all()) {
            joined += read(path);
        }
        CHECK(joined == delivery.content);
        CHECK(parts_from_json(read(delivery.list_path()), "list") == delivery.list);
        CHECK(delivery.list.name == "app_1.tar");
        CHECK(delivery.list.sha256 == sha256(delivery.content));
        const auto sums = Checksums::parse(read(delivery.parts / "SHA256SUMS"), "sums");
        CHECK(sums.entries().size() == count + 2);
        CHECK(*sums.find("app_1.tar") == sha256(delivery.content));
        CHECK(*sums.find(delivery.list.parts.back().name) == sha256(read(delivery.part(count - 1))));
        for (const auto& inputs : {delivery.all(), {delivery.list_path()}}) {
            const JoinReport report = delivery.join(inputs);
            CHECK(read(report.file) == delivery.content);
            CHECK((report.whole_proved && report.parts_proved));
            CHECK(report.sha256 == sha256(delivery.content));
        }
    }
}

TEST_CASE("parts: more than 999 have longer numbers", "[unit][delivery]") {
    const Delivery delivery(1001, 1);
    CHECK(delivery.list.parts.front().name == "app_1.tar.part0001of1001");
    CHECK(delivery.join({delivery.list_path()}).sha256 == sha256(delivery.content));
    CHECK_THROWS_WITH(split_file(delivery.file, 0, delivery.parts, {}), Catch::Contains("0 bytes"));
    write_file(delivery.file, content_of(10'001));
    CHECK_THROWS_WITH(split_file(delivery.file, 1, delivery.parts, {}), Catch::Contains("the limit is 10000"));
}

TEST_CASE("parts: another split of the file replaces its lines in SHA256SUMS and no others", "[unit][delivery]") {
    const Delivery delivery(100, 30);
    const Path sums_path = delivery.parts / "SHA256SUMS";
    Checksums sums = Checksums::parse(read(sums_path), "sums");
    sums.add("other.tar", sha256("other"));
    sums.add("other.tar.part001of001", sha256("part"));
    sums.add("app_1.tar.lock.json", sha256("lock"));
    write_file(sums_path, sums.text());
    split_file(delivery.file, 50, delivery.parts, {});
    const auto merged = Checksums::parse(read(sums_path), "sums");
    CHECK(merged.entries().size() == 3 + 2 + 2);
    CHECK(merged.find("app_1.tar.part001of004") == nullptr);
    CHECK(merged.find("app_1.tar.part002of002") != nullptr);
    CHECK(merged.find("other.tar.part001of001") != nullptr);
    CHECK(merged.find("app_1.tar.lock.json") != nullptr);
}

TEST_CASE("parts: what is missing, foreign, twice or damaged is named", "[unit][delivery]") {
    const Delivery delivery(100, 30);
    auto inputs = delivery.all();
    const auto refused = [&](ErrorCode code) { return message_of([&] { delivery.join(inputs); }, code); };
    using Catch::Contains;
    SECTION("missing on the command line") {
        inputs.erase(inputs.begin() + 2);
        CHECK_THAT(refused(ErrorCode::InvalidInput), Contains("there are missing: app_1.tar.part003of004"));
    }
    SECTION("missing on the disk") {
        std::filesystem::remove(delivery.part(1));
        inputs = {delivery.list_path()};
        CHECK_THAT(refused(ErrorCode::NotFound), Contains("there are missing: app_1.tar.part002of004"));
    }
    SECTION("of another split") {
        inputs.push_back(delivery.parts / "app_1.tar.part001of003");
        CHECK_THAT(refused(ErrorCode::InvalidInput),
                   Contains("1 like app_1.tar.part001of003, 4 like app_1.tar.part001of004"));
    }
    SECTION("a list of another split") {
        split_file(delivery.file, 50, delivery.parts, {});
        CHECK_THAT(refused(ErrorCode::InvalidInput), Contains("is of another split: it lists 2 parts"));
    }
    SECTION("twice") {
        inputs.push_back(delivery.directory.path() / "app_1.tar.part001of004");
        CHECK_THAT(refused(ErrorCode::InvalidInput), Contains("are the same part"));
    }
    SECTION("no part at all") {
        inputs.push_back(delivery.file);
        CHECK_THAT(refused(ErrorCode::InvalidInput), Contains("app:1.tar is neither a part"));
    }
    SECTION("nothing") {
        inputs.clear();
        CHECK_THAT(refused(ErrorCode::InvalidInput), Contains("nothing to join"));
    }
    SECTION("cut") {
        write_file(delivery.part(1), "short");
        CHECK_THAT(refused(ErrorCode::Integrity), Contains("part002of004 is cut short"));
        std::filesystem::remove(delivery.list_path());
        CHECK_THAT(refused(ErrorCode::Integrity), Contains("part002of004 is cut short"));
    }
    SECTION("damaged") {
        flip(delivery.part(0), 3);
        flip(delivery.part(3), 9);
        CHECK_THAT(refused(ErrorCode::Integrity),
                   Contains("app_1.tar.part001of004, app_1.tar.part004of004 are damaged"));
        std::filesystem::remove(delivery.list_path());
        CHECK_THAT(refused(ErrorCode::Integrity), Contains("are damaged"));
    }
    SECTION("parts that were exchanged") {
        std::filesystem::rename(delivery.part(0), delivery.parts / "x");
        std::filesystem::rename(delivery.part(1), delivery.part(0));
        std::filesystem::rename(delivery.parts / "x", delivery.part(1));
        CHECK_THAT(refused(ErrorCode::Integrity), Contains("are damaged"));
    }
    SECTION("a list that was changed") {
        std::string text = read(delivery.list_path());
        text[text.find("sha256") + 12] ^= 1;
        write_file(delivery.list_path(), text);
        CHECK_THAT(refused(ErrorCode::Integrity), Contains("app_1.tar.parts.json is not what SHA256SUMS says"));
    }
    SECTION("SHA256SUMS that was changed") {
        flip(delivery.parts / "SHA256SUMS", 0);
        CHECK_THAT(refused(ErrorCode::Integrity), Contains("say different things of app_1.tar"));
    }
    CHECK_FALSE(std::filesystem::exists(delivery.out));
}

TEST_CASE("parts: what could not be proved is said", "[unit][delivery]") {
    const Delivery delivery(100, 30);
    std::filesystem::remove(delivery.list_path());
    CHECK(delivery.join(delivery.all()).whole_proved);
    Checksums parts_only;
    for (const Part& part : delivery.list.parts) {
        parts_only.add(part.name, part.sha256);
    }
    write_file(delivery.parts / "SHA256SUMS", parts_only.text());
    const JoinReport by_parts = delivery.join(delivery.all());
    CHECK((by_parts.parts_proved && !by_parts.whole_proved));
    std::filesystem::remove(delivery.parts / "SHA256SUMS");
    const JoinReport unproved = join_parts(delivery.all(), std::nullopt, {});
    CHECK_FALSE((unproved.parts_proved || unproved.whole_proved));
    CHECK(unproved.file == delivery.parts / "app_1.tar");
    CHECK(read(unproved.file) == delivery.content);
}

TEST_CASE("parts: on several media they are found where they are", "[unit][delivery]") {
    const Delivery delivery(100, 60);
    const Path elsewhere = delivery.directory.path() / "elsewhere";
    std::filesystem::create_directory(elsewhere);
    std::filesystem::rename(delivery.part(1), elsewhere / delivery.list.parts[1].name);
    const auto report = delivery.join({elsewhere / delivery.list.parts[1].name, delivery.part(0)});
    CHECK((report.parts_proved && report.whole_proved));
    CHECK(read(delivery.out) == delivery.content);
}

TEST_CASE("parts: a list must add up and name its own parts", "[unit][delivery]") {
    const PartsList good{"a.tar",
                         70,
                         sha256("x"),
                         30,
                         {{"a.tar.part001of003", 30, sha256("1")},
                          {"a.tar.part002of003", 30, sha256("2")},
                          {"a.tar.part003of003", 10, sha256("3")}}};
    REQUIRE(parts_from_json(parts_to_json(good), "list") == good);
    const std::vector<std::function<void(PartsList&)>> lies = {
        [](PartsList& list) { list.name = "../a.tar"; },
        [](PartsList& list) { list.name.clear(); },
        [](PartsList& list) { list.size = 71; },
        [](PartsList& list) { list.size = 60; },
        [](PartsList& list) { list.part_size = 0; },
        [](PartsList& list) { list.part_size = 31; },
        [](PartsList& list) { list.parts[0].size = 29; },
        [](PartsList& list) { list.parts[2].size = ~0ULL; },
        [](PartsList& list) { list.parts.pop_back(); },
        [](PartsList& list) { list.parts.clear(); },
        [](PartsList& list) { list.parts[1].name = "/etc/passwd"; },
        [](PartsList& list) { std::swap(list.parts[0], list.parts[1]); },
    };
    for (const auto& lie : lies) {
        PartsList list = good;
        lie(list);
        INFO(parts_to_json(list));
        CHECK(message_of([&] { parts_from_json(parts_to_json(list), "list"); }, ErrorCode::InvalidInput).find("list") ==
              0);
    }
    for (const std::string text : {"", "[]", "{}", R"({"name":"a","size":0,"sha256":"","part_size":1,"parts":[]})"}) {
        CHECK_THROWS_AS(parts_from_json(text, "list"), Error);
    }
}

TEST_CASE("parts: a stop leaves no parts behind", "[unit][delivery]") {
    struct StopsLater final : Progress {
        explicit StopsLater(std::stop_source& source) : source_(source) {}
        void advance(std::string_view /*task*/, std::uint64_t done) noexcept override {
            if (done > 60) {
                source_.request_stop();
            }
        }
        std::stop_source& source_;
    };
    TempDirectory directory;
    write_file(directory.path() / "a.tar", content_of(200));
    std::stop_source source;
    StopsLater progress(source);
    const Path parts = directory.path() / "parts";
    CHECK_THROWS_AS(
        split_file(directory.path() / "a.tar", 30, parts, {.stop = source.get_token(), .progress = &progress}),
        Cancelled);
    CHECK(std::filesystem::is_empty(parts));
}
