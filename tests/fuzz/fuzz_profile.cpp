// The AWS CLI's files and the command lines in them: whatever they hold, sections and settings stay what was written.
#include "fuzz/fuzz.hpp"
#include "s3/profile.hpp"
#include "s3/providers.hpp"

#include <string>

using namespace cooper;  // NOLINT(google-build-using-namespace)

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = fuzz::text_of(data, size);
    fuzz::expect_only_errors([text] {
        for (const auto& [name, section] : s3::parse_ini(text, "fuzz")) {
            for (const auto& [key, value] : section) {
                fuzz::check(!key.empty() && key.find('\n') == std::string::npos, "a setting has a name of one line");
                fuzz::check(value.find('\n') == std::string::npos, "a value is one line");
            }
        }
    });
    fuzz::expect_only_errors([text] {
        std::string quoted;
        const auto words = s3::split_command(text);
        for (const std::string& word : words) {
            quoted += "'";
            for (const char c : word) {
                quoted += c == '\'' ? "'\\''" : std::string(1, c);
            }
            quoted += "' ";
        }
        fuzz::check(s3::split_command(quoted) == words, "words that are quoted again are the same words");
    });
    return 0;
}
