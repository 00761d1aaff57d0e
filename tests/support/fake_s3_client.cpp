// Requests straight to the fake store, without a socket.
#include "cooper/base/error.hpp"
#include "cooper/base/text.hpp"

#include "support/fake_s3.hpp"

namespace cooper::testing {

namespace {

/// Gives the first half of a text, then breaks as a reset connection does.
class BrokenSource final : public Source {
public:
    explicit BrokenSource(const std::string& text)
        : text_(text.substr(0, text.size() / 2)), half_(std::string_view(text_)) {}
    std::size_t read(MutableBytes into) override {
        const std::size_t count = half_.read(into);
        if (count == 0) {
            throw Error(ErrorCode::Unavailable, "the connection was reset");
        }
        return count;
    }

private:
    std::string text_;
    MemorySource half_;
};

class FakeS3Client final : public HttpClient {
public:
    explicit FakeS3Client(FakeS3& store) : store_(store) {}

    HttpResponse send(const HttpRequest& request, const Run& run) override {
        run.check();
        FakeS3::Request wire{
            request.method, request.url.path, request.url.query, {{"host", request.url.authority()}}, ""};
        for (const auto& [name, text] : request.headers.fields()) {
            std::string& joined = wire.headers[to_lower(name)];
            joined += (joined.empty() ? "" : ",") + text;
        }
        if (request.body) {
            wire.body = read_all(*request.body->open(), 1U << 30, "a request's body");
        }
        FakeS3::Answer answer = store_.handle(wire);
        if (answer.none) {
            throw Error(ErrorCode::Unavailable, request.url.redacted() + ": the connection was reset");
        }
        HttpResponse response;
        response.status = answer.status;
        for (auto& [name, text] : answer.headers) {
            response.headers.add(name, text);
        }
        if (answer.cut) {
            response.body = std::make_unique<BrokenSource>(answer.body);
        } else {
            response.body = MemoryRanged(std::move(answer.body)).open();
        }
        return response;
    }

private:
    FakeS3& store_;
};

}  // namespace

std::unique_ptr<HttpClient> make_fake_s3_client(FakeS3& store) {
    return std::make_unique<FakeS3Client>(store);
}

}  // namespace cooper::testing
