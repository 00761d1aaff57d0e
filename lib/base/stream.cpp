#include "cooper/base/stream.hpp"

#include "cooper/base/error.hpp"

#include "base/aligned.hpp"

#include <algorithm>
#include <array>
#include <cstring>

namespace cooper {

namespace {

class LimitedSource final : public Source {
public:
    LimitedSource(std::unique_ptr<Source> inner, std::uint64_t length) : inner_(std::move(inner)), rest_(length) {}

    std::size_t read(MutableBytes into) override {
        const std::size_t wanted = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), rest_));
        if (wanted == 0) {
            return 0;
        }
        const std::size_t count = inner_->read(into.first(wanted));
        rest_ -= count;
        return count;
    }

private:
    std::unique_ptr<Source> inner_;
    std::uint64_t rest_;
};

}  // namespace

std::size_t MemorySource::read(MutableBytes into) {
    const std::size_t count = std::min(into.size(), rest_.size());
    if (count != 0) {
        std::memcpy(into.data(), rest_.data(), count);
        rest_ = rest_.subspan(count);
    }
    return count;
}

void StringSink::write(Bytes chunk) {
    if (chunk.size() > limit_ - text_.size()) {
        throw Error(ErrorCode::InvalidInput, "more than the limit of " + std::to_string(limit_) + " bytes arrived");
    }
    text_.append(as_text(chunk));
}

std::uint64_t copy(Source& from, Sink& to, std::stop_token stop) {
    const auto memory = std::make_unique_for_overwrite<std::byte[]>(kStreamStep + kCacheLine);
    std::byte* const buffer = cache_aligned(memory.get());
    std::uint64_t total = 0;
    while (true) {
        if (stop.stop_requested()) {
            throw Cancelled();
        }
        const std::size_t count = from.read({buffer, kStreamStep});
        if (count == 0) {
            return total;
        }
        to.write({buffer, count});
        total += count;
    }
}

std::size_t read_full(Source& from, MutableBytes into) {
    std::size_t filled = 0;
    while (filled < into.size()) {
        const std::size_t count = from.read(into.subspan(filled));
        if (count == 0) {
            break;
        }
        filled += count;
    }
    return filled;
}

std::string read_all(Source& from, std::size_t limit, std::string_view what) {
    std::string text;
    std::size_t filled = 0;
    while (true) {
        // One byte beyond the limit is asked for, to tell "exactly the limit" from "more".
        const std::size_t room = limit - filled < kStreamStep ? limit - filled + 1 : kStreamStep;
        if (text.size() - filled < room) {
            text.resize(std::max(filled + room, std::min(text.size() * 2, limit)));
        }
        const std::size_t count = from.read(std::as_writable_bytes(std::span(text.data() + filled, room)));
        if (count == 0) {
            text.resize(filled);
            return text;
        }
        filled += count;
        if (filled > limit) {
            throw Error(ErrorCode::InvalidInput,
                        std::string(what) + " is larger than the limit of " + std::to_string(limit) + " bytes");
        }
    }
}

std::uint64_t skip(Source& from, std::uint64_t count) {
    std::array<std::byte, 32 * 1024> dropped;
    std::uint64_t done = 0;
    while (done < count) {
        const std::size_t step = static_cast<std::size_t>(std::min<std::uint64_t>(dropped.size(), count - done));
        const std::size_t got = from.read(std::span(dropped).first(step));
        if (got == 0) {
            break;
        }
        done += got;
    }
    return done;
}

std::unique_ptr<Source> limited(std::unique_ptr<Source> inner, std::uint64_t length) {
    return std::make_unique<LimitedSource>(std::move(inner), length);
}

}  // namespace cooper
