#include "cooper/delivery/reused_ranges.hpp"

#include <catch2/catch.hpp>

#include <algorithm>
#include <map>
#include <numeric>
#include <random>

using namespace cooper;
using namespace cooper::delivery;

namespace {

constexpr std::uint64_t kMiB = 1ULL << 20;

/// Segments by a letter each: equal letters have equal bytes. Literals are lower case.
std::vector<LockedSegment> segments_of(std::string_view letters, const std::map<char, std::uint64_t>& sizes) {
    std::vector<LockedSegment> segments;
    for (const char letter : letters) {
        segments.push_back({sizes.at(letter), sha256(std::string(1, letter)), letter < 'a'});
    }
    return segments;
}

std::uint64_t total(const std::vector<std::uint64_t>& parts) {
    return std::accumulate(parts.begin(), parts.end(), std::uint64_t{0});
}

}  // namespace

TEST_CASE("reused ranges: what lies together in both tarballs is one range", "[unit][delivery]") {
    const std::map<char, std::uint64_t> sizes{{'a', 100}, {'b', 200}, {'h', 10}, {'A', 1000}, {'B', 2000}, {'C', 3000}};
    const auto old_segments = segments_of("aAhBhC", sizes);
    CHECK(reused_ranges(old_segments, segments_of("aAhBhC", sizes)) ==
          std::vector<ReusedRange>{{0, 100 + 1000 + 10 + 2000 + 10 + 3000, 0}});
    CHECK(reused_ranges(old_segments, segments_of("bAhBhC", sizes)) ==
          std::vector<ReusedRange>{{200, 1000 + 10 + 2000 + 10 + 3000, 100}});
    // Another order: "h" first follows A in the old one.
    CHECK(reused_ranges(old_segments, segments_of("bChA", sizes)) ==
          std::vector<ReusedRange>{{200, 3000, 3120}, {3200, 10, 1100}, {3210, 1000, 100}});
    CHECK(reused_ranges(old_segments, segments_of("b", sizes)).empty());
    CHECK(reused_ranges({}, old_segments).empty());
    CHECK(reused_ranges(old_segments, {}).empty());
}

TEST_CASE("reused ranges: an equal digest with another size is not the same", "[unit][delivery]") {
    CHECK(reused_ranges(segments_of("A", {{'A', 5}}), segments_of("A", {{'A', 6}})).empty());
}

TEST_CASE("reuse: finds ranges inside one reused range only", "[unit][delivery]") {
    const Reuse reuse{"k", "e", {{10, 20, 1000}, {30, 5, 50}}};
    CHECK(reuse.find(10, 20) == 1000U);
    CHECK(reuse.find(15, 15) == 1005U);
    CHECK(reuse.find(30, 5) == 50U);
    CHECK_FALSE(reuse.find(9, 2));
    CHECK_FALSE(reuse.find(25, 6));  // into the next range, which lies elsewhere
    CHECK_FALSE(reuse.find(35, 1));
    CHECK(reuse.bytes() == 25);
}

TEST_CASE("cut: a changed layer between two long ranges is sent, with what a part lacks", "[unit][delivery]") {
    // Documents of 20 KiB, 400 MiB as they were, 3 MiB changed, 100 MiB as they were.
    const std::uint64_t size = 20'480 + 503 * kMiB;
    const Reuse reuse{"k", "e", {{20'480, 400 * kMiB, 9000}, {20'480 + 403 * kMiB, 100 * kMiB, 500 * kMiB}}};
    const auto parts = cut_parts(size, reuse.ranges, 5 * kMiB, 10 * kMiB);
    REQUIRE(total(parts) == size);
    std::uint64_t sent = 0;
    std::uint64_t at = 0;
    for (const std::uint64_t part : parts) {
        sent += reuse.find(at, part) ? 0 : part;
        at += part;
    }
    CHECK(sent == 10 * kMiB);
}

TEST_CASE("cut: any ranges make parts that a store takes", "[unit][delivery]") {
    std::mt19937_64 random(7);  // NOLINT: a fixed seed
    for (int round = 0; round < 2000; ++round) {
        std::vector<ReusedRange> ranges;
        std::uint64_t at = 0;
        const std::size_t count = random() % 6;
        for (std::size_t i = 0; i < count; ++i) {
            at += random() % 4 == 0 ? 0 : random() % 3000;
            const std::uint64_t length = 1 + random() % 5000;
            ranges.push_back({at, length, random() % 100'000});
            at += length;
        }
        const std::uint64_t size = at + (random() % 3 == 0 ? 0 : random() % 2000) + (at == 0 ? 1 : 0);
        const std::uint64_t least = 100;
        const std::uint64_t most = 200 + random() % 300;
        const auto parts = cut_parts(size, ranges, least, most);
        REQUIRE(total(parts) == size);
        for (std::size_t i = 0; i < parts.size(); ++i) {
            REQUIRE(parts[i] <= most);
            REQUIRE(parts[i] >= (i + 1 < parts.size() ? least : 1));
        }
        // What is long enough is copied but for the least that a part before it may need.
        const Reuse reuse{"k", "e", ranges};
        std::uint64_t copied = 0;
        std::uint64_t offset = 0;
        for (const std::uint64_t part : parts) {
            copied += reuse.find(offset, part) ? part : 0;
            offset += part;
        }
        std::uint64_t expected = 0;
        for (const ReusedRange& range : ranges) {
            expected += range.length >= 2 * least ? range.length - least : 0;
        }
        REQUIRE(copied >= expected);
    }
}
