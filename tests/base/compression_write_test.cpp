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

TEST_CASE("writers: an error of the sink beneath ends them, and no thread stays", "[unit][base][fault]") {
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
    const auto noise = random_text(14 << 20);
    const auto compressing = [](bool with_zstd, Sink& to) {
        return with_zstd ? zstd_compressing(to, {1, 2}) : gzip_compressing(to, {Level::Fast, 2});
    };
    for (const bool with_zstd : {false, true}) {
        for (const std::size_t room : {std::size_t{0}, std::size_t{10}, std::size_t{5 << 20}}) {
            FullSink full(room);
            const auto sink = compressing(with_zstd, full);
            const auto run = [&] {
                sink->write(as_bytes(noise));
                sink->finish();
            };
            CHECK_THROWS_WITH(run(), "no space left on device");
            CHECK_FALSE(full.finished);
        }
        FullSink abandoned(100 << 20);
        compressing(with_zstd, abandoned)->write(as_bytes(noise));
        CHECK_FALSE(abandoned.finished);
    }
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

TEST_CASE("zstd writer: libzstd and our reader read it, at every size around the pieces", "[unit][base]") {
    constexpr std::size_t kPiece = 4 << 20;
    for (const std::size_t size : {std::size_t{0}, std::size_t{1}, kPiece - 1, kPiece, kPiece + 1, 3 * kPiece}) {
        const auto text = wordy_text(size);
        const auto stream = zstd(text, {1, 2});
        CAPTURE(size);
        CHECK(detect_compression(as_bytes(stream)) == Compression::Zstd);
        std::string out(size + 1, '\0');
        CHECK(ZSTD_decompress(out.data(), out.size(), stream.data(), stream.size()) == size);
        out.resize(size);
        CHECK((out == text));
        CHECK((pull(stream, Compression::Zstd) == text));
    }
}

TEST_CASE("zstd writer: the bytes depend neither on threads nor on how the input was cut", "[unit][base]") {
    const auto text =
        wordy_text(13'300'000) + random_text(5'500'000) + std::string(9'000'000, '\0') + wordy_text(999, 7);
    const auto reference = zstd(text, {3, 1}, text.size());
    for (const unsigned threads : {1U, 2U, 8U}) {
        for (const std::size_t step : {std::size_t{997}, std::size_t{5'000'001}}) {
            CAPTURE(threads, step);
            CHECK((zstd(text, {3, threads}, step) == reference));
        }
    }
    CHECK((zstd(text, {4, 2}) != reference));
}

TEST_CASE("zstd writer: every frame tells its size, and none is skippable", "[unit][base]") {
    constexpr std::size_t kPiece = 4 << 20;
    const auto stream = zstd(wordy_text(2 * kPiece + 5), {3, 2});
    std::vector<std::uint64_t> sizes;
    for (std::string_view rest = stream; !rest.empty();) {
        const auto length = ZSTD_findFrameCompressedSize(rest.data(), rest.size());
        REQUIRE(ZSTD_isError(length) == 0);
        sizes.push_back(ZSTD_getFrameContentSize(rest.data(), rest.size()));
        CHECK(as_text(as_bytes(rest)).substr(0, 4) == "\x28\xb5\x2f\xfd");
        rest.remove_prefix(length);
    }
    CHECK(sizes == std::vector<std::uint64_t>{kPiece, kPiece, 5});
}

TEST_CASE("zstd writer: levels beyond its own are refused", "[unit][base]") {
    StringSink out(100);
    for (const int level : {-5, 0, 20, 22}) {
        CHECK_THROWS_AS(zstd_compressing(out, {level, 1}), Error);
    }
}

TEST_CASE("zstd writer: the fingerprint names library, level and what it makes of a fixed text", "[unit][base]") {
    const auto third = zstd_fingerprint({3, 1});
    CHECK(zstd_fingerprint({3, 8}) == third);
    CHECK(third.starts_with("zstd-1."));
    // Golden, for the library of Debian 12, as for gzip.
    if (third.starts_with("zstd-1.5.4/")) {
        CHECK(third ==
              "zstd-1.5.4/level3/4MiB/sha256:ad7cd9380d93fb273054895e5b0ee41d606b8cfd58af5cf639ed6dd517c22750");
    }
    CHECK(zstd_fingerprint({9, 1}) != third);
}
