#include "cooper/base/text.hpp"
#include "cooper/s3/checksum.hpp"

#include "s3/crc64.hpp"
#include "support/fake_s3_auth.hpp"

#include <catch2/catch.hpp>

#include <random>
#include <vector>

using namespace cooper;      // NOLINT(google-build-using-namespace)
using namespace cooper::s3;  // NOLINT(google-build-using-namespace)

namespace {

std::vector<std::byte> random_bytes(std::size_t size, unsigned seed) {
    std::mt19937 random(seed);
    std::vector<std::byte> bytes(size);
    for (std::byte& byte : bytes) {
        byte = static_cast<std::byte>(random());
    }
    return bytes;
}

}  // namespace

TEST_CASE("crc64: the check value of the catalogue", "[unit][s3]") {
    CHECK(crc64nvme(as_bytes("123456789")) == 0xAE8B14860A799888ULL);
    CHECK(crc64nvme({}) == 0);
    CHECK(crc64nvme_header(0xAE8B14860A799888ULL) == "rosUhgp5mIg=");
}

TEST_CASE("crc64: tables and folding agree with the bit-by-bit way on every length and alignment", "[unit][s3]") {
    const std::vector<std::byte> bytes = random_bytes(1200, 1);
    for (std::size_t length = 0; length <= 1100; length += length < 300 ? 1 : 37) {
        for (const std::size_t start : {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{15}}) {
            INFO(length << " bytes from " << start);
            const Bytes part = Bytes(bytes).subspan(start, length);
            const std::uint64_t expected = cooper::testing::s3_auth::crc64nvme(as_text(part));
            REQUIRE(~crc64_by_table(~0ULL, part) == expected);
            if (crc64_can_fold()) {
                REQUIRE(~crc64_by_folding(~0ULL, part) == expected);
            }
            REQUIRE(crc64nvme(part) == expected);
        }
    }
}

TEST_CASE("crc64: cut anywhere, going on and combining give the whole", "[unit][s3]") {
    const std::vector<std::byte> bytes = random_bytes(70'000, 2);
    const std::uint64_t whole = crc64nvme(bytes);
    std::mt19937 random(3);
    for (int i = 0; i < 200; ++i) {
        const std::size_t cut = random() % (bytes.size() + 1);
        INFO("cut at " << cut);
        const Bytes first = Bytes(bytes).first(cut);
        const Bytes second = Bytes(bytes).subspan(cut);
        CHECK(crc64nvme(second, crc64nvme(first)) == whole);
        CHECK(crc64nvme_combine(crc64nvme(first), crc64nvme(second), second.size()) == whole);
    }
}

TEST_CASE("crc64: combining with nothing changes nothing, however long the other is", "[unit][s3]") {
    const std::uint64_t crc = crc64nvme(as_bytes("part"));
    CHECK(crc64nvme_combine(crc, 0, 0) == crc);
    CHECK(crc64nvme_combine(0, crc, 4) == crc);
    // 48 TiB of parts: (A + B) + C is A + (B + C).
    const std::uint64_t huge = 53'000'000'000'000ULL;
    const std::uint64_t a_bc = crc64nvme_combine(1, crc64nvme_combine(2, 3, huge), 2 * huge);
    CHECK(crc64nvme_combine(crc64nvme_combine(1, 2, huge), 3, huge) == a_bc);
}
