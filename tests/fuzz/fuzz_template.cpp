// Templates from outside: parsing and rendering end with text or an Error, whatever they say; and twice is the same.
// Input: a byte of options, then the template. It includes itself by the name "self".
#include "cooper/build/template.hpp"

#include "fuzz/fuzz.hpp"

#include <algorithm>
#include <string>

using namespace cooper::build;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::size_t kMaxInput = 4096;  // few bytes suffice for ten million steps
    if (size < 1 || size > kMaxInput) {
        return 0;
    }
    const std::string text(cooper::fuzz::text_of(data + 1, size - 1));
    TemplateOptions options;
    options.trim_blocks = (data[0] & 1U) != 0;
    options.lstrip_blocks = (data[0] & 2U) != 0;
    options.keep_trailing_newline = (data[0] & 4U) != 0;
    options.strict = (data[0] & 8U) != 0;
    options.loader = [&](const std::string& name) { return name == "self" ? std::optional(text) : std::nullopt; };
    cooper::fuzz::expect_only_errors([&] {
        const auto parsed = Template::parse(text, "t", options);
        const auto names = parsed.variables();
        cooper::fuzz::check(std::is_sorted(names.begin(), names.end()), "names are sorted");
        const TemplateMap variables = {{"a", {"text"}},
                                       {"n", {std::int64_t{3}}},
                                       {"l", {TemplateList{{"x"}, {1.5}, {true}, {}}}},
                                       {"d", {TemplateMap{{"k", {"v"}}}}}};
        const std::string first = parsed.render(variables);
        cooper::fuzz::check(parsed.render(variables) == first, "the same template gives the same text");
    });
    return 0;
}
