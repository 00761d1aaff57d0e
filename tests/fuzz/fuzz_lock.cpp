// A lock from a kit or a stranger: only errors, and what is accepted is written back as the same bytes and describes a
// plan of its size. A lock that names itself wrongly is tried with the right name too, so that what lies behind is
// reached.
#include "cooper/delivery/lock.hpp"

#include "fuzz/fuzz.hpp"

namespace {

using cooper::delivery::lock_from_json;
using cooper::delivery::lock_to_json;
using cooper::fuzz::check;

void read(const std::string& text) {
    cooper::fuzz::expect_only_errors([&] {
        const auto lock = lock_from_json(text, "lock");
        check(lock_to_json(lock) == text, "a lock has one spelling");
        check(plan_of(lock, nullptr).size() == lock.output.size, "the plan has the size that the lock says");
        for (const auto& layer : lock.layers) {
            check(!lock.owner_of(layer.blob.digest).empty(), "every layer is somebody's");
        }
    });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    constexpr std::string_view kStart = R"("digest":"sha256:)";
    constexpr std::size_t kHexDigits = 64;
    std::string text(cooper::fuzz::text_of(data, size));
    read(text);
    const std::size_t at = text.find(kStart);
    const std::size_t digits = at + kStart.size();
    if (at == std::string::npos || text.size() < digits + kHexDigits + 2) {
        return 0;
    }
    const std::string without = text.substr(0, at) + text.substr(digits + kHexDigits + 2);  // the quote and the comma
    text.replace(digits, kHexDigits, cooper::sha256(without).hex());
    read(text);
    return 0;
}
