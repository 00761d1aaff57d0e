// What S3 and STS answer, and the AWS CLI's files: both are text that a stranger may have written.
#include "fuzz/fuzz.hpp"
#include "s3/profile.hpp"
#include "s3/xml.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view text = cooper::fuzz::text_of(data, size);
    if (const auto root = cooper::s3::xml::try_parse(text)) {
        const std::string wrapped = "<a>" + cooper::s3::xml::escape(root->text) + "</a>";
        const auto again = cooper::s3::xml::try_parse(wrapped);
        cooper::fuzz::check(again && again->text == root->text, "escaped text parses back");
    }
    cooper::fuzz::expect_only_errors([&] { cooper::s3::parse_ini(text, "fuzz"); });
    return 0;
}
