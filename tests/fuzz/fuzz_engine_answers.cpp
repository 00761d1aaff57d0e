// An engine's stream of answers: only Errors, bounded words, and the same whether it comes whole or byte by byte.
#include "fuzz/fuzz.hpp"
#include "oci/engine/answer_stream.hpp"

#include <cstdint>
#include <string>
#include <vector>

namespace {

struct Heard {
    std::vector<std::string> texts;
    std::string failure;
    bool refused = false;
    bool operator==(const Heard&) const = default;
};

Heard hear(std::string_view said, std::size_t step) {
    Heard heard;
    cooper::oci::AnswerStream stream([&](const cooper::oci::EngineAnswer& answer) {
        heard.texts.push_back(answer.text + "|" + answer.status + "|" + answer.id + "|" + answer.image_id);
    });
    heard.refused = true;
    cooper::fuzz::expect_only_errors([&] {
        for (std::size_t at = 0; at < said.size(); at += step) {
            stream.feed(said.substr(at, step));
        }
        stream.finish();
        heard.refused = false;
    });
    heard.failure = stream.failure();
    return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view said = cooper::fuzz::text_of(data, size);
    const Heard whole = hear(said, said.size() + 1);
    cooper::fuzz::check(hear(said, 1) == whole, "the cuts do not matter");
    cooper::fuzz::check(whole.failure.size() < 1100, "words are bounded");
    for (const char c : whole.failure) {
        cooper::fuzz::check(c >= ' ' || static_cast<unsigned char>(c) >= 0x80, "words are printable");
    }
    return 0;
}
