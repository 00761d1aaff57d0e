#include "build/remote/remote_builder_body.hpp"

#include "cooper/base/text.hpp"

#include "build/remote_builder_support.hpp"

#include <catch2/catch.hpp>

#include <array>

using namespace cooper;
using namespace cooper::build;
using namespace cooper::testing;

namespace {

std::string all_of(const Ranged& ranged) {
    return read_all(*ranged.open(), 1 << 20, "body");
}

}  // namespace

TEST_CASE("remote builder: base64 can be opened at any offset", "[unit][build]") {
    for (std::size_t size = 0; size <= 9; ++size) {
        const std::string raw = std::string("\0\xff\x10xyz\n-_", 9).substr(0, size);
        const std::string text = to_base64(as_bytes(raw));
        const Base64Ranged encoded(std::make_shared<MemoryRanged>(raw));
        REQUIRE(encoded.size() == text.size());
        for (std::size_t offset = 0; offset <= text.size(); ++offset) {
            for (std::size_t length = 0; offset + length <= text.size(); ++length) {
                CAPTURE(size, offset, length);
                CHECK(read_all(*encoded.open(offset, length), 100, "base64") == text.substr(offset, length));
            }
        }
        CHECK(error_of([&] { (void)encoded.open(1, text.size()); }).code() == ErrorCode::InvalidInput);
    }
}

TEST_CASE("remote builder: base64 of several steps has padding only at its end", "[unit][build]") {
    for (const std::size_t more : {0U, 1U, 2U}) {
        std::string raw(2 * kStreamStep + more, '\0');
        for (std::size_t i = 0; i < raw.size(); ++i) {
            raw[i] = static_cast<char>(i * 7 + i / 251);
        }
        const Base64Ranged encoded(std::make_shared<MemoryRanged>(raw));
        CHECK(read_all(*encoded.open(), 1 << 20, "base64") == to_base64(as_bytes(raw)));
    }
}

TEST_CASE("remote builder: a form is the same for the same input, and its parts can be read at any offset",
          "[unit][build]") {
    const auto context = std::make_shared<MemoryRanged>(kGzip);
    const BuildBody form = multipart_body(context, {"r:src", "r:lock"});
    const std::string text = all_of(*form.body);
    CHECK(text == all_of(*multipart_body(context, {"r:src", "r:lock"}).body));
    CHECK(form.body->size() == text.size());
    for (std::size_t offset = 0; offset < text.size(); offset += 13) {
        const std::size_t length = std::min<std::size_t>(29, text.size() - offset);
        CHECK(read_all(*form.body->open(offset, length), 100, "body") == text.substr(offset, length));
    }
}

TEST_CASE("remote builder: names that run into each other have boundaries of their own", "[unit][build]") {
    const auto context = std::make_shared<MemoryRanged>(kGzip);
    const auto type = [&](const std::vector<std::string>& names) {
        return multipart_body(context, names).content_type;
    };
    CHECK(type({"ab", "c"}) != type({"a", "bc"}));
    CHECK(type({"ab"}) != type({"a", "b"}));
    CHECK(type({"ab"}).size() < std::string("multipart/form-data; boundary=").size() + 70);  // RFC 2046 section 5.1.1
}

namespace {

/// Many bytes that are nowhere, and how many of them were asked for.
class EndlessContext final : public Ranged {
public:
    explicit EndlessContext(std::uint64_t size) : size_(size) {}
    using Ranged::open;
    [[nodiscard]] std::uint64_t size() const override { return size_; }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t offset, std::uint64_t length) const override {
        return std::make_unique<Zeros>(offset, length, *this);
    }
    mutable std::uint64_t read = 0;
    mutable std::size_t largest_read = 0;

private:
    class Zeros final : public Source {
    public:
        Zeros(std::uint64_t at, std::uint64_t left, const EndlessContext& owner)
            : at_(at), left_(left), owner_(owner) {}
        std::size_t read(MutableBytes into) override {
            const auto count = static_cast<std::size_t>(std::min<std::uint64_t>(into.size(), left_));
            for (std::size_t i = 0; i < count; ++i, ++at_) {
                into[i] = at_ == 0 ? std::byte{0x1f} : at_ == 1 ? std::byte{0x8b} : std::byte{0};
            }
            left_ -= count;
            owner_.read += count;
            owner_.largest_read = std::max(owner_.largest_read, into.size());
            return count;
        }

    private:
        std::uint64_t at_;
        std::uint64_t left_;
        const EndlessContext& owner_;
    };
    std::uint64_t size_;
};

/// Takes a body in small pieces and looks how far ahead of them the context was read.
class SlowServer final : public HttpClient {
public:
    explicit SlowServer(const EndlessContext& context) : context_(context) {}
    HttpResponse send(const HttpRequest& request, const Run& /*run*/) override {
        HttpResponse response;
        response.status = 200;
        response.body = std::make_unique<MemorySource>(request.body ? R"({"build_id":"b-1"})"
                                                                    : R"({"status":"SUCCESS","image":"built"})");
        if (request.body) {
            drain(*request.body);
        }
        return response;
    }
    std::uint64_t ahead = 0;
    std::uint64_t sent = 0;
    std::uint64_t promised = 0;

private:
    void drain(const Ranged& body) {
        promised = body.size();
        const auto source = body.open();
        std::array<std::byte, 16 * 1024> piece{};
        while (const std::size_t count = source->read(piece)) {
            sent += count;
            ahead = std::max(ahead, context_.read - std::min(context_.read, sent / 4 * 3));
        }
    }
    const EndlessContext& context_;
};

}  // namespace

TEST_CASE("remote builder: a context is read as it is sent, whatever its size", "[unit][build]") {
    constexpr std::uint64_t kSize = 24ULL << 20;
    const auto context = std::make_shared<EndlessContext>(kSize);
    SlowServer server(*context);
    RemoteBuilderOptions options;
    options.base_url = "https://runtime.example.com";
    CHECK(RemoteBuilder(server, options).build(context, {"r:src"}, {}) == "built");
    CHECK(server.sent == server.promised);
    CHECK(server.promised > kSize / 3 * 4);
    CHECK(context->largest_read <= kStreamStep);
    CHECK(server.ahead <= kStreamStep);
}

TEST_CASE("remote builder: what is no gzip is refused before anything is sent", "[unit][build]") {
    Scene scene({accepted(), success()});
    scene.context = GENERATE("", "\x1f", "a plain tar");
    const Error error = error_of([&] { scene.build(); });
    CHECK(error.code() == ErrorCode::InvalidInput);
    CHECK_THAT(error.advice(), Catch::Contains("tar -czf"));
    CHECK(scene.http.log().empty());
}

TEST_CASE("remote builder: a context that is cut while it is read is no context", "[unit][build]") {
    class Shrinking final : public Ranged {
    public:
        using Ranged::open;
        [[nodiscard]] std::uint64_t size() const override { return 100; }
        [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t /*offset*/, std::uint64_t length) const override {
            return std::make_unique<MemorySource>(std::string_view(kGzip).substr(0, std::min<std::size_t>(length, 20)));
        }
    };
    Scene scene({accepted(), success()});
    const RemoteBuilder builder(scene.http, scene.options);
    const Error error = error_of([&] { (void)builder.build(std::make_shared<Shrinking>(), {"r:src"}, scene.run); });
    CHECK(error.code() == ErrorCode::Integrity);
    CHECK_THAT(error.what(), Catch::Contains("80 bytes before its size"));
}
