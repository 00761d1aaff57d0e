// Streams to and from an engine: its answers in pieces, and the archive that it gets.
#include "base/http_support.hpp"
#include "oci/engine/answer_stream.hpp"
#include "oci/engine/verified_archive.hpp"
#include "support/memory_image.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::oci;
using namespace cooper::testing;

namespace {

struct Heard {
    std::vector<std::string> texts;
    std::string failure;
    bool operator==(const Heard&) const = default;
};

Heard hear(const std::vector<std::string_view>& pieces) {
    Heard heard;
    AnswerStream stream([&](const EngineAnswer& answer) {
        if (!answer.text.empty()) {
            heard.texts.push_back(answer.text);
        }
    });
    for (const std::string_view piece : pieces) {
        stream.feed(piece);
    }
    stream.finish();
    heard.failure = stream.failure();
    return heard;
}

/// All that it gives before it ends or throws.
std::string read_until_failure(Source& source, std::size_t step) {
    std::string text;
    std::vector<std::byte> buffer(step);
    try {
        while (const std::size_t count = source.read(buffer)) {
            text += as_text(Bytes(buffer).first(count));
        }
    } catch (const Error&) {
        text += "!";
    }
    return text;
}

}  // namespace

TEST_CASE("engine answers: cut anywhere, they say the same", "[unit][oci]") {
    const std::string said =
        "\r\n{\"stream\":\"one {\\\"}\\\\\"}{\"aux\":{\"a\":[{}]}} {\"stream\":\"Loaded\"}\n"
        "{\"errorDetail\":{\"message\":\"first\"}}{\"errorDetail\":{\"message\":\"second\"}}in plain text\n";
    const Heard whole = hear({said});
    REQUIRE(whole.texts == std::vector<std::string>{"one {\"}\\", "Loaded"});
    REQUIRE(whole.failure == "first");
    for (std::size_t cut = 0; cut <= said.size(); ++cut) {
        const std::string_view text = said;
        REQUIRE(hear({text.substr(0, cut), text.substr(cut)}) == whole);
    }
    std::vector<std::string_view> bytes;
    for (const char& c : said) {
        bytes.emplace_back(&c, 1);
    }
    REQUIRE(hear(bytes) == whole);
}

TEST_CASE("engine answers: every prefix is an end in the middle or a whole number of answers", "[unit][oci]") {
    const std::string one = R"({"stream":"a}{"})";
    const std::string said = one + one;
    for (std::size_t cut = 0; cut <= said.size(); ++cut) {
        const auto error = error_of([&] { hear({std::string_view(said).substr(0, cut)}); });
        REQUIRE(error.has_value() == (cut % one.size() != 0));
    }
}

TEST_CASE("engine answers: what is too large is refused while it comes", "[unit][oci]") {
    AnswerStream stream([](const EngineAnswer&) {});
    stream.feed(R"({"stream":")");
    const std::string megabyte(kMaxEngineAnswer, 'x');
    REQUIRE(error_of([&] { stream.feed(megabyte); })->code() == ErrorCode::Unavailable);
    AnswerStream deep([](const EngineAnswer&) {});
    REQUIRE(error_of([&] { deep.feed(std::string(kMaxEngineAnswer + 1, '{')); })->code() == ErrorCode::Unavailable);
    AnswerStream text([](const EngineAnswer&) {});
    REQUIRE(error_of([&] { text.feed("<" + megabyte); })->code() == ErrorCode::Unavailable);
    AnswerStream endless([](const EngineAnswer&) {});
    const std::string blanks(16 << 20, '\n');
    const auto error = error_of([&] {
        for (int i = 0; i < 17; ++i) {
            endless.feed(blanks);
        }
    });
    REQUIRE(error->code() == ErrorCode::Unavailable);
}

TEST_CASE("engine answers: words are fit for a terminal and hold no password", "[unit][oci]") {
    const Heard heard = hear({R"({"errorDetail":{"message":"\u001b[31mbad https://u:hunter2@h/\n"}})"});
    REQUIRE_FALSE(contains(heard.failure, "\x1b"));
    REQUIRE_FALSE(contains(heard.failure, "hunter2"));
    REQUIRE(hear({R"({"error":")" + std::string(5000, 'x') + "\"}"}).failure.size() < 1100);
}

TEST_CASE("engine archive: it reads as the plan does, in steps of any size", "[unit][oci]") {
    const Image image = memory_image({{LayerSpec::Form::Plain, random_bytes(2'500'000, 1)},
                                      {LayerSpec::Form::Gzip, random_bytes(300'000, 2)},
                                      {LayerSpec::Form::Plain, ""}});
    const auto plan = ArchivePlan::make({{image, {"a:1"}}});
    const std::string wanted = read_all(*plan.open(), 64 << 20, "archive");
    const VerifiedArchive archive(plan, false, "task", {});
    REQUIRE(archive.size() == wanted.size());
    for (const std::size_t step : {std::size_t{777}, std::size_t{65'536}, std::size_t{5'000'000}}) {
        REQUIRE(read_until_failure(*archive.open(), step) == wanted);
    }
    REQUIRE_THROWS_AS(archive.open(1, 10), Error);
}

TEST_CASE("engine archive: a small one is held back until it is known to be right", "[unit][oci]") {
    std::shared_ptr<MemoryBlobs> blobs;
    const Image image = memory_image({{LayerSpec::Form::Plain, "layer"}}, &blobs);
    const auto plan = ArchivePlan::make({{image, {"a:1"}}});
    REQUIRE(read_until_failure(*VerifiedArchive(plan, false, "", {}).open(), 100).size() == plan.size());
    blobs->replace(image.manifest.layers[0].digest, std::string(image.manifest.layers[0].size, 'x'));
    REQUIRE(read_until_failure(*VerifiedArchive(plan, false, "", {}).open(), 100) == "!");
}

TEST_CASE("engine archive: wherever the wrong blob is, its end is never given", "[unit][oci]") {
    std::vector<LayerSpec> layers;
    for (unsigned i = 0; i < 6; ++i) {
        layers.push_back({LayerSpec::Form::Plain, random_bytes(700'000, i)});
    }
    std::shared_ptr<MemoryBlobs> blobs;
    const Image image = memory_image(layers, &blobs);
    const auto plan = ArchivePlan::make({{image, {"a:1"}}});
    const std::size_t wrong = GENERATE(0U, 3U, 5U);
    blobs->replace(image.manifest.layers[wrong].digest, random_bytes(image.manifest.layers[wrong].size, 99));
    for (int i = 0; i < 5; ++i) {
        const std::string got = read_until_failure(*VerifiedArchive(plan, false, "", {}).open(), 256 * 1024);
        REQUIRE(got.ends_with('!'));
        REQUIRE(got.size() < plan.size() - 60'000);
    }
}

TEST_CASE("engine archive: let go at any moment, it stops its threads", "[unit][oci]") {
    const Image image = memory_image({{LayerSpec::Form::Plain, random_bytes(12 << 20, 1)}});
    const VerifiedArchive archive(ArchivePlan::make({{image, {"a:1"}}}), false, "", {});
    std::vector<std::byte> buffer(1 << 20);
    for (int reads = 0; reads < 4; ++reads) {
        const auto source = archive.open();
        for (int i = 0; i < reads; ++i) {
            REQUIRE(source->read(buffer) > 0);
        }
    }
}
