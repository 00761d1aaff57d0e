// The strict JSON parser: what it accepts is written and read again without a change.
#include "base/json.hpp"
#include "fuzz/fuzz.hpp"

#include <nlohmann/json.hpp>

using namespace cooper;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::optional<json::Value> value;
    fuzz::expect_only_errors([&] { value = json::parse(fuzz::text_of(data, size), "input"); });
    if (value) {
        try {
            const std::string text = json::write(*value);
            const json::Value again = json::parse(text, "our own text");
            fuzz::check(again == *value, "what was written is read the same");
            fuzz::check(json::write(again) == text, "what was read is written the same");
        } catch (const Error& error) {
            fuzz::check(false, error.what());
        }
    }
    return 0;
}
