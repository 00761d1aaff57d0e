#include "oci/registry/registry_blob.hpp"

#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "oci/printable.hpp"

#include <algorithm>
#include <array>

namespace cooper::oci {

std::optional<ContentRange> parse_content_range(std::string_view text) {
    constexpr std::string_view kUnit = "bytes ";
    const std::size_t slash = text.find('/');
    const std::size_t dash = text.find('-');
    if (!to_lower(text.substr(0, kUnit.size())).starts_with(kUnit) || slash == std::string_view::npos || dash > slash) {
        return std::nullopt;
    }
    const auto first = parse_uint(trim(text.substr(kUnit.size(), dash - kUnit.size())));
    const auto last = parse_uint(trim(text.substr(dash + 1, slash - dash - 1)));
    const std::string_view total_text = trim(text.substr(slash + 1));
    const auto total = parse_uint(total_text);
    if (!first || !last || *last < *first || (!total && total_text != "*") || (total && *last >= *total)) {
        return std::nullopt;
    }
    return ContentRange{*first, *last, total};
}

RegistryBlobSource::RegistryBlobSource(std::shared_ptr<RegistryRepository> repository, const Descriptor& blob,
                                       std::uint64_t offset, const Run& run)
    : repository_(std::move(repository)),
      digest_(blob.digest),
      size_(blob.size),
      position_(offset),
      run_(run),
      retrier_(repository_->retrier(run)) {
    if (offset > size_) {
        throw Error(ErrorCode::InvalidInput, "blob " + digest_.shortened() + " has " + std::to_string(size_) +
                                                 " bytes, it cannot be read from " + std::to_string(offset));
    }
    request_.path = "/blobs/" + digest_.text();
    request_.what = "blob " + repository_->reference().repository() + "@" + digest_.shortened();
    while (position_ < size_ && !body_) {
        attempt([this] { connect(); });
    }
}

template <class F>
void RegistryBlobSource::attempt(F&& step) {
    try {
        step();
    } catch (Error& error) {
        body_.reset();
        if (!may_try_again(error, retrier_)) {
            throw;
        }
    }
}

void RegistryBlobSource::connect() {
    request_.headers = {{"Accept", "*/*"}, {"Accept-Encoding", "identity"}};
    if (position_ > 0) {
        request_.headers.set("Range", "bytes=" + std::to_string(position_) + "-");
    }
    HttpResponse response = repository_->send(request_, retrier_, run_).response;
    switch (response.status) {
        case 200:
            return take_whole(std::move(response));
        case 206:
            return take_part(std::move(response));
        case 416:
            throw IntegrityError(request_.what + ": size", std::to_string(size_) + " bytes",
                                 "a refusal to read from byte " + std::to_string(position_));
        default:
            repository_->refuse(response, request_, run_);
    }
}

void RegistryBlobSource::check_length(std::uint64_t told) const {
    if (told != size_) {
        throw IntegrityError(request_.what + ": size", std::to_string(size_) + " bytes", std::to_string(told));
    }
}

void RegistryBlobSource::take_part(HttpResponse response) {
    const std::string told = response.headers.find("Content-Range").value_or("");
    const auto range = parse_content_range(told);
    if (!range || range->first != position_ || range->last >= size_) {
        throw IntegrityError(request_.what + ": range",
                             "bytes " + std::to_string(position_) + "-" + std::to_string(size_ - 1),
                             "\"" + printable(told) + "\"");
    }
    check_length(range->total.value_or(size_));
    length_known_ = response.content_length().has_value();
    body_ = std::move(response.body);
}

// Also what a Range request may get, from a cache that does not hold the blob yet: then the bytes that we have are
// skipped.
void RegistryBlobSource::take_whole(HttpResponse response) {
    const auto length = response.content_length();
    check_length(length.value_or(size_));
    length_known_ = length.has_value();
    if (skip(*response.body, position_) != position_) {
        throw Error(ErrorCode::Unavailable,
                    request_.what + ": the answer ended before byte " + std::to_string(position_));
    }
    body_ = std::move(response.body);
}

std::size_t RegistryBlobSource::read(MutableBytes into) {
    if (into.empty()) {
        return 0;
    }
    std::size_t count = 0;
    while (position_ < size_ && count == 0) {
        attempt([&] {
            if (!body_) {
                connect();
            }
            const auto room = std::min<std::uint64_t>(into.size(), size_ - position_);
            count = body_->read(into.first(static_cast<std::size_t>(room)));
            if (count == 0) {
                throw Error(ErrorCode::Unavailable, request_.what + ": the answer ended after " +
                                                        std::to_string(position_) + " of " + std::to_string(size_) +
                                                        " bytes");
            }
        });
    }
    if (count > 0) {
        position_ += count;
        retrier_.made_progress();
        release_when_done();
    }
    return count;
}

/// The transport gives a connection back when it saw the end of the body. Only where the length was told: a body
/// without one may go on forever.
void RegistryBlobSource::release_when_done() {
    if (position_ < size_) {
        return;
    }
    if (length_known_) {
        std::array<std::byte, 1> end{};
        try {
            body_->read(end);
        } catch (const Error&) {
            body_.reset();  // all bytes are here; how the connection ended does not matter
        }
    }
    body_.reset();
}

}  // namespace cooper::oci
