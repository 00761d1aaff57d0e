// Streams: a Source is pulled, a Sink is pushed; filters ride along. Nothing holds a whole layer in memory.
//
// Ownership: filters borrow the stream they wrap unless they take a unique_ptr. Threads: one stream, one thread at a
// time. Errors: whatever the stream beneath throws (Error or Cancelled); after a throw the stream must not be used
// again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>

namespace cooper {

using Bytes = std::span<const std::byte>;
using MutableBytes = std::span<std::byte>;

/// The step of every copy loop: large enough that a system call per step does not count, small enough for the L2 cache.
inline constexpr std::size_t kStreamStep = 128 * 1024;

inline Bytes as_bytes(std::string_view text) {
    return std::as_bytes(std::span(text.data(), text.size()));
}
inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// Where bytes come from. read() fills at most `into.size()` bytes and returns how many; 0 means the end (only then).
class Source {
public:
    virtual ~Source() = default;
    virtual std::size_t read(MutableBytes into) = 0;
};

/// Where bytes go. write() takes all of `chunk` or throws and does not keep it. finish() verifies and publishes; a Sink
/// that is destroyed without finish() is abandoned: what it made so far disappears.
class Sink {
public:
    virtual ~Sink() = default;
    virtual void write(Bytes chunk) = 0;
    virtual void finish() = 0;
};

/// Reads a span, from memory that must outlive the source.
class MemorySource final : public Source {
public:
    explicit MemorySource(Bytes bytes) : rest_(bytes) {}
    explicit MemorySource(std::string_view text) : rest_(as_bytes(text)) {}
    std::size_t read(MutableBytes into) override;

private:
    Bytes rest_;
};

/// Collects bytes in a string, at most `limit` of them (throws Error{InvalidInput} naming the limit beyond).
class StringSink final : public Sink {
public:
    explicit StringSink(std::size_t limit) : limit_(limit) {}
    void write(Bytes chunk) override;
    void finish() override {}
    [[nodiscard]] const std::string& text() const noexcept { return text_; }
    [[nodiscard]] std::string take() { return std::move(text_); }

private:
    std::size_t limit_;
    std::string text_;
};

/// Copies everything and returns the count; does not call to.finish(). Throws Cancelled when `stop` is requested.
std::uint64_t copy(Source& from, Sink& to, std::stop_token stop = {});

/// Reads until `into` is full or the source ends; returns how many bytes were read.
std::size_t read_full(Source& from, MutableBytes into);

/// Reads all of `from`; throws Error{InvalidInput} that names `what` and the limit when there is more than `limit`.
std::string read_all(Source& from, std::size_t limit, std::string_view what);

/// Reads and drops up to `count` bytes; returns how many there were.
std::uint64_t skip(Source& from, std::uint64_t count);

/// At most `length` bytes of `inner`.
std::unique_ptr<Source> limited(std::unique_ptr<Source> inner, std::uint64_t length);

}  // namespace cooper
