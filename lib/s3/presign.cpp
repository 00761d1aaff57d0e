#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/bucket.hpp"

#include "s3/operations.hpp"

#include <algorithm>

namespace cooper::s3 {

namespace {

constexpr std::chrono::seconds kLongestLink = std::chrono::days(7);       // X-Amz-Expires at most
constexpr std::chrono::seconds kLongestSession = std::chrono::hours(12);  // of a role, when nobody says
constexpr std::chrono::seconds kMargin{60};                               // clocks differ, requests take time

struct LinkEnd {
    TimePoint time;
    std::string limited_by;

    void cap(TimePoint at, const std::string& why) {
        if (at < time) {
            time = at;
            limited_by = why;
        }
    }
};

}  // namespace

std::string attachment_disposition(std::string_view file_name) {
    constexpr std::string_view kRefused = ":/\\*?\"<>|";  // by one file system or another
    std::string safe;
    std::string ascii;
    for (const char c : trim(file_name)) {
        const auto byte = static_cast<unsigned char>(c);
        const bool refused = byte < 0x20 || byte == 0x7F || kRefused.find(c) != std::string_view::npos;
        safe += refused ? '_' : c;
        ascii += refused || byte >= 0x80 ? '_' : c;
    }
    if (safe.empty()) {
        safe = ascii = "download";
    }
    std::string text = "attachment; filename=\"" + ascii + "\"";
    if (safe != ascii) {
        text += "; filename*=UTF-8''" + percent_encode(safe);
    }
    return text;
}

Bucket::Presigned Bucket::presign_get(const std::string& key, std::chrono::seconds lifetime,
                                      const std::string& file_name, const Run& run) {
    check_key(key);
    Store& store = state_->store;
    if (lifetime < std::chrono::seconds(1)) {
        throw Error(ErrorCode::InvalidInput, "a link to " + store.name_of(key) + " must live for at least one second");
    }
    store.confirm_region(run);  // a link to another region's host would be refused, and a redirect breaks its signature
    const TimePoint now = store.now(run);
    Credentials credentials = store.credentials().get(run);
    {
        const std::scoped_lock lock(state_->mutex);
        const bool short_lived = credentials.expires && *credentials.expires - now < std::min(lifetime, kLongestLink);
        if (short_lived && state_->presign_refreshed != credentials.expires) {
            store.credentials().invalidate();  // a fresh session lasts longer; once, not for every link
            credentials = store.credentials().get(run);
            state_->presign_refreshed = credentials.expires;
        }
    }
    LinkEnd end{now + lifetime, ""};
    end.cap(now + kLongestLink, "S3's limit of 7 days");
    if (credentials.expires) {
        end.cap(*credentials.expires - kMargin, "the session's credentials (" + credentials.origin + ")");
    }
    if (end.time <= now) {
        throw Error(ErrorCode::AccessDenied, "a link to " + store.name_of(key) + ": the credentials (" +
                                                 credentials.origin + ") are about to end")
            .advise("get new credentials; links that last for days need the key of an IAM user");
    }
    Presigned link;
    const Location location = store.location(key);
    SignableRequest request{"GET", location.path, {}, {{"host", location.url.authority()}}, "UNSIGNED-PAYLOAD"};
    if (!file_name.empty()) {
        request.query.emplace_back("response-content-disposition", attachment_disposition(file_name));
    }
    const Scope scope{now, store.region()};
    Url url = location.url;
    url.query = encode_query(presign_query(request, credentials, scope, end.time - now));
    link.url = url.text();
    link.expiry_unknown = !credentials.session_token.empty() && !credentials.expires;
    if (link.expiry_unknown) {
        end.cap(now + kLongestSession, "the session's credentials, whose end is not known (at most 12 h)");
    }
    link.expires = end.time;
    link.limited_by = end.limited_by;
    return link;
}

}  // namespace cooper::s3
