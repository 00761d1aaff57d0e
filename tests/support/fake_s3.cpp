#include "support/fake_s3.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "support/fake_s3_answers.hpp"
#include "support/fake_s3_auth.hpp"

#include <algorithm>

namespace cooper::testing {

using namespace s3_answers;  // NOLINT(google-build-using-namespace)

namespace {

using s3_auth::Claim;
using Answer = FakeS3::Answer;
using Request = FakeS3::Request;

constexpr std::chrono::minutes kAllowedSkew{15};

std::string operation_of(const Request& request, bool has_key, const std::map<std::string, std::string>& query) {
    const auto has = [&query](const char* name) { return query.contains(name); };
    if (!has_key) {
        return request.method == "HEAD" ? "HeadBucket" : has("uploads") ? "ListMultipartUploads" : "ListObjectsV2";
    }
    if (has("tagging")) {
        return request.method == "PUT" ? "PutObjectTagging" : "GetObjectTagging";
    }
    if (request.method == "POST") {
        return has("uploads") ? "CreateMultipartUpload" : "CompleteMultipartUpload";
    }
    if (request.method == "PUT") {
        return !has("partNumber")                              ? "PutObject"
               : request.headers.contains("x-amz-copy-source") ? "UploadPartCopy"
                                                               : "UploadPart";
    }
    if (request.method == "DELETE") {
        return has("uploadId") ? "AbortMultipartUpload" : "DeleteObject";
    }
    return has("uploadId") ? "ListParts" : request.method == "HEAD" ? "HeadObject" : "GetObject";
}

std::optional<TimePoint> amz_time(const std::string& text) {
    if (text.size() != 16) {
        return std::nullopt;
    }
    return parse_rfc3339(text.substr(0, 4) + "-" + text.substr(4, 2) + "-" + text.substr(6, 5) + ":" +
                         text.substr(11, 2) + ":" + text.substr(13));
}

std::string http_date(TimePoint time) {
    static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    const auto day = std::chrono::floor<std::chrono::days>(time);
    const std::chrono::year_month_day date(day);
    const std::string iso = format_rfc3339(time);
    return std::string(kDays[std::chrono::weekday(day).c_encoding()]) + ", " + iso.substr(8, 2) + " " +
           kMonths[static_cast<unsigned>(date.month()) - 1] + " " + iso.substr(0, 4) + " " + iso.substr(11, 8) + " GMT";
}

Answer fault_answer(S3Fault fault) {
    switch (fault) {
        case S3Fault::SlowDown:
            return error(503, "SlowDown", "Please reduce your request rate.");
        case S3Fault::InternalError:
        case S3Fault::Late500:
            return error(500, "InternalError");
        case S3Fault::ErrorIn200:
        case S3Fault::DoneErrorIn200: {
            Answer answer = error(200, "InternalError", "We encountered an internal error. Please try again.");
            answer.body.insert(0, "   \n");
            return answer;
        }
        case S3Fault::EmptyIn200:
            return {.status = 200, .headers = {}, .body = ""};
        case S3Fault::Conflict:
            return error(409, "ConditionalRequestConflict");
        case S3Fault::RequestTimeout:
            return error(400, "RequestTimeout");
        case S3Fault::ExpiredToken:
            return error(400, "ExpiredToken", "The provided token has expired.", "<Token-0>leaked</Token-0>");
        case S3Fault::BadDigest:
            return error(400, "BadDigest");
        case S3Fault::AccessDenied:
            return error(403, "AccessDenied", "Access Denied");
        default:
            return {.status = 0, .headers = {}, .body = {}, .none = true};
    }
}

bool is_done_all_the_same(S3Fault fault) {
    return fault == S3Fault::Late500 || fault == S3Fault::DoneErrorIn200 || fault == S3Fault::EmptyIn200 ||
           fault == S3Fault::LostReply;
}

}  // namespace

TimePoint FakeS3::now() const {
    return (options_.clock != nullptr ? options_.clock : &system_clock())->now_seconds() + options_.clock_offset;
}

void FakeS3::fail(const std::string& operation, S3Fault fault, int times) {
    const std::scoped_lock lock(mutex_);
    faults_.insert(faults_.end(), static_cast<std::size_t>(times), {operation, fault});
}

void FakeS3::set_chaos(std::function<S3Fault(const std::string&, const std::string&)> chaos) {
    const std::scoped_lock lock(mutex_);
    chaos_ = std::move(chaos);
}

void FakeS3::put(const std::string& key, std::string content) {
    const std::scoped_lock lock(mutex_);
    std::string etag = quoted_md5(content);
    objects_[key] = {std::move(content), std::move(etag), {}, {}};
}

void FakeS3::put_tag(const std::string& key, const std::string& name, std::string text) {
    const std::scoped_lock lock(mutex_);
    objects_.at(key).tags[name] = std::move(text);
}

std::optional<FakeS3::Object> FakeS3::find(const std::string& key) const {
    const std::scoped_lock lock(mutex_);
    const auto at = objects_.find(key);
    return at == objects_.end() ? std::nullopt : std::optional(at->second);
}

std::vector<std::string> FakeS3::keys() const {
    const std::scoped_lock lock(mutex_);
    std::vector<std::string> all;
    for (const auto& [key, object] : objects_) {
        all.push_back(key);
    }
    return all;
}

std::size_t FakeS3::pending_uploads() const {
    const std::scoped_lock lock(mutex_);
    return uploads_.size();
}

std::vector<FakeS3::Seen> FakeS3::seen() const {
    const std::scoped_lock lock(mutex_);
    return seen_;
}

std::size_t FakeS3::count(const std::string& operation) const {
    const std::scoped_lock lock(mutex_);
    return static_cast<std::size_t>(std::count_if(
        seen_.begin(), seen_.end(), [&operation](const Seen& one) { return one.operation == operation; }));
}

void FakeS3::change(const std::function<void(FakeS3Options&)>& edit) {
    const std::scoped_lock lock(mutex_);
    edit(options_);
}

S3Fault FakeS3::next_fault(const std::string& operation, const std::string& key) {
    std::function<S3Fault(const std::string&, const std::string&)> chaos;
    {
        const std::scoped_lock lock(mutex_);
        const auto fits = [&operation](const auto& fault) { return fault.first.empty() || fault.first == operation; };
        const auto at = std::find_if(faults_.begin(), faults_.end(), fits);
        if (at != faults_.end()) {
            const S3Fault fault = at->second;
            faults_.erase(at);
            return fault;
        }
        chaos = chaos_;
    }
    return chaos ? chaos(operation, key) : S3Fault::None;  // without the lock: it may sleep
}

FakeS3::Answer FakeS3::handle(const Request& request) {
    Query query;
    for (const auto& [name, text] : s3_auth::raw_query(request.query)) {
        query[percent_decode(name)] = percent_decode(text);
    }
    const std::size_t slash = request.path.find('/', 1);
    const std::string bucket = percent_decode(request.path.substr(1, slash == std::string::npos ? slash : slash - 1));
    const std::string key = slash == std::string::npos ? "" : percent_decode(request.path.substr(slash + 1));
    const std::string operation = operation_of(request, !key.empty(), query);
    const S3Fault fault = next_fault(operation, key);

    const std::scoped_lock lock(mutex_);
    Answer answer;
    if (auto refused = check_access(request)) {
        answer = std::move(*refused);
    } else if (bucket != options_.bucket) {
        answer = error(404, "NoSuchBucket", "The specified bucket does not exist");
    } else if (fault == S3Fault::None || fault == S3Fault::CutBody) {
        answer = dispatch(request, operation, key, query);
        answer.cut = fault == S3Fault::CutBody;
    } else {
        if (is_done_all_the_same(fault)) {
            dispatch(request, operation, key, query);
        }
        answer = fault_answer(fault);
    }
    answer.headers.emplace_back("date", http_date(now()));
    if (request.method == "HEAD") {
        answer.body.clear();
    }
    seen_.push_back({operation, key, request.headers, request.query, answer.none ? 0 : answer.status});
    return answer;
}

std::optional<FakeS3::Answer> FakeS3::check_access(const Request& request) const {
    if (request.query.find("X-Amz-Signature=") != std::string::npos) {
        return check_presigned(request);
    }
    const auto claim = s3_auth::header_claim(request);
    if (!claim || claim->access_key != options_.access_key || claim->service != "s3") {
        return error(403, "InvalidAccessKeyId");
    }
    if (claim->region != options_.region) {
        const std::string region = element("Region", options_.region);
        Answer wrong = options_.redirects ? error(301, "PermanentRedirect")
                                          : error(400, "AuthorizationHeaderMalformed", "wrong region", region);
        wrong.headers.emplace_back("x-amz-bucket-region", options_.region);
        return wrong;
    }
    const auto time = amz_time(claim->time);
    if (!time || std::chrono::abs(*time - now()) > kAllowedSkew) {
        return error(403, "RequestTimeTooSkewed", "too large", element("ServerTime", format_rfc3339(now())));
    }
    const auto covered = split(claim->signed_headers, ';');
    for (const auto& [name, text] : request.headers) {
        const bool must =
            name == "host" || name.starts_with("x-amz-") || name == "content-md5" || name.starts_with("if-");
        if (must && std::find(covered.begin(), covered.end(), name) == covered.end()) {
            return error(403, "AccessDenied",
                         "There were headers present in the request which were not signed: " + name);
        }
    }
    const std::string payload = header(request, "x-amz-content-sha256");
    if (payload.empty() || (payload != "UNSIGNED-PAYLOAD" && payload != s3_auth::sha256_hex(request.body))) {
        return error(400, "XAmzContentSHA256Mismatch");
    }
    if (s3_auth::expected_signature(request, *claim, options_.secret_key) != claim->signature) {
        return error(403, "SignatureDoesNotMatch");
    }
    if (header(request, "x-amz-security-token") != options_.session_token) {
        return error(400, "InvalidToken");
    }
    return std::nullopt;
}

std::optional<FakeS3::Answer> FakeS3::check_presigned(const Request& request) const {
    const auto claim = s3_auth::query_claim(request);
    if (!claim || claim->access_key != options_.access_key || claim->region != options_.region) {
        return error(403, "AccessDenied");
    }
    Query query;
    for (const auto& [name, text] : s3_auth::raw_query(request.query)) {
        query[name] = percent_decode(text);
    }
    const auto begin = amz_time(claim->time);
    const auto life = parse_uint(value(query, "X-Amz-Expires"));
    if (!begin || !life || *life < 1 || *life > 604'800) {
        return error(400, "AuthorizationQueryParametersError");
    }
    if (now() < *begin - kAllowedSkew || now() > *begin + std::chrono::seconds(*life)) {
        return error(403, "AccessDenied", "Request has expired");
    }
    const bool token_fits = value(query, "X-Amz-Security-Token") == options_.session_token;
    if (!token_fits || s3_auth::expected_signature(request, *claim, options_.secret_key) != claim->signature) {
        return error(403, "SignatureDoesNotMatch");
    }
    return std::nullopt;
}

FakeS3::Answer FakeS3::dispatch(const Request& request, const std::string& operation, const std::string& key,
                                const Query& query) {
    const std::string upload_id = value(query, "uploadId");
    const auto upload = uploads_.find(upload_id);
    if (!upload_id.empty() && upload == uploads_.end() && operation != "CompleteMultipartUpload") {
        return no_such_upload();
    }
    if (operation == "HeadBucket") {
        return {.status = 200, .headers = {{"x-amz-bucket-region", options_.region}}, .body = ""};
    }
    if (operation.ends_with("ObjectTagging")) {
        return tagging(request, key);
    }
    if (operation == "PutObject") {
        return put_object(request, key);
    }
    if (operation == "GetObject" || operation == "HeadObject") {
        return get_object(request, key, query);
    }
    if (operation == "DeleteObject") {
        objects_.erase(key);
        return {.status = 204, .headers = {}, .body = ""};
    }
    if (operation == "ListObjectsV2") {
        return list_objects(query);
    }
    if (operation == "ListMultipartUploads") {
        return list_uploads(query);
    }
    if (operation == "CreateMultipartUpload") {
        return create_upload(request, key);
    }
    if (operation == "UploadPart") {
        return upload_part(request, query);
    }
    if (operation == "UploadPartCopy") {
        return copy_part(request, query);
    }
    if (operation == "AbortMultipartUpload") {
        uploads_.erase(upload);
        return {.status = 204, .headers = {}, .body = ""};
    }
    return operation == "ListParts" ? list_parts(upload_id, query) : complete_upload(request, key, upload_id);
}

std::optional<FakeS3::Answer> FakeS3::check_condition(const Request& request, const std::string& key) const {
    using Conditions = FakeS3Options::Conditions;
    const std::string absent = header(request, "if-none-match");
    const std::string match = header(request, "if-match");
    if ((absent.empty() && match.empty()) || options_.conditions == Conditions::Ignored) {
        return std::nullopt;
    }
    if (options_.conditions == Conditions::Refused ||
        (!match.empty() && options_.conditions == Conditions::CreateOnly)) {
        return error(501, "NotImplemented", "A header you provided implies functionality that is not implemented",
                     element("Header", match.empty() ? "If-None-Match" : "If-Match"));
    }
    const auto at = objects_.find(key);
    if (!absent.empty()) {
        return at == objects_.end() ? std::nullopt : std::optional(error(412, "PreconditionFailed"));
    }
    if (at == objects_.end()) {
        return error(404, "NoSuchKey");
    }
    const bool same = options_.bare_etags ? match == bare(at->second.etag) : match == at->second.etag;
    return same ? std::nullopt : std::optional(error(412, "PreconditionFailed"));
}

std::optional<FakeS3::Answer> FakeS3::check_integrity(const Request& request) const {
    const std::string crc = header(request, "x-amz-checksum-crc64nvme");
    const std::string md5 = header(request, "content-md5");
    if (options_.refuses_crc && (!crc.empty() || request.headers.contains("x-amz-checksum-algorithm"))) {
        return error(400, "InvalidArgument",
                     "Unsupported header 'x-amz-sdk-checksum-algorithm' received for this API call.");
    }
    if (options_.refuses_md5 && !md5.empty()) {
        return error(501, "NotImplemented");
    }
    if (!crc.empty() && crc != s3_auth::crc64_text(s3_auth::crc64nvme(request.body))) {
        return error(400, "BadDigest");
    }
    if (!md5.empty() && md5 != to_base64(as_bytes(s3_auth::md5_raw(request.body)))) {
        return error(400, "BadDigest");
    }
    return std::nullopt;
}

FakeS3::Answer FakeS3::put_object(const Request& request, const std::string& key) {
    if (auto refused = check_integrity(request)) {
        return std::move(*refused);
    }
    if (auto refused = check_condition(request, key)) {
        return std::move(*refused);
    }
    Object& object = objects_[key] = {request.body, quoted_md5(request.body), kept_headers(request), {}};
    return {.status = 200, .headers = {{"etag", object.etag}}, .body = ""};
}

FakeS3::Answer FakeS3::get_object(const Request& request, const std::string& key, const Query& query) const {
    const auto at = objects_.find(key);
    if (at == objects_.end()) {
        return error(404, "NoSuchKey", "The specified key does not exist.");
    }
    const Object& object = at->second;
    if (const std::string match = header(request, "if-match"); !match.empty() && match != object.etag) {
        return error(412, "PreconditionFailed");
    }
    Answer answer{
        .status = 200, .headers = {{"etag", object.etag}, {"last-modified", http_date(now())}}, .body = object.content};
    for (const auto& [name, text] : object.headers) {
        answer.headers.emplace_back(name, text);
    }
    if (const std::string range = header(request, "range"); !range.empty()) {
        const std::size_t first = std::stoul(range.substr(6));
        if (first >= object.content.size()) {
            return error(416, "InvalidRange");
        }
        answer.status = 206;
        answer.body = object.content.substr(first);
        answer.headers.emplace_back("content-range", "bytes " + std::to_string(first) + "-" +
                                                         std::to_string(object.content.size() - 1) + "/" +
                                                         std::to_string(object.content.size()));
    }
    if (const std::string disposition = value(query, "response-content-disposition"); !disposition.empty()) {
        answer.headers.emplace_back("content-disposition", disposition);
    }
    answer.headers.emplace_back("content-length", std::to_string(answer.body.size()));
    return answer;
}

FakeS3::Answer FakeS3::tagging(const Request& request, const std::string& key) {
    using Tagging = FakeS3Options::Tagging;
    const bool put = request.method == "PUT";
    if (options_.tagging == Tagging::Unknown) {
        return put ? put_object(request, key) : get_object(request, key, {});
    }
    if (options_.tagging == Tagging::Refused) {
        return error(501, "NotImplemented", "A header you provided implies functionality that is not implemented");
    }
    const auto at = objects_.find(key);
    if (at == objects_.end()) {
        return error(404, "NoSuchKey", "The specified key does not exist.");
    }
    std::map<std::string, std::string>& tags = at->second.tags;
    if (!put) {
        std::string inner;
        for (const auto& [name, text] : tags) {
            inner += "<Tag>" + element("Key", name) + element("Value", text) + "</Tag>";
        }
        return document("Tagging", "<TagSet>" + inner + "</TagSet>");
    }
    if (auto refused = check_integrity(request)) {
        return std::move(*refused);
    }
    if (header(request, "content-md5").empty() && header(request, "x-amz-checksum-crc64nvme").empty()) {
        return error(400, "InvalidRequest", "Missing required header for this request: Content-MD5");
    }
    const auto names = texts_of(request.body, "Key");
    const auto values = texts_of(request.body, "Value");
    tags.clear();
    for (std::size_t i = 0; i < names.size(); ++i) {
        tags[names[i]] = values.at(i);
    }
    return tags.size() > 10 ? error(400, "BadRequest", "Object tags cannot be greater than 10")
                            : Answer{.status = 200, .headers = {}, .body = ""};
}

std::string FakeS3::listed_key(const std::string& key, const Query& query) const {
    if (options_.never_encodes || value(query, "encoding-type") != "url") {
        return key;
    }
    std::string encoded = percent_encode(key, "/");  // as AWS: a space is "+"
    for (std::size_t at = encoded.find("%20"); at != std::string::npos; at = encoded.find("%20")) {
        encoded.replace(at, 3, "+");
    }
    return options_.encodes_silently ? percent_encode(key, "/") : encoded;
}

FakeS3::Answer FakeS3::list_objects(const Query& query) const {
    const std::string prefix = value(query, "prefix");
    const std::string after = value(query, "continuation-token");
    std::string inner;
    std::string last;
    std::size_t count = 0;
    bool truncated = false;
    for (const auto& [key, object] : objects_) {
        if (!key.starts_with(prefix) || (!after.empty() && "token:" + key <= after)) {
            continue;
        }
        if (count++ == options_.page) {
            truncated = true;
            break;
        }
        inner += "<Contents>" + element("Key", listed_key(key, query)) +
                 element("LastModified", format_rfc3339(now())) + element("ETag", object.etag) +
                 element("Size", std::to_string(object.content.size())) + "</Contents>";
        last = key;
    }
    inner += element("IsTruncated", truncated ? "true" : "false");
    inner += truncated ? element("NextContinuationToken", "token:" + last) : "";
    const bool says = !options_.never_encodes && !options_.encodes_silently && value(query, "encoding-type") == "url";
    return document("ListBucketResult", inner + (says ? element("EncodingType", "url") : ""));
}

}  // namespace cooper::testing
