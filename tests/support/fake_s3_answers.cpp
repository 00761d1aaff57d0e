#include "support/fake_s3_answers.hpp"

#include "cooper/base/text.hpp"

#include "support/fake_s3_auth.hpp"

#include <algorithm>

namespace cooper::testing::s3_answers {

namespace {

constexpr std::string_view kNamespace = "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"";

std::string escaped(std::string_view text) {
    std::string result;
    for (const char c : text) {
        result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '"' ? "&quot;" : std::string(1, c);
    }
    return result;
}

}  // namespace

FakeS3::Answer error(int status, const std::string& code, const std::string& message, const std::string& more) {
    return {.status = status,
            .headers = {{"content-type", "application/xml"}, {"x-amz-request-id", "FAKE0REQUEST"}},
            .body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>" + code + "</Code><Message>" + message +
                    "</Message>" + more + "<RequestId>FAKE0REQUEST</RequestId></Error>"};
}

FakeS3::Answer document(const std::string& root, const std::string& inner) {
    return {.status = 200,
            .headers = {{"content-type", "application/xml"}},
            .body = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<" + root + " " + std::string(kNamespace) + ">" +
                    inner + "</" + root + ">"};
}

std::string element(const std::string& name, std::string_view text) {
    return "<" + name + ">" + escaped(text) + "</" + name + ">";
}

std::string header(const FakeS3::Request& request, const std::string& name) {
    const auto at = request.headers.find(name);
    return at == request.headers.end() ? "" : at->second;
}

std::string value(const std::map<std::string, std::string>& map, const std::string& name) {
    const auto at = map.find(name);
    return at == map.end() ? "" : at->second;
}

std::string bare(std::string text) {
    text.erase(std::remove(text.begin(), text.end(), '"'), text.end());
    return text;
}

std::string quoted_md5(const std::string& content) {
    return "\"" + to_hex(as_bytes(s3_auth::md5_raw(content))) + "\"";
}

std::map<std::string, std::string> kept_headers(const FakeS3::Request& request) {
    std::map<std::string, std::string> kept;
    for (const auto& [name, text] : request.headers) {
        if (name.starts_with("x-amz-meta-") || name == "content-type" || name == "content-disposition" ||
            name == "cache-control") {
            kept[name] = text;
        }
    }
    return kept;
}

std::vector<std::string> texts_of(const std::string& xml, const std::string& name) {
    std::vector<std::string> found;
    const std::string open = "<" + name + ">";
    for (std::size_t at = xml.find(open); at != std::string::npos; at = xml.find(open, at)) {
        at += open.size();
        std::string text = xml.substr(at, xml.find("</" + name + ">", at) - at);
        for (std::size_t quote = text.find("&quot;"); quote != std::string::npos; quote = text.find("&quot;")) {
            text.replace(quote, 6, "\"");
        }
        found.push_back(text);
    }
    return found;
}

}  // namespace cooper::testing::s3_answers
