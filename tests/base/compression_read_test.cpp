#include "cooper/base/error.hpp"

#include "base/compression_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::testing;
using namespace std::string_literals;

namespace {

/// The code of the Error that `body` throws; fails the test when it throws none.
template <class F>
ErrorCode code_of(F&& body) {
    try {
        body();
    } catch (const Error& error) {
        INFO(error.what());
        return error.code();
    }
    FAIL("no error");
    return ErrorCode::System;
}

std::string skippable_frame(std::string_view content) {
    std::string frame = "\x53\x2a\x4d\x18"s;
    for (unsigned i = 0; i < 4; ++i) {
        frame += static_cast<char>(content.size() >> (8 * i));
    }
    return frame + std::string(content);
}

}  // namespace

TEST_CASE("compression: is told by its magic", "[unit][base]") {
    const auto detect = [](std::string_view text) { return detect_compression(as_bytes(text)); };
    CHECK(detect(zlib_gzip("x")) == Compression::Gzip);
    CHECK(detect(zstd_frame("x")) == Compression::Zstd);
    CHECK(detect(skippable_frame("x")) == Compression::Zstd);
    CHECK(detect("\x5f\x2a\x4d\x18"s) == Compression::Zstd);
    CHECK(detect("\x60\x2a\x4d\x18"s) == Compression::None);
    CHECK(detect("\xfd\x37\x7a\x58\x5a\x00"s) == Compression::Xz);
    CHECK(detect("\xfd\x37\x7a\x58\x5a"s) == Compression::None);
    CHECK(detect("BZh9") == Compression::Bzip2);
    CHECK(detect("") == Compression::None);
    CHECK(detect("\x1f"s) == Compression::None);
    CHECK(detect("ustar") == Compression::None);
    CHECK(to_string(Compression::Zstd) == "zstd");
}

TEST_CASE("compression: what is read by magic comes out whole, however short it is", "[unit][base]") {
    for (const auto& text : {std::string(), "a"s, "BZ"s, "plain tar"s, wordy_text(100'000)}) {
        for (const auto& stream : {text, zlib_gzip(text), zstd_frame(text)}) {
            const auto source = decompressed_by_magic(std::make_unique<SlowSource>(stream, 3));
            CHECK(read_all(*source, 1 << 20, "text") == text);
        }
    }
    CHECK(code_of([] { decompressed_by_magic(std::make_unique<SlowSource>("\xfd\x37\x7a\x58\x5a\x00 xz"s, 64)); }) ==
          ErrorCode::Unsupported);
    CHECK(code_of([] { pull("BZh", Compression::Bzip2); }) == ErrorCode::Unsupported);
}

TEST_CASE("compression: pulled and pushed in any pieces the same comes out", "[unit][base]") {
    const auto text = wordy_text(70'001) + random_text(70'001) + std::string(70'001, 'z');
    const std::pair<Compression, std::string> streams[] = {
        {Compression::None, text}, {Compression::Gzip, zlib_gzip(text)}, {Compression::Zstd, zstd_frame(text)}};
    for (const auto& [compression, stream] : streams) {
        for (const std::size_t step : {1UL, 2UL, 7UL, 511UL, 65'536UL, 1'000'000UL}) {
            CAPTURE(to_string(compression), step);
            CHECK(pull(stream, compression, step) == text);
            CHECK(pull(stream, compression, kStreamStep, step) == text);
            CHECK(push(stream, compression, step) == text);
        }
    }
}

TEST_CASE("compression: every deflate form of zlib is read", "[unit][base]") {
    for (const auto& text : {""s, "a"s, wordy_text(300'000), random_text(300'000), std::string(300'000, '\0')}) {
        for (const int level : {0, 1, 6, 9}) {
            CHECK(pull(zlib_gzip(text, level), Compression::Gzip, 1000, 777) == text);
        }
    }
}

TEST_CASE("gzip: optional header fields are read over, in any pieces", "[unit][base]") {
    std::string extra(300, '\x1f'), name = "name\xff.tar", comment = "comment";
    gz_header header{};
    header.extra = reinterpret_cast<Bytef*>(extra.data());
    header.extra_len = static_cast<uInt>(extra.size());
    header.name = reinterpret_cast<Bytef*>(name.data());
    header.comment = reinterpret_cast<Bytef*>(comment.data());
    header.hcrc = 1;
    const auto stream = zlib_gzip("content", 6, &header);
    for (const std::size_t step : {1UL, 2UL, 3UL, 5UL, 1000UL}) {
        CHECK(pull(stream, Compression::Gzip, step) == "content");
    }

    SECTION("an empty extra field is one as well") {
        header.extra_len = 0;
        CHECK(pull(zlib_gzip("content", 6, &header), Compression::Gzip, 1) == "content");
    }
    SECTION("a header that does not agree with its CRC is refused") {
        auto damaged = stream;
        damaged[4] = 1;  // in MTIME
        CHECK(code_of([&] { pull(damaged, Compression::Gzip); }) == ErrorCode::Integrity);
    }
    SECTION("reserved flags and unknown methods are refused") {
        auto damaged = stream;
        damaged[3] = static_cast<char>(damaged[3] | 0x20);
        CHECK(code_of([&] { pull(damaged, Compression::Gzip); }) == ErrorCode::Integrity);
        damaged = stream;
        damaged[2] = 7;
        CHECK(code_of([&] { pull(damaged, Compression::Gzip); }) == ErrorCode::Integrity);
    }
}

TEST_CASE("gzip: all members are read, padding is allowed, junk is not", "[unit][base]") {
    const auto text = wordy_text(100'000);
    const auto members = zlib_gzip(text) + zlib_gzip("") + zlib_gzip("tail", 0);
    for (const std::size_t step : {1UL, 13UL, 4096UL, 1UL << 20}) {
        CHECK(pull(members, Compression::Gzip, step) == text + "tail");
        CHECK(push(members + std::string(1000, '\0'), Compression::Gzip, step) == text + "tail");
        CHECK(code_of([&] { pull(members + "junk", Compression::Gzip, step); }) == ErrorCode::Integrity);
        CHECK(code_of([&] { pull(members + "\x1f"s, Compression::Gzip, step); }) == ErrorCode::Integrity);
        CHECK(code_of([&] { pull(members + "\0\0\0x"s, Compression::Gzip, step); }) == ErrorCode::Integrity);
        CHECK(code_of([&] { pull(members + "\0"s + zlib_gzip("hidden"), Compression::Gzip, step); }) ==
              ErrorCode::Integrity);
    }
    std::string many;
    for (int i = 0; i < 5000; ++i) {
        many += zlib_gzip(std::string(1, static_cast<char>('a' + i % 26)));
    }
    CHECK(pull(many, Compression::Gzip).size() == 5000);
}

TEST_CASE("compression: input cut at any byte is an integrity error", "[unit][base]") {
    const auto text = wordy_text(500);
    const std::pair<Compression, std::string> streams[] = {{Compression::Gzip, zlib_gzip(text)},
                                                           {Compression::Zstd, zstd_frame(text)}};
    for (const auto& [compression, stream] : streams) {
        for (std::size_t length = 0; length < stream.size(); ++length) {
            CAPTURE(to_string(compression), length);
            CHECK(code_of([&] { pull(stream.substr(0, length), compression); }) == ErrorCode::Integrity);
            CHECK(code_of([&] { push(stream.substr(0, length), compression, 5); }) == ErrorCode::Integrity);
        }
    }
}

TEST_CASE("gzip: a changed bit is found, wherever it is", "[unit][base]") {
    const auto text = wordy_text(3000);
    const auto stream = zlib_gzip(text);
    std::size_t harmless = 0;
    for (std::size_t bit = 0; bit < stream.size() * 8; ++bit) {
        auto damaged = stream;
        damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
        try {
            const auto out = pull(damaged, Compression::Gzip, 100);
            CHECK(out == text);
            ++harmless;
        } catch (const Error& error) {
            REQUIRE(error.code() == ErrorCode::Integrity);
        }
    }
    // MTIME, XFL, OS and the text flag say nothing of the content: 49 bits; unused bits before the trailer may be more.
    CHECK(harmless >= 49);
    CHECK(harmless <= 56);
}

TEST_CASE("gzip: the length in the trailer is checked apart from the CRC", "[unit][base]") {
    auto stream = zlib_gzip("some text");
    stream[stream.size() - 4] = static_cast<char>(stream[stream.size() - 4] + 1);
    for (const std::size_t step : {1UL, 3UL, 100UL}) {
        CHECK(code_of([&] { pull(stream, Compression::Gzip, step); }) == ErrorCode::Integrity);
    }
}

TEST_CASE("zstd: frames and skippable frames follow each other", "[unit][base]") {
    const auto text = wordy_text(200'000);
    const auto stream = skippable_frame("table") + zstd_frame(text) + skippable_frame("") + zstd_frame("tail") +
                        skippable_frame(random_text(1000));
    for (const std::size_t step : {1UL, 13UL, 4096UL, 1UL << 20}) {
        CHECK(pull(stream, Compression::Zstd, step) == text + "tail");
        CHECK(push(stream, Compression::Zstd, step) == text + "tail");
        CHECK(code_of([&] { pull(stream + "junk", Compression::Zstd, step); }) == ErrorCode::Integrity);
    }
    auto damaged = zstd_frame(text);
    damaged[damaged.size() - 1] = static_cast<char>(damaged[damaged.size() - 1] ^ 1);  // its checksum
    CHECK(code_of([&] { pull(damaged, Compression::Zstd); }) == ErrorCode::Integrity);
}

TEST_CASE("zstd: a window beyond 2^27 is refused by name", "[unit][base]") {
    const auto text = wordy_text(10'000);
    CHECK(pull(zstd_frame(text, 1, 27), Compression::Zstd) == text);
    CHECK(code_of([&] { pull(zstd_frame(text, 1, 28), Compression::Zstd); }) == ErrorCode::InvalidInput);
    CHECK_THROWS_WITH(pull(zstd_frame(text, 1, 28), Compression::Zstd), Catch::Contains("2^27"));
}

TEST_CASE("compression: limits stop a bomb and say which and how much", "[unit][base]") {
    const std::string zeros(4 << 20, '\0');
    for (const auto& [compression, stream] :
         {std::pair(Compression::Gzip, zlib_gzip(zeros, 9)), std::pair(Compression::Zstd, zstd_frame(zeros, 19))}) {
        DecompressionLimits limits;
        limits.max_output = 1 << 20;
        CHECK_THROWS_WITH(pull(stream, compression, kStreamStep, kStreamStep, limits),
                          Catch::Contains("max_output of 1048576"));
        CHECK_THROWS_WITH(push(stream, compression, kStreamStep, limits), Catch::Contains("max_output of 1048576"));
        limits = {};
        limits.ratio_from = 1 << 20;
        limits.max_ratio = 100;
        CHECK_THROWS_WITH(pull(stream, compression, kStreamStep, kStreamStep, limits),
                          Catch::Contains("max_ratio of 100:1"));
        CHECK(code_of([&, c = compression, s = stream] { push(s, c, 10, limits); }) == ErrorCode::InvalidInput);
        limits.ratio_from = 4 << 20;  // at most this much: the ratio does not count yet
        CHECK(pull(stream, compression, kStreamStep, kStreamStep, limits) == zeros);
    }
    DecompressionLimits limits;
    limits.max_output = 10;
    CHECK(pull("0123456789", Compression::None, 3, 3, limits) == "0123456789");
    CHECK(code_of([&] { pull("0123456789a", Compression::None, 3, 3, limits); }) == ErrorCode::InvalidInput);
}

TEST_CASE("compression: an error beneath comes through as it is", "[unit][base][fault]") {
    class FailingSource final : public Source {
        std::size_t read(MutableBytes) override { throw Error(ErrorCode::Unavailable, "connection reset"); }
    };
    const auto source = decompressed(std::make_unique<FailingSource>(), Compression::Gzip);
    std::byte byte{};
    CHECK(code_of([&] { source->read(MutableBytes(&byte, 1)); }) == ErrorCode::Unavailable);
}
