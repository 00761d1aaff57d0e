// Link fields and the Range of an upload: never a throw, nothing that was not in the text.
#include "fuzz/fuzz.hpp"
#include "oci/registry/blob_upload.hpp"
#include "oci/registry/registry_document.hpp"

#include <cstdint>
#include <string>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(cooper::fuzz::text_of(data, size));
    if (const auto link = cooper::oci::next_link({text})) {
        cooper::fuzz::check(text.find(*link) != std::string::npos, "a target is a part of its field");
        cooper::fuzz::check(link->find('>') == std::string::npos, "a target ends at its bracket");
        cooper::fuzz::check(cooper::oci::next_link({"<" + *link + ">; rel=next"}) == link,
                            "written out it is the same");
    }
    if (const auto last = cooper::oci::parse_upload_range(text)) {
        cooper::fuzz::check(cooper::oci::parse_upload_range("0-" + std::to_string(*last)) == last,
                            "a range is the same again");
    }
    return 0;
}
