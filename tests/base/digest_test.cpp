#include "cooper/base/digest.hpp"

#include "cooper/base/error.hpp"

#include "base/scripted_streams.hpp"

#include <catch2/catch.hpp>

#include <set>

using namespace cooper;
using cooper::testing::PiecewiseSource;

namespace {

const std::string kAbc256 = "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
const std::string kEmpty256 = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
const std::string kAbc512 =
    "sha512:ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
    "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f";

std::string read_verified(const std::string& text, const Digest& digest, std::uint64_t size, std::size_t piece = 2) {
    const auto source = verified(std::make_unique<PiecewiseSource>(text, piece), digest, size, "layer 3 of 9");
    return read_all(*source, 1000, "layer");
}

}  // namespace

TEST_CASE("digest: the vectors of FIPS 180-4", "[unit][base]") {
    REQUIRE(sha256("abc").text() == kAbc256);
    REQUIRE(sha256("").text() == kEmpty256);
    Hasher hasher(DigestAlgorithm::Sha512);
    hasher.update("a");
    Hasher moved = std::move(hasher);
    moved.update("");
    moved.update("bc");
    REQUIRE(moved.finish().text() == kAbc512);
}

TEST_CASE("digest: parts of its text", "[unit][base]") {
    const Digest digest = Digest::parse(kAbc256);
    REQUIRE(digest.text() == kAbc256);
    REQUIRE(digest.hex() == kAbc256.substr(7));
    REQUIRE(digest.algorithm_name() == "sha256");
    REQUIRE(digest.shortened() == "sha256:ba7816bf8f01");
    REQUIRE(Digest::parse(kAbc512).algorithm() == DigestAlgorithm::Sha512);
    REQUIRE(Digest::parse(kAbc512).hex().size() == 128);
    REQUIRE(std::set<Digest>{sha256("a"), sha256("b"), sha256("a")}.size() == 2);
}

TEST_CASE("digest: anything but the two exact forms is refused", "[unit][base]") {
    const std::string hex = kAbc256.substr(7);
    for (const std::string& text :
         {std::string(), std::string("sha256:"), "sha256:" + hex.substr(1), "sha256:" + hex + "0",
          "sha256:" + hex.substr(1) + "A", "sha256:" + hex.substr(1) + "g", "SHA256:" + hex, "sha256-" + hex,
          "sha512:" + hex, "sha256:" + kAbc512.substr(7), " " + kAbc256, kAbc256 + "\n", "md5:" + hex.substr(32), hex,
          "sha256:../" + hex.substr(3), "sha256:" + hex.substr(1) + std::string(1, '\0')}) {
        INFO(text);
        REQUIRE_FALSE(Digest::try_parse(text));
        REQUIRE_THROWS_AS(Digest::parse(text), Error);
    }
    try {
        Digest::parse(std::string(5000, 'x'));
        FAIL("accepted");
    } catch (const Error& error) {
        REQUIRE(error.code() == ErrorCode::InvalidInput);
        REQUIRE(std::string(error.what()).size() < 300);
    }
}

TEST_CASE("verified: good content passes, whatever its pieces", "[unit][base]") {
    for (const std::size_t piece : {1U, 2U, 3U, 100U}) {
        REQUIRE(read_verified("abc", Digest::parse(kAbc256), 3, piece) == "abc");
    }
    REQUIRE(read_verified("", Digest::parse(kEmpty256), 0).empty());
    REQUIRE(read_verified("abc", Digest::parse(kAbc512), 3) == "abc");
}

TEST_CASE("verified: each lie is found and named", "[unit][base]") {
    const Digest digest = Digest::parse(kAbc256);
    REQUIRE_THROWS_WITH(read_verified("abd", digest, 3),
                        "digest of layer 3 of 9: expected " + kAbc256 + ", got " + sha256("abd").text());
    REQUIRE_THROWS_WITH(read_verified("ab", digest, 3), "size of layer 3 of 9: expected 3 bytes, got 2");
    REQUIRE_THROWS_WITH(read_verified("abcd", digest, 3), "size of layer 3 of 9: expected 3 bytes, got more");
    REQUIRE_THROWS_AS(read_verified("x", Digest::parse(kEmpty256), 0), IntegrityError);
    REQUIRE_THROWS_AS(read_verified("", digest, 0), IntegrityError);
}

TEST_CASE("verified: the last bytes of a wrong content are never handed out", "[unit][base]") {
    const auto source = verified(std::make_unique<PiecewiseSource>("abd", 2), Digest::parse(kAbc256), 3, "blob");
    std::byte buffer[3];
    REQUIRE(source->read(buffer) == 2);
    REQUIRE_THROWS_AS(source->read(buffer), IntegrityError);
}

TEST_CASE("verified: an empty read is no end, and the end stays the end", "[unit][base]") {
    const auto source = verified(std::make_unique<PiecewiseSource>("abc", 10), Digest::parse(kAbc256), 3, "blob");
    std::byte buffer[8];
    REQUIRE(source->read({}) == 0);
    REQUIRE(source->read(buffer) == 3);
    REQUIRE(source->read(buffer) == 0);
    REQUIRE(source->read(buffer) == 0);
}

TEST_CASE("verified: a failure beneath passes through unchanged", "[unit][base]") {
    const auto source = verified(std::make_unique<PiecewiseSource>("abc", 1, 2), Digest::parse(kAbc256), 3, "blob");
    REQUIRE_THROWS_WITH(read_all(*source, 10, "x"), "scripted failure");
}
