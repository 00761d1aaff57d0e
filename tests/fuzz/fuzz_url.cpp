// URLs: only Error{InvalidInput} leaves the parser; what it takes is sent as written, and nothing in it can become a
// second request line, another host or a password in a message.
#include "cooper/base/http.hpp"

#include "fuzz/fuzz.hpp"

#include <cstdint>

namespace {

using cooper::Url;
using cooper::fuzz::check;

void check_url(const Url& url) {
    const std::string text = url.text();
    check(Url::parse(text).same_origin(url), "the text has the same origin");
    check(Url::parse(text).path == url.path && Url::parse(text).query == url.query, "the text has the same target");
    check(url.authority().find_first_of("@/?#\\") == std::string::npos, "the authority is a host and a port");
    check(text.find_first_of(std::string_view(" \r\n\0", 4)) == std::string::npos, "the text is one word");
    check(url.path.starts_with('/'), "the path begins with a slash");
    check(url.query.empty() || url.redacted().ends_with("?\xe2\x80\xa6"), "the query is hidden");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string text(cooper::fuzz::text_of(data, size));
    static const Url base = Url::parse("https://registry.example:5000/v2/app/blobs/uploads/1?state=x");
    try {
        check_url(Url::parse(text));
    } catch (const cooper::Error& error) {
        check(error.code() == cooper::ErrorCode::InvalidInput, "a bad URL is the caller's mistake");
    }
    try {
        check_url(base.resolve(text));
    } catch (const cooper::Error& error) {
        check(error.code() == cooper::ErrorCode::InvalidInput, "a bad reference is the caller's mistake");
    }
    return 0;
}
