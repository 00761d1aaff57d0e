// A Dockerfile in logical lines, and one that needs no arguments. Input: the target, a newline, an argument's value, a
// newline, the Dockerfile.
#include "cooper/build/context.hpp"

#include "build/dockerfile/lines.hpp"
#include "fuzz.hpp"

#include <string>
#include <utility>
#include <vector>

using namespace cooper;
using namespace cooper::build;

namespace {

void check_lines(std::string_view text) {
    std::size_t end = 0;
    std::size_t number = 0;
    for (const auto& line : split_dockerfile(text).lines) {
        fuzz::check(line.begin >= end && line.end > line.begin && line.end <= text.size(), "lines follow each other");
        fuzz::check(line.number > number, "and so do their numbers");
        fuzz::check(line.arguments <= line.end_of_arguments && line.end_of_arguments <= line.text.size(),
                    "arguments are within the line");
        for (std::size_t i = 0; i < line.text.size(); ++i) {
            const auto place = line.place_of(i);
            fuzz::check(place >= line.begin && place < line.end && text[place] == line.text[i],
                        "every byte stands where it is said to stand");
        }
        end = line.end;
        number = line.number;
    }
}

std::vector<std::pair<std::string, std::string>> first_argument(std::string_view text, std::string_view value) {
    const auto dockerfile = split_dockerfile(text);
    for (const auto& line : dockerfile.lines) {
        const auto words = split_words(line.rest(), dockerfile.escape);
        if (line.keyword == "ARG" && !words.empty()) {
            const auto word = line.rest().substr(words[0].begin, words[0].end - words[0].begin);
            return {{std::string(word.substr(0, word.find('='))), std::string(value)}};
        }
    }
    return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    auto text = fuzz::text_of(data, size);
    const auto take_line = [&text] {
        const auto end = std::min(text.find('\n'), text.size());
        const auto line = text.substr(0, end);
        text = text.substr(std::min(end + 1, text.size()));
        return line;
    };
    const auto target = take_line();
    const auto value = take_line();
    fuzz::expect_only_errors([&] {
        check_lines(text);
        fuzz::check(standalone_dockerfile(text, "", {}) == text, "nothing to change changes nothing");
        const auto args = first_argument(text, value);
        static_cast<void>(images_of_dockerfile(text, args));
        const auto made = standalone_dockerfile(text, target, args);
        fuzz::check(standalone_dockerfile(made, "", args) == made, "an argument that is in has nothing left to do");
    });
    return 0;
}
