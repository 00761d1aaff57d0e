// SHA256SUMS and keys: only Error leaves the parsers, and a list that was taken is written back with the same meaning.
#include "cooper/delivery/checksums.hpp"
#include "cooper/delivery/signature.hpp"

#include "fuzz/fuzz.hpp"

#include <cstdint>

namespace {

using cooper::Error;
using cooper::ErrorCode;
using cooper::fuzz::check;

void read_key(std::string_view text) {
    const cooper::delivery::PassphraseSource refuses = [](const std::string& what) -> cooper::Secret {
        throw Error(ErrorCode::NotFound, what);  // deriving a key may take as long as the file says
    };
    try {
        const auto key = cooper::delivery::SigningKey::from_pem(cooper::Secret(std::string(text)), "key", refuses);
        check(cooper::delivery::verify_signature(key.public_key(), "x", key.sign("x"), "key"),
              "a key's two halves fit");
    } catch (const Error&) {  // most texts are no key
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    using cooper::delivery::Checksums;
    const std::string_view text = cooper::fuzz::text_of(data, size);
    try {
        const Checksums checksums = Checksums::parse(text, "SHA256SUMS");
        check(Checksums::parse(checksums.text(), "SHA256SUMS") == checksums, "what is written back means the same");
        for (const auto& [name, digest] : checksums.entries()) {
            check(name.find('/') == std::string::npos && name != "..", "no name leads out of the directory");
        }
    } catch (const Error& error) {
        check(error.code() == ErrorCode::InvalidInput, "a bad list is the caller's mistake");
    }
    read_key(text);
    return 0;
}
