#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/http_exchange.hpp"

namespace cooper {

namespace {

constexpr std::size_t kMaxHead = 64 * 1024;  // of all blocks together, so that interim answers cannot go on for ever

[[noreturn]] void fail(const std::string& why) {
    throw Error(ErrorCode::Unavailable, "the answer's header " + why);
}

}  // namespace

void HttpHead::add_line(std::string_view line) {
    if (complete_) {
        return;  // trailers of a chunked body
    }
    bytes_ += line.size();
    if (bytes_ > kMaxHead) {
        fail("is larger than " + std::to_string(kMaxHead) + " bytes");
    }
    while (line.ends_with('\n') || line.ends_with('\r')) {
        line.remove_suffix(1);
    }
    if (line.empty()) {
        end();
    } else if (status_ == 0 || line.starts_with("HTTP/")) {
        begin(line);
    } else {
        add_field(line);
    }
}

/// "HTTP/1.1 200 OK"
void HttpHead::begin(std::string_view status_line) {
    const std::size_t blank = status_line.find(' ');
    const auto status = blank == std::string_view::npos
                            ? std::nullopt
                            : parse_uint(status_line.substr(blank + 1, status_line.find(' ', blank + 1) - blank - 1));
    if (!status || *status < 100 || *status > 999) {
        fail("has no valid status");
    }
    status_ = static_cast<int>(*status);
    headers_ = Headers();
}

void HttpHead::end() {
    complete_ = status_ >= 200;
    if (!complete_) {
        status_ = 0;
    }
}

void HttpHead::add_field(std::string_view line) {
    const std::size_t colon = line.find(':');
    // Folded lines are refused by RFC 9112 section 5.2 for servers, and nobody sends them; libcurl passes them on.
    if (line.starts_with(' ') || line.starts_with('\t') || colon == std::string_view::npos || colon == 0) {
        fail("has a line that is no field");
    }
    headers_.add(std::string(trim(line.substr(0, colon))), std::string(trim(line.substr(colon + 1))));
}

}  // namespace cooper
