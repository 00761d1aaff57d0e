// Git references: what is let through is never an option, and its address is one again.
#include "cooper/build/build_source.hpp"

#include "build/source/git_text.hpp"
#include "fuzz/fuzz.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using cooper::build::GitReference;
    using cooper::fuzz::check;
    const auto text = cooper::fuzz::text_of(data, size);
    try {
        const auto reference = GitReference::parse(text);
        if (reference) {
            check(text.starts_with(reference->remote), "the address is what was written");
            check(!reference->remote.starts_with('-') && !reference->ref.starts_with('-'), "nothing is an option");
            const auto again = GitReference::parse(reference->remote);
            check(again && again->remote == reference->remote, "the address alone is a reference");
            cooper::build::redacted_remote(reference->remote);
        }
    } catch (const cooper::Error& error) {
        check(error.code() == cooper::ErrorCode::InvalidInput, "a bad reference is the caller's mistake");
    }
    return 0;
}
