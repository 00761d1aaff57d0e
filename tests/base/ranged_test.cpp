#include "cooper/base/ranged.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/files.hpp"

#include <catch2/catch.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include <thread>

using namespace cooper;

namespace {

std::string read_range(const Ranged& ranged, std::uint64_t offset, std::uint64_t length) {
    const auto source = ranged.open(offset, length);
    return read_all(*source, 1 << 20, "range");
}

void check_all_ranges(const Ranged& ranged, const std::string& text) {
    REQUIRE(ranged.size() == text.size());
    for (std::size_t offset = 0; offset <= text.size(); ++offset) {
        for (std::size_t length = 0; length <= text.size() - offset; ++length) {
            REQUIRE(read_range(ranged, offset, length) == text.substr(offset, length));
        }
    }
    REQUIRE_THROWS_AS(ranged.open(0, text.size() + 1), Error);
    REQUIRE_THROWS_AS(ranged.open(text.size() + 1, 0), Error);
    REQUIRE_THROWS_AS(ranged.open(1, UINT64_MAX), Error);
    REQUIRE_THROWS_AS(ranged.open(UINT64_MAX, 1), Error);
}

}  // namespace

TEST_CASE("ranged: every range of memory and of a file", "[unit][base]") {
    const std::string text = "0123456789";
    const TempDirectory directory;
    write_file(directory.path() / "f", text);
    check_all_ranges(MemoryRanged(text), text);
    check_all_ranges(BorrowedRanged(as_bytes(text)), text);
    check_all_ranges(FileRanged(directory.path() / "f"), text);
}

TEST_CASE("ranged: a source outlives the ranged, the file its name", "[unit][base]") {
    const TempDirectory directory;
    write_file(directory.path() / "f", "content");
    auto file = std::make_unique<FileRanged>(directory.path() / "f");
    auto memory = std::make_unique<MemoryRanged>("content");
    const auto from_file = file->open();
    const auto from_memory = memory->open();
    std::filesystem::remove(directory.path() / "f");
    file.reset();
    memory.reset();
    REQUIRE(read_all(*from_file, 100, "f") == "content");
    REQUIRE(read_all(*from_memory, 100, "m") == "content");
}

TEST_CASE("ranged: several threads read one file at once", "[unit][base]") {
    const TempDirectory directory;
    std::string text(300'000, '\0');
    for (std::size_t i = 0; i < text.size(); ++i) {
        text[i] = static_cast<char>(i * 31 >> 4);
    }
    write_file(directory.path() / "f", text);
    const FileRanged file(directory.path() / "f");
    std::array<std::string, 4> read;
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < read.size(); ++i) {
            threads.emplace_back([&, i] { read[i] = read_range(file, i * 1000, text.size() - i * 1000); });
        }
    }
    for (std::size_t i = 0; i < read.size(); ++i) {
        REQUIRE(read[i] == text.substr(i * 1000));
    }
}

TEST_CASE("ranged: a file that became shorter is an integrity error", "[unit][base]") {
    const TempDirectory directory;
    write_file(directory.path() / "f", "0123456789");
    const FileRanged file(directory.path() / "f");
    REQUIRE(truncate((directory.path() / "f").c_str(), 4) == 0);
    REQUIRE_THROWS_AS(read_range(file, 0, 10), IntegrityError);
}

TEST_CASE("ranged: what is no regular file is refused without waiting", "[unit][base]") {
    const TempDirectory directory;
    REQUIRE(mkfifo((directory.path() / "fifo").c_str(), 0600) == 0);
    REQUIRE_THROWS_WITH(FileRanged(directory.path() / "fifo"), Catch::Contains("is not a regular file"));
    REQUIRE_THROWS_AS(FileRanged(directory.path()), Error);
    try {
        const FileRanged absent(directory.path() / "absent");
        FAIL("opened");
    } catch (const Error& error) {
        REQUIRE(error.code() == ErrorCode::NotFound);
    }
}
