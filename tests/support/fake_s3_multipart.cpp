// Multipart uploads of the fake store.
#include "cooper/base/text.hpp"

#include "support/fake_s3.hpp"
#include "support/fake_s3_answers.hpp"
#include "support/fake_s3_auth.hpp"

#include <algorithm>

namespace cooper::testing {

using namespace s3_answers;  // NOLINT(google-build-using-namespace)

FakeS3::Answer FakeS3::list_uploads(const Query& query) const {
    std::map<std::pair<std::string, std::string>, const Upload*> sorted;
    for (const auto& [id, upload] : uploads_) {
        sorted[{upload.key, id}] = &upload;
    }
    const std::pair<std::string, std::string> marker{value(query, "key-marker"), value(query, "upload-id-marker")};
    std::string inner;
    std::pair<std::string, std::string> last;
    std::size_t count = 0;
    bool truncated = false;
    for (const auto& [place, upload] : sorted) {
        if (!place.first.starts_with(value(query, "prefix")) || (!marker.first.empty() && place <= marker)) {
            continue;
        }
        if (count++ == options_.page) {
            truncated = true;
            break;
        }
        inner += "<Upload>" + element("Key", listed_key(place.first, query)) + element("UploadId", place.second) +
                 element("Initiated", format_rfc3339(now())) + "</Upload>";
        last = place;
    }
    inner += element("IsTruncated", truncated ? "true" : "false");
    inner += truncated
                 ? element("NextKeyMarker", listed_key(last.first, query)) + element("NextUploadIdMarker", last.second)
                 : "";
    const bool says = !options_.never_encodes && !options_.encodes_silently && value(query, "encoding-type") == "url";
    return document("ListMultipartUploadsResult", inner + (says ? element("EncodingType", "url") : ""));
}

FakeS3::Answer FakeS3::no_such_upload() const {
    return error(404, options_.confuses_uploads ? "NoSuchKey" : "NoSuchUpload");
}

FakeS3::Answer FakeS3::list_parts(const std::string& upload_id, const Query& query) const {
    const Upload& upload = uploads_.at(upload_id);
    const std::uint64_t marker = parse_uint(value(query, "part-number-marker")).value_or(0);
    std::string inner;
    std::size_t count = 0;
    unsigned last = 0;
    bool truncated = false;
    for (const auto& [number, part] : upload.parts) {
        if (number <= marker) {
            continue;
        }
        if (count++ == options_.page) {
            truncated = true;
            break;
        }
        const bool with_sum = !upload.checksum_algorithm.empty() && !options_.ignores_checksums;
        inner += "<Part>" + element("PartNumber", std::to_string(number)) + element("ETag", part.etag) +
                 element("Size", std::to_string(part.content.size())) +
                 (with_sum ? element("ChecksumCRC64NVME", s3_auth::crc64_text(part.crc)) : "") + "</Part>";
        last = number;
    }
    inner += element("IsTruncated", truncated ? "true" : "false") +
             (truncated ? element("NextPartNumberMarker", std::to_string(last)) : "");
    return document("ListPartsResult", inner);
}

FakeS3::Answer FakeS3::create_upload(const Request& request, const std::string& key) {
    if (auto refused = check_integrity(request)) {
        return std::move(*refused);
    }
    const std::string id = "upload/" + std::to_string(next_upload_++) + "+=";
    uploads_[id] = {key, kept_headers(request), {}, header(request, "x-amz-checksum-algorithm")};
    return document("InitiateMultipartUploadResult", element("Key", key) + element("UploadId", id));
}

FakeS3::Answer FakeS3::upload_part(const Request& request, const Query& query) {
    if (auto refused = check_integrity(request)) {
        return std::move(*refused);
    }
    const auto number = parse_uint(value(query, "partNumber"));
    if (!number || *number < 1 || *number > 10'000) {
        return error(400, "InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive");
    }
    const std::string etag = quoted_md5(request.body);
    uploads_.at(value(query, "uploadId")).parts[static_cast<unsigned>(*number)] = {request.body, etag,
                                                                                   s3_auth::crc64nvme(request.body)};
    Answer answer{.status = 200, .headers = {{"etag", etag}}, .body = ""};
    if (const std::string crc = header(request, "x-amz-checksum-crc64nvme");
        !crc.empty() && !options_.ignores_checksums) {
        answer.headers.emplace_back("x-amz-checksum-crc64nvme", crc);
    }
    return answer;
}

FakeS3::Answer FakeS3::copy_part(const Request& request, const Query& query) {
    if (options_.copy_status != 0) {
        return error(options_.copy_status, options_.copy_code);
    }
    std::string source = percent_decode(header(request, "x-amz-copy-source"));
    source.erase(0, source.starts_with('/') ? 1 : 0);
    const auto at = objects_.find(source.substr(source.find('/') + 1));
    if (!source.starts_with(options_.bucket + "/") || at == objects_.end()) {
        return error(404, "NoSuchKey");
    }
    const std::string match = header(request, "x-amz-copy-source-if-match");
    if (!match.empty() && !options_.ignores_source_conditions &&
        (match != at->second.etag || options_.fails_guarded_copies)) {
        return error(412, "PreconditionFailed");
    }
    const std::string range = header(request, "x-amz-copy-source-range").substr(6);
    const std::size_t first = std::stoul(range);
    const std::size_t last = std::stoul(range.substr(range.find('-') + 1));
    if (last >= at->second.content.size() || first > last) {
        return error(416, "InvalidRange");
    }
    const std::string content = at->second.content.substr(first, last - first + 1);
    const std::uint64_t crc = s3_auth::crc64nvme(content);
    Upload& upload = uploads_.at(value(query, "uploadId"));
    upload.parts[static_cast<unsigned>(std::stoul(value(query, "partNumber")))] = {content, quoted_md5(content), crc};
    const std::string sum = upload.checksum_algorithm.empty() || options_.ignores_checksums
                                ? ""
                                : element("ChecksumCRC64NVME", s3_auth::crc64_text(crc));
    return document("CopyPartResult", element("ETag", quoted_md5(content)) + sum);
}

FakeS3::Answer FakeS3::complete_upload(const Request& request, const std::string& key, const std::string& upload_id) {
    const auto at = uploads_.find(upload_id);
    if (at == uploads_.end()) {
        return no_such_upload();
    }
    if (auto refused = check_condition(request, key)) {
        return std::move(*refused);
    }
    if (options_.ignores_checksums && request.body.find("<Checksum") != std::string::npos) {
        return error(400, "MalformedXML");
    }
    const auto numbers = texts_of(request.body, "PartNumber");
    const auto etags = texts_of(request.body, "ETag");
    std::string content;
    std::string sums;
    for (std::size_t i = 0; i < numbers.size(); ++i) {
        const auto part = at->second.parts.find(static_cast<unsigned>(std::stoul(numbers[i])));
        if (part == at->second.parts.end() || i >= etags.size() || bare(part->second.etag) != bare(etags[i])) {
            return error(400, "InvalidPart");
        }
        if (i + 1 < numbers.size() && part->second.content.size() < options_.min_part) {
            return error(400, "EntityTooSmall");
        }
        content += part->second.content;
        sums += s3_auth::md5_raw(part->second.content);
    }
    const std::string crc = s3_auth::crc64_text(s3_auth::crc64nvme(content));
    const std::string told = header(request, "x-amz-checksum-crc64nvme");
    if (!told.empty() && told != crc) {
        return error(400, "BadDigest");
    }
    const std::string etag =
        "\"" + to_hex(as_bytes(s3_auth::md5_raw(sums))) + "-" + std::to_string(numbers.size()) + "\"";
    const bool with_sum = !at->second.checksum_algorithm.empty();
    objects_[key] = {std::move(content), etag, at->second.headers, {}};
    uploads_.erase(at);
    return document("CompleteMultipartUploadResult", element("Location", "http://nowhere") + element("Key", key) +
                                                         element("ETag", etag) +
                                                         (with_sum ? element("ChecksumCRC64NVME", crc) : ""));
}

}  // namespace cooper::testing
