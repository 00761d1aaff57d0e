#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"

#include "base/compression_support.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::testing;

namespace {

using Level = GzipOptions::Level;

/// A whole gzip file through zlib's own reader, the second opinion.
std::string zlib_gunzip(std::string_view text, std::size_t size) {
    z_stream stream{};
    inflateInit2(&stream, 15 + 16);
    std::string out(size + 1, '\0');
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
    stream.avail_in = static_cast<uInt>(text.size());
    stream.next_out = reinterpret_cast<Bytef*>(out.data());
    stream.avail_out = static_cast<uInt>(out.size());
    const int result = inflate(&stream, Z_FINISH);
    CHECK(result == Z_STREAM_END);
    CHECK(stream.avail_in == 0);
    out.resize(stream.total_out);
    inflateEnd(&stream);
    return out;
}

}  // namespace

TEST_CASE("gzip writer: zlib and our reader read it, at every size around the pieces", "[unit][base]") {
    constexpr std::size_t kPiece = 1 << 20;
    for (const auto level : {Level::Fast, Level::Small}) {
        for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kPiece - 1, kPiece, kPiece + 1, 3 * kPiece}) {
            const auto text = wordy_text(size);
            const auto stream = gzip(text, {level, 2});
            CAPTURE(size);
            CHECK(zlib_gunzip(stream, size) == text);
            CHECK(pull(stream, Compression::Gzip) == text);
        }
    }
}

TEST_CASE("gzip writer: the bytes depend neither on threads nor on how the input was cut", "[unit][base]") {
    const auto text =
        wordy_text(5'300'000) + random_text(1'500'000) + std::string(3'000'000, '\0') + wordy_text(999, 7);
    for (const auto level : {Level::Fast, Level::Small}) {
        const auto reference = gzip(text, {level, 1}, text.size());
        for (const unsigned threads : {1U, 2U, 8U}) {
            for (const std::size_t step : {std::size_t{997}, std::size_t{3'000'001}}) {
                CAPTURE(threads, step);
                CHECK((gzip(text, {level, threads}, step) == reference));
            }
        }
        CHECK((gzip(text, {level, 0}) == reference));
    }
}

TEST_CASE("gzip writer: the header tells nothing but the method", "[unit][base]") {
    using namespace std::string_literals;
    CHECK(gzip("text", {Level::Fast, 1}).substr(0, 10) == "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff"s);
    CHECK(gzip("text", {Level::Small, 1}).substr(0, 10) == "\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"s);
    CHECK(gzip("") == "\x1f\x8b\x08\x00\x00\x00\x00\x00\x04\xff\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00"s);
}

TEST_CASE("gzip writer: what does not shrink is stored, at 80 bytes a mebibyte", "[unit][base]") {
    const auto noise = random_text(2 << 20);
    for (const auto level : {Level::Fast, Level::Small}) {
        const auto stream = gzip(noise, {level, 2});
        CHECK(stream.size() <= noise.size() + 2 * 17 * 5 + 20);
        CHECK((zlib_gunzip(stream, noise.size()) == noise));
        CHECK((pull(stream, Compression::Gzip) == noise));
        CHECK(gzip(std::string(1 << 20, 'a'), {level, 1}).size() < 8192);
    }
}

TEST_CASE("gzip writer: an error of the sink beneath ends it, and no thread stays", "[unit][base][fault]") {
    class FullSink final : public Sink {
    public:
        explicit FullSink(std::size_t room) : room_(room) {}
        void write(Bytes chunk) override {
            if (chunk.size() > room_) {
                throw Error(ErrorCode::System, "no space left on device");
            }
            room_ -= chunk.size();
        }
        void finish() override { finished = true; }
        bool finished = false;

    private:
        std::size_t room_;
    };
    const auto noise = random_text(6 << 20);
    for (const std::size_t room : {std::size_t{0}, std::size_t{10}, std::size_t{3 << 20}}) {
        FullSink full(room);
        const auto sink = gzip_compressing(full, {Level::Fast, 2});
        const auto run = [&] {
            sink->write(as_bytes(noise));
            sink->finish();
        };
        CHECK_THROWS_WITH(run(), "no space left on device");
        CHECK_FALSE(full.finished);
    }
    FullSink abandoned(100 << 20);
    gzip_compressing(abandoned, {Level::Fast, 2})->write(as_bytes(noise));
    CHECK_FALSE(abandoned.finished);
}

TEST_CASE("gzip writer: the fingerprint names library, level and what it makes of a fixed text", "[unit][base]") {
    const auto fast = gzip_fingerprint({Level::Fast, 1});
    CHECK(fast.starts_with("isal-2."));
    CHECK(fast.find("/level1/1MiB/sha256:") != std::string::npos);
    CHECK(gzip_fingerprint({Level::Fast, 8}) == fast);
    // Golden, for the library of Debian 12: the same on every CPU, natively and emulated. Other bytes here mean other
    // layer digests for the same files.
    if (fast.starts_with("isal-2.30.0/")) {
        CHECK(fast ==
              "isal-2.30.0/level1/1MiB/sha256:6642200b9143cd3654158231995d1a7b647fd403ff5d0619af2776f4f14d3aed");
    }
    const auto small = gzip_fingerprint({Level::Small, 1});
    CHECK(small.starts_with("zlib-1."));
    if (small.starts_with("zlib-1.2.13/")) {
        CHECK(small ==
              "zlib-1.2.13/level6/1MiB/sha256:c984b86b2f3c919530bce9ae2751efae469d4b340c6e6b97fdb69dd133cf25cd");
    }
    CHECK(small.substr(small.size() - 64) != fast.substr(fast.size() - 64));
}
