// References: only Error leaves the parser, and what it takes it writes back in forms that mean the same.
#include "cooper/oci/reference.hpp"

#include "fuzz/fuzz.hpp"

#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using cooper::fuzz::check;
    using cooper::oci::Reference;
    try {
        const Reference reference = Reference::parse(cooper::fuzz::text_of(data, size));
        check(Reference::parse(reference.text()) == reference, "the full text means the same");
        check(Reference::parse(reference.familiar()) == reference, "the familiar text means the same");
        check(!reference.base_name().empty(), "every repository has a last component");
    } catch (const cooper::Error& error) {
        check(error.code() == cooper::ErrorCode::InvalidInput, "a bad reference is the caller's mistake");
    }
    return 0;
}
