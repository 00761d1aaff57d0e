// ListObjectsV2 and ListMultipartUploads: all pages, and keys as they are.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/bucket.hpp"

#include "s3/operations.hpp"

#include <algorithm>
#include <cstdint>

namespace cooper::s3 {

namespace {

constexpr std::size_t kMaxPages = 10'000;

/// One page as the store sent it. Keys are asked for percent-encoded, since XML cannot hold every byte of a key.
struct Page {
    xml::Element root;
    bool encoded = false;

    [[nodiscard]] std::string key(std::string_view text) const {
        // AWS writes a space as "+", others as "%20"; a plus is "%2B" everywhere.
        return encoded ? percent_decode(text, true) : std::string(text);
    }
    [[nodiscard]] bool truncated() const { return equals_ignoring_case(trim(root.text_of("IsTruncated")), "true"); }
};

bool has_suspect_key(const xml::Element& root) {
    return std::any_of(root.children.begin(), root.children.end(), [](const xml::Element& item) {
        const std::string_view key = item.text_of("Key");
        return key.find('%') != std::string_view::npos || key.find('+') != std::string_view::npos;
    });
}

Page ask_page(Store& store, const std::string& what, NameValues query, const Run& run) {
    Call call;
    call.what = what;
    call.method = "GET";
    call.query = query;
    call.query.emplace_back("encoding-type", "url");
    call.reply = ReplyBody::Document;
    Page page{std::move(*store.send(call, run).document)};
    page.encoded = page.root.text_of("EncodingType") == "url";
    if (!page.encoded && has_suspect_key(page.root)) {
        // The store does not say whether it encoded (Ceph does without saying so, moto does not): ask in plain.
        call.query = std::move(query);
        page.root = std::move(*store.send(call, run).document);
    }
    return page;
}

[[noreturn]] void fail_endless(const std::string& what) {
    throw Error(ErrorCode::Unavailable, what + ": the store's pages do not come to an end");
}

}  // namespace

std::vector<ObjectInfo> Bucket::list(const std::string& prefix, const Run& run, std::size_t limit) {
    Store& store = state_->store;
    const std::string what = "listing " + store.name_of(prefix);
    std::vector<ObjectInfo> found;
    std::string token;
    for (std::size_t number = 0; number < kMaxPages; ++number) {
        NameValues query{{"list-type", "2"}, {"prefix", prefix}};
        if (!token.empty()) {
            query.emplace_back("continuation-token", token);
        }
        const Page page = ask_page(store, what, std::move(query), run);
        for (const xml::Element& item : page.root.children) {
            if (item.name != "Contents") {
                continue;
            }
            ObjectInfo info;
            info.key = page.key(item.text_of("Key"));
            info.size = parse_uint(trim(item.text_of("Size"))).value_or(0);
            info.etag = item.text_of("ETag");
            info.last_modified = parse_rfc3339(trim(item.text_of("LastModified")));
            if (info.key.starts_with(prefix)) {
                found.push_back(std::move(info));
            }
        }
        if (found.size() > limit) {
            throw Error(ErrorCode::InvalidInput, what + ": more than " + std::to_string(limit) + " objects");
        }
        if (!page.truncated()) {
            return found;
        }
        std::string next(page.root.text_of("NextContinuationToken"));
        if (next.empty() || next == token) {
            fail_endless(what);
        }
        token = std::move(next);
    }
    fail_endless(what);
}

std::vector<PendingUpload> Bucket::pending_uploads(const std::string& prefix, const Run& run) {
    Store& store = state_->store;
    const std::string what = "listing unfinished uploads of " + store.name_of(prefix);
    std::vector<PendingUpload> found;
    std::string key_marker;
    std::string upload_marker;
    for (std::size_t number = 0; number < kMaxPages; ++number) {
        NameValues query{{"uploads", ""}, {"prefix", prefix}};
        if (!key_marker.empty()) {
            query.emplace_back("key-marker", key_marker);
            query.emplace_back("upload-id-marker", upload_marker);
        }
        const Page page = ask_page(store, what, std::move(query), run);
        for (const xml::Element& item : page.root.children) {
            const std::string key = page.key(item.text_of("Key"));
            if (item.name == "Upload" && key.starts_with(prefix)) {  // not every store filters
                found.push_back(
                    {key, std::string(item.text_of("UploadId")), parse_rfc3339(trim(item.text_of("Initiated")))});
            }
        }
        if (!page.truncated()) {
            return found;
        }
        std::string next_key = page.key(page.root.text_of("NextKeyMarker"));
        std::string next_upload(page.root.text_of("NextUploadIdMarker"));
        if (next_key.empty() || (next_key == key_marker && next_upload == upload_marker)) {
            fail_endless(what);
        }
        key_marker = std::move(next_key);
        upload_marker = std::move(next_upload);
    }
    fail_endless(what);
}

}  // namespace cooper::s3
