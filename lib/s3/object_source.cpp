#include "s3/object_source.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include <optional>

namespace cooper::s3 {

namespace {

/// The first byte of "bytes 5-9/10"; nullopt when it is something else.
std::optional<std::uint64_t> range_start(const Headers& headers) {
    const std::string text = headers.find("content-range").value_or("");
    const std::size_t dash = text.find('-');
    if (!text.starts_with("bytes ") || dash == std::string::npos) {
        return std::nullopt;
    }
    return parse_uint(trim(std::string_view(text).substr(6, dash - 6)));
}

class ObjectSource final : public Source {
public:
    ObjectSource(Store& store, std::string key, std::uint64_t offset, const Run& run)
        : store_(store), key_(std::move(key)), what_("reading " + store.name_of(key_)), position_(offset), run_(run) {
        ask();
    }

    std::size_t read(MutableBytes into) override {
        Retrier retrier(store_.settings().retry, store_.budget(), run_);
        for (;;) {
            run_.check();
            try {
                if (body_ == nullptr) {
                    ask();
                }
                const std::size_t count = body_->read(into);
                position_ += count;
                return count;
            } catch (Error& error) {
                if (error.code() != ErrorCode::Unavailable || !retrier.again()) {
                    error.add_context(what_);
                    throw;
                }
                body_.reset();
            }
        }
    }

private:
    void ask() {
        Call call;
        call.what = what_;
        call.method = "GET";
        call.key = key_;
        call.reply = ReplyBody::Stream;
        call.accepted = {412, 416};
        if (position_ > 0) {
            call.headers.emplace_back("range", "bytes=" + std::to_string(position_) + "-");
        }
        if (!etag_.empty()) {
            call.headers.emplace_back("if-match", etag_);
        }
        Reply reply = store_.send(call, run_);
        if (reply.status == 416 && position_ > 0) {
            body_ = std::make_unique<MemorySource>(Bytes());  // nothing is left: the break came behind the last byte
            return;
        }
        if (!reply.good()) {
            raise(reply.failure, reply.status == 412 ? what_ + ": it was replaced meanwhile" : what_);
        }
        const std::string etag = reply.headers.find("etag").value_or("");
        if (!etag_.empty() && etag != etag_) {
            throw Error(ErrorCode::Conflict, what_ + ": it was replaced meanwhile");
        }
        etag_ = etag;
        body_ = std::move(reply.stream);
        const std::uint64_t start = reply.status == 206 ? range_start(reply.headers).value_or(position_ + 1) : 0;
        if (start > position_ || skip(*body_, position_ - start) != position_ - start) {
            throw Error(ErrorCode::Integrity, what_ + ": the store sent another range than was asked for");
        }
    }

    Store& store_;
    std::string key_;
    std::string what_;
    std::uint64_t position_;
    Run run_;
    std::string etag_;
    std::unique_ptr<Source> body_;
};

}  // namespace

std::unique_ptr<Source> open_object(Store& store, const std::string& key, std::uint64_t offset, const Run& run) {
    return std::make_unique<ObjectSource>(store, key, offset, run);
}

}  // namespace cooper::s3
