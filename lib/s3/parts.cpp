// The parts that a store has already: listed, and compared with what they have to be.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/checksum.hpp"
#include "cooper/s3/upload.hpp"

#include "s3/legacy_hash.hpp"
#include "s3/multipart.hpp"
#include "s3/operations.hpp"

#include <map>
#include <numeric>

namespace cooper::s3 {

namespace {

[[noreturn]] void refuse_listing(const std::string& what, const std::string& why) {
    throw Error(ErrorCode::Unavailable, what + ": the store's answer cannot be true: " + why);
}

/// One <Part> of a listing.
UploadedPart read_part(const xml::Element& item, const std::string& what) {
    const auto number = parse_uint(trim(item.text_of("PartNumber")));
    const auto size = parse_uint(trim(item.text_of("Size")));
    std::string etag(trim(item.text_of("ETag")));
    if (!number || *number < 1 || *number > kMaxParts || !size || etag.empty()) {
        refuse_listing(what, "a part has no number from 1 to 10,000, no size or no ETag");
    }
    return {static_cast<std::uint32_t>(*number), std::move(etag), *size, told_crc64(item)};
}

bool is_md5_of(std::string_view etag, Bytes bytes) {
    constexpr std::size_t kMd5Hex = 32;
    const std::string_view bare = bare_etag(etag);
    if (bare.size() != kMd5Hex) {
        return false;
    }
    try {
        return equals_ignoring_case(bare, to_hex(as_bytes(legacy_hash(LegacyHash::Md5, bytes))));
    } catch (const Error&) {
        return false;  // no MD5 in FIPS mode: then nothing proves it
    }
}

}  // namespace

std::optional<std::uint64_t> told_crc64(const xml::Element& element) {
    const auto raw = from_base64(trim(element.text_of("ChecksumCRC64NVME")));
    if (!raw || raw->size() != sizeof(std::uint64_t)) {
        return std::nullopt;
    }
    return std::accumulate(raw->begin(), raw->end(), std::uint64_t{0},
                           [](std::uint64_t value, char c) { return (value << 8) | static_cast<unsigned char>(c); });
}

std::optional<std::vector<UploadedPart>> Bucket::list_parts(const std::string& key, const std::string& upload_id,
                                                            const Run& run) {
    check_key(key);
    Store& store = state_->store;
    Call call;
    call.what = "listing the parts of the upload of " + store.name_of(key);
    call.method = "GET";
    call.key = key;
    call.accepted = {404};
    call.reply = ReplyBody::Document;
    std::map<std::uint32_t, UploadedPart> parts;  // not every store's pages are in order
    std::uint64_t marker = 0;
    for (;;) {
        call.query = {{"max-parts", "1000"}, {"part-number-marker", std::to_string(marker)}, {"uploadId", upload_id}};
        const Reply reply = store.send(call, run);
        if (is_upload_gone(reply)) {
            return std::nullopt;
        }
        if (!reply.good()) {
            raise(reply.failure, call.what);
        }
        for (const xml::Element& item : reply.document->children) {
            if (item.name != "Part") {
                continue;
            }
            UploadedPart part = read_part(item, call.what);
            const std::uint32_t number = part.number;
            if (!parts.emplace(number, std::move(part)).second) {
                refuse_listing(call.what, "part " + std::to_string(number) + " is there twice");
            }
        }
        if (!equals_ignoring_case(trim(reply.document->text_of("IsTruncated")), "true")) {
            break;
        }
        const auto next = parse_uint(trim(reply.document->text_of("NextPartNumberMarker")));
        if (!next || *next <= marker || *next > kMaxParts) {
            refuse_listing(call.what, "its pages do not come to an end");
        }
        marker = *next;
    }
    std::vector<UploadedPart> all;
    for (auto& [number, part] : parts) {
        if (part.crc64) {
            store.note_checksum_echo();
        }
        all.push_back(std::move(part));
    }
    return all;
}

bool part_holds(const UploadedPart& part, Bytes bytes, std::optional<std::uint64_t> crc64) {
    if (part.size != bytes.size()) {
        return false;
    }
    return part.crc64 ? *part.crc64 == (crc64 ? *crc64 : crc64nvme(bytes)) : is_md5_of(part.etag, bytes);
}

bool part_holds(const UploadedPart& part, std::uint64_t size, std::uint64_t crc64) {
    return part.size == size && part.crc64 == crc64;
}

UploadedPart with_crc64(UploadedPart part, std::uint64_t crc64) {
    part.crc64 = crc64;
    return part;
}

}  // namespace cooper::s3
