#include "cooper/base/stream.hpp"

#include "cooper/base/error.hpp"

#include "base/scripted_streams.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using cooper::testing::PiecewiseSource;

TEST_CASE("stream: a memory source gives its bytes and then the end, again and again", "[unit][base]") {
    MemorySource source(std::string_view("abcde"));
    std::byte buffer[3];
    REQUIRE(source.read(buffer) == 3);
    REQUIRE(source.read({}) == 0);
    REQUIRE(source.read(buffer) == 2);
    REQUIRE(source.read(buffer) == 0);
    REQUIRE(source.read(buffer) == 0);
}

TEST_CASE("stream: short reads are put together", "[unit][base]") {
    const std::string text(10'000, 'x');
    PiecewiseSource for_copy(text, 7);
    StringSink sink(text.size());
    REQUIRE(copy(for_copy, sink) == text.size());
    REQUIRE(sink.take() == text);

    PiecewiseSource for_full(text, 7);
    std::string filled(9'000, ' ');
    REQUIRE(read_full(for_full, std::as_writable_bytes(std::span(filled))) == 9'000);
    REQUIRE(read_full(for_full, std::as_writable_bytes(std::span(filled))) == 1'000);

    PiecewiseSource for_all(text, 7);
    REQUIRE(read_all(for_all, text.size(), "text") == text);

    PiecewiseSource for_skip(text, 7);
    REQUIRE(skip(for_skip, 9'999) == 9'999);
    REQUIRE(skip(for_skip, 5) == 1);
}

TEST_CASE("stream: limits are exact and name themselves", "[unit][base]") {
    MemorySource exact(std::string_view("12345"));
    REQUIRE(read_all(exact, 5, "note") == "12345");
    MemorySource empty(std::string_view(""));
    REQUIRE(read_all(empty, 0, "note").empty());
    MemorySource beyond(std::string_view("123456"));
    REQUIRE_THROWS_WITH(read_all(beyond, 5, "note"), "note is larger than the limit of 5 bytes");
    const std::string large(3 * kStreamStep, 'x');
    PiecewiseSource large_source(large, 100'000);
    REQUIRE(read_all(large_source, 1 << 30, "note") == large);

    StringSink sink(5);
    sink.write(as_bytes("12345"));
    REQUIRE_THROWS_WITH(sink.write(as_bytes("6")), Catch::Contains("limit of 5 bytes"));
    REQUIRE(sink.text() == "12345");
}

TEST_CASE("stream: a limited source ends at its limit or with what is beneath", "[unit][base]") {
    const auto cut = limited(std::make_unique<MemorySource>(std::string_view("abcdef")), 4);
    REQUIRE(read_all(*cut, 10, "x") == "abcd");
    const auto short_one = limited(std::make_unique<MemorySource>(std::string_view("ab")), 4);
    REQUIRE(read_all(*short_one, 10, "x") == "ab");
}

TEST_CASE("stream: copying stops on request", "[unit][base]") {
    std::stop_source stop;
    stop.request_stop();
    MemorySource source(std::string_view("abc"));
    StringSink sink(10);
    REQUIRE_THROWS_AS(copy(source, sink, stop.get_token()), Cancelled);
    REQUIRE(sink.text().empty());
}
