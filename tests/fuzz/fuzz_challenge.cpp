// WWW-Authenticate: never a throw, bounded results, and a challenge written out again is read as the same one.
#include "fuzz/fuzz.hpp"
#include "oci/registry/registry_challenge.hpp"

#include <cstdint>
#include <string>

namespace {

std::string quoted(const std::string& text) {
    std::string result = "\"";
    for (const char c : text) {
        result += (c == '"' || c == '\\') ? std::string{'\\', c} : std::string(1, c);
    }
    return result + "\"";
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using namespace cooper::oci;
    const auto found = parse_challenges({std::string(cooper::fuzz::text_of(data, size))});
    cooper::fuzz::check(found.size() <= kMaxChallenges, "challenges are bounded");
    for (const Challenge& challenge : found) {
        std::string text = challenge.scheme;
        const char* separator = " ";
        for (const auto& [name, value] : challenge.parameters) {
            text += separator + name + "=" + quoted(value);
            separator = ", ";
        }
        const auto again = parse_challenges({text});
        cooper::fuzz::check(again.size() == 1 && again.front() == challenge, "written out it is the same");
    }
    return 0;
}
