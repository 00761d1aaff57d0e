// Object tags ("GetObjectTagging", "PutObjectTagging", Amazon S3 API reference), which many stores do not have.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"
#include "cooper/s3/bucket.hpp"

#include "s3/operations.hpp"

#include <algorithm>

namespace cooper::s3 {

namespace {

using Tags = std::map<std::string, std::string>;

// "Categorizing your storage using tags", Amazon S3 manual.
constexpr std::size_t kMaxTags = 10;
constexpr std::size_t kMaxTagKey = 128;
constexpr std::size_t kMaxTagValue = 256;
/// Ten tags of the longest texts, each character escaped.
constexpr std::size_t kMaxDocument = 64 * 1024;

/// What every store takes in a tag.
bool is_tag_text(std::string_view text, std::size_t most) {
    return text.size() <= most && std::all_of(text.begin(), text.end(), [](char c) {
               return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                      std::string_view(" +-=._:/@").find(c) != std::string_view::npos;
           });
}

void check_tags(const Tags& tags, const std::string& what) {
    for (const auto& [key, value] : tags) {
        if (key.empty() || !is_tag_text(key, kMaxTagKey) || !is_tag_text(value, kMaxTagValue)) {
            throw Error(ErrorCode::InvalidInput, what + ": a tag has letters, digits and \"+-=._:/@\" only, at most " +
                                                     std::to_string(kMaxTagKey) + " in its name and " +
                                                     std::to_string(kMaxTagValue) + " in its value");
        }
    }
}

Tags tags_of(const xml::Element& root) {
    Tags tags;
    if (const xml::Element* set = root.find("TagSet")) {
        for (const xml::Element& tag : set->children) {
            tags.emplace(tag.text_of("Key"), tag.text_of("Value"));
        }
    }
    return tags;
}

std::string document_of(const Tags& tags) {
    std::string text = R"(<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>)";
    for (const auto& [key, value] : tags) {
        text += "<Tag><Key>" + xml::escape(key) + "</Key><Value>" + xml::escape(value) + "</Value></Tag>";
    }
    return text + "</TagSet></Tagging>";
}

/// The store, or this user, cannot do the operation; anything else is an error as everywhere.
bool is_refusal(const HttpError& error) {
    Failure failure;
    failure.status = error.status();
    failure.code = error.server_code();
    const bool refused =
        error.status() == 400 || error.status() == 403 || error.status() == 405 || error.status() == 501;
    const bool identity = failure.code == "InvalidAccessKeyId" || failure.code == "SignatureDoesNotMatch";
    return refused && !identity && error.code() != ErrorCode::Unavailable && !is_expired(failure) &&
           !is_skewed(failure);
}

class Tagging {
public:
    Tagging(Store& store, const std::string& key, const Run& run) : store_(store), key_(key), run_(run) {}

    bool add(const Tags& wanted) {
        try {
            auto tags = find();
            if (!tags) {
                return false;
            }
            Tags merged = wanted;
            merged.merge(*tags);
            if (merged.size() > kMaxTags) {
                throw Error(ErrorCode::Conflict,
                            store_.name_of(key_) + " has tags of others: with ours there would be " +
                                std::to_string(merged.size()) + ", and S3 takes " + std::to_string(kMaxTags));
            }
            if (merged != known_) {
                put(merged);
            }
            return true;
        } catch (const HttpError& error) {
            if (!is_refusal(error)) {
                throw;
            }
            return false;
        }
    }

private:
    [[nodiscard]] Call call_of(const char* method, const char* what) const {
        Call call;
        call.what = what + store_.name_of(key_);
        call.method = method;
        call.key = key_;
        call.query = {{"tagging", ""}};
        return call;
    }

    /// nullopt: the store does not know tags. One that does not know the subresource sends the object itself, and would
    /// overwrite it with the tags: only a document of tags proves that it does.
    std::optional<Tags> find() {
        Call call = call_of("GET", "reading the tags of ");
        call.max_reply = kMaxDocument;
        call.accepted = {404};
        const auto reply = send_bounded(call);
        if (!reply) {
            return std::nullopt;
        }
        if (!reply->good()) {
            if (reply->failure.code.starts_with("NoSuchTagSet")) {  // Ceph's word for "none yet"
                return Tags{};
            }
            raise(reply->failure, call.what);
        }
        const auto document = xml::try_parse(reply->body);
        if (!document || document->name != "Tagging") {
            return std::nullopt;
        }
        known_ = tags_of(*document);
        return known_;
    }

    /// nullopt: the answer is larger than any document of tags.
    std::optional<Reply> send_bounded(const Call& call) {
        try {
            return store_.send(call, run_);
        } catch (const HttpError&) {
            throw;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::InvalidInput) {
                throw;
            }
            return std::nullopt;
        }
    }

    void put(const Tags& tags) {
        Call call = call_of("PUT", "writing the tags of ");
        const auto body = std::make_shared<MemoryRanged>(document_of(tags));
        call.body = body;
        call.headers = {{"content-type", "application/xml"}};
        // S3 demands a checksum here, also where the settings ask for none.
        call.add_checksum = [add = checksum_of(body, std::nullopt)](ChecksumForm form, NameValues& headers) {
            add(form == ChecksumForm::None ? ChecksumForm::ContentMd5 : form, headers);
        };
        store_.send(call, run_);
    }

    Store& store_;
    const std::string& key_;
    const Run& run_;
    Tags known_;
};

}  // namespace

bool Bucket::add_tags(const std::string& key, const std::map<std::string, std::string>& tags, const Run& run) {
    check_key(key);
    check_tags(tags, state_->store.name_of(key));
    return Tagging(state_->store, key, run).add(tags);
}

}  // namespace cooper::s3
