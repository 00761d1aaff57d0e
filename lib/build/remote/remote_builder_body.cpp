#include "build/remote/remote_builder_body.hpp"

#include "cooper/base/digest.hpp"
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "base/json.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace cooper::build {

namespace {

constexpr std::size_t kRawStep = kStreamStep / 4 * 3;  // encodes to a whole step
static_assert(kRawStep % 3 == 0, "a step must not end in padding");

class Base64Source final : public Source {
public:
    /// `size` bytes are to come from `raw`; the first `skipped` characters of their text are left out.
    Base64Source(std::unique_ptr<Source> raw, std::uint64_t size, std::size_t skipped)
        : raw_(std::move(raw)), left_(size), at_(skipped), buffer_(std::make_unique<std::byte[]>(kRawStep)) {
        encode();
    }

    std::size_t read(MutableBytes into) override {
        if (at_ == text_.size()) {
            at_ = 0;
            encode();
        }
        const std::size_t count = std::min(into.size(), text_.size() - at_);
        std::copy_n(as_bytes(text_).begin() + static_cast<std::ptrdiff_t>(at_), count, into.begin());
        at_ += count;
        return count;
    }

private:
    void encode() {
        const auto wanted = static_cast<std::size_t>(std::min<std::uint64_t>(left_, kRawStep));
        const MutableBytes piece(buffer_.get(), wanted);
        if (const std::size_t count = read_full(*raw_, piece); count != wanted) {
            throw Error(ErrorCode::Integrity, "the build context ended " + std::to_string(left_ - count) +
                                                  " bytes before its size: it changed while it was read");
        }
        left_ -= wanted;
        text_ = to_base64(piece);
    }

    std::unique_ptr<Source> raw_;
    std::uint64_t left_;
    std::size_t at_;
    std::unique_ptr<std::byte[]> buffer_;
    std::string text_;
};

struct Range {
    std::uint64_t offset;
    std::uint64_t length;
};

class JoinedSource final : public Source {
public:
    JoinedSource(std::vector<std::shared_ptr<const Ranged>> parts, Range range)
        : parts_(std::move(parts)), offset_(range.offset), left_(range.length) {}

    std::size_t read(MutableBytes into) override {
        while (true) {
            if (current_) {
                const std::size_t count = current_->read(into);
                if (count != 0) {
                    return count;
                }
                current_.reset();
            }
            if (left_ == 0) {
                return 0;
            }
            open_next();
        }
    }

private:
    void open_next() {
        const Ranged& part = *parts_[next_++];
        const std::uint64_t skipped = std::min(offset_, part.size());
        const std::uint64_t length = std::min(left_, part.size() - skipped);
        offset_ -= skipped;
        left_ -= length;
        if (length != 0) {
            current_ = part.open(skipped, length);
        }
    }

    std::vector<std::shared_ptr<const Ranged>> parts_;
    std::uint64_t offset_;  // to be skipped from the start of the next part
    std::uint64_t left_;    // to come from the parts that are not open yet
    std::size_t next_ = 0;
    std::unique_ptr<Source> current_;
};

BuildBody enclosed(std::string content_type, std::string before, std::shared_ptr<const Ranged> context,
                   std::string after) {
    std::vector<std::shared_ptr<const Ranged>> parts = {std::make_shared<MemoryRanged>(std::move(before)),
                                                        std::make_shared<Base64Ranged>(std::move(context)),
                                                        std::make_shared<MemoryRanged>(std::move(after))};
    return {std::move(content_type), std::make_shared<JoinedRanged>(std::move(parts))};
}

std::string boundary_for(const std::vector<std::string>& names) {
    constexpr std::size_t kDigits = 32;
    Hasher hash;
    for (const std::string& name : names) {
        hash.update(std::to_string(name.size()) + ":" + name);
    }
    return "cooper-" + std::string(hash.finish().hex().substr(0, kDigits));
}

}  // namespace

std::unique_ptr<Source> Base64Ranged::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    const std::uint64_t begin = offset / 4 * 3;
    const std::uint64_t end = std::min((offset + length + 3) / 4 * 3, raw_->size());
    const std::uint64_t count = end - std::min(begin, end);
    return limited(std::make_unique<Base64Source>(raw_->open(end - count, count), count, offset % 4), length);
}

std::uint64_t JoinedRanged::size() const {
    std::uint64_t sum = 0;
    for (const auto& part : parts_) {
        sum += part->size();
    }
    return sum;
}

std::unique_ptr<Source> JoinedRanged::open(std::uint64_t offset, std::uint64_t length) const {
    check_range(offset, length);
    return std::make_unique<JoinedSource>(parts_, Range{offset, length});
}

BuildBody multipart_body(std::shared_ptr<const Ranged> context, const std::vector<std::string>& names) {
    const std::string boundary = boundary_for(names);
    const std::string before = "--" + boundary +
                               "\r\nContent-Disposition: form-data; name=\"context\"; filename=\"context.tar.gz\"\r\n"
                               "Content-Type: application/x-tar\r\n\r\n";
    std::string after = "\r\n";
    for (std::size_t i = 0; i < names.size(); ++i) {
        const char* const part = i == 0 ? "target_image" : "tags";
        after +=
            "--" + boundary + "\r\nContent-Disposition: form-data; name=\"" + part + "\"\r\n\r\n" + names[i] + "\r\n";
    }
    after += "--" + boundary + "--\r\n";
    return enclosed("multipart/form-data; boundary=" + boundary, before, std::move(context), std::move(after));
}

BuildBody json_body(std::shared_ptr<const Ranged> context, const std::string& name) {
    return enclosed("application/json", R"({"context":")", std::move(context),
                    R"(","target_image":)" + json::write(json::Value(name)) + "}");
}

}  // namespace cooper::build
