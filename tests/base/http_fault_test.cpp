// What goes wrong on the wire, and how it is told.
#include "base/http_support.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>
#include <sys/resource.h>

#include <future>
#include <thread>

using namespace cooper;
using namespace cooper::testing;
using std::chrono::milliseconds;
using std::chrono::steady_clock;

namespace {

Error failure_of_body(const std::string& url, const HttpClient& /*tag*/, HttpClient& client) {
    HttpResponse response = client.send(get(url), {});
    const auto error = error_of([&] { body_of(response); });
    REQUIRE(error);
    return *error;
}

/// Hands out its bytes only when told, like an upload that waits for a download.
class GatedBody final : public Ranged {
public:
    GatedBody(std::uint64_t size, std::shared_future<void> gate) : size_(size), gate_(std::move(gate)) {}
    [[nodiscard]] std::uint64_t size() const override { return size_; }
    [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t, std::uint64_t length) const override {
        struct Gated final : Source {
            Gated(std::uint64_t length, std::shared_future<void> opened) : rest(length), gate(std::move(opened)) {}
            std::size_t read(MutableBytes into) override {
                if (!first) {
                    gate.wait();
                }
                first = false;
                const std::size_t count = std::min<std::uint64_t>(into.size(), rest);
                rest -= count;
                return count;
            }
            std::uint64_t rest;
            std::shared_future<void> gate;
            bool first = true;
        };
        return std::make_unique<Gated>(length, gate_);
    }

private:
    std::uint64_t size_;
    std::shared_future<void> gate_;
};

}  // namespace

TEST_CASE("http: a body shorter than declared is an error, after what there was", "[unit][base][fault]") {
    ScriptedServer server(
        [](const ScriptedRequest&) -> ScriptedReply { return {.body = "hello", .declared_length = 10}; });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url("/b?secret=1")), {});
    std::vector<std::byte> buffer(100);
    REQUIRE(response.body->read(buffer) == 5);
    const auto error = error_of([&] { response.body->read(buffer); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
    REQUIRE(contains(error->what(), "ended early, after 5 bytes"));
    REQUIRE_FALSE(contains(error->what(), "secret"));
}

TEST_CASE("http: a reset in the body is an error that says how far it came", "[unit][base][fault]") {
    const Cut cut = GENERATE(Cut::Close, Cut::Reset);
    const bool chunked = GENERATE(false, true);
    ScriptedServer server([=](const ScriptedRequest&) -> ScriptedReply {
        return {.size = 1'000'000, .chunked = chunked, .cut_after = 300'000, .cut = cut};
    });
    const auto client = client_with();
    const Error error = failure_of_body(server.url(), *client, *client);
    REQUIRE(error.code() == ErrorCode::Unavailable);
    REQUIRE(contains(error.what(), "GET http://127.0.0.1"));
    REQUIRE(contains(error.what(), "bytes"));
}

TEST_CASE("http: a connection that ends before the answer is an error", "[unit][base][fault]") {
    const Cut cut = GENERATE(Cut::Close, Cut::Reset);
    ScriptedServer server([=](const ScriptedRequest&) -> ScriptedReply { return {.cut = cut, .no_answer = true}; });
    const auto client = client_with();
    const auto error = error_of([&] { client->send(get(server.url()), {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
    REQUIRE(contains(error->what(), "without an answer") + contains(error->what(), "before an answer") == 1);
}

TEST_CASE("http: nobody listening, and a name without an address", "[unit][base][fault]") {
    std::uint16_t closed_port = 0;
    {
        const ScriptedServer gone([](const ScriptedRequest&) -> ScriptedReply { return {}; });
        closed_port = gone.port();
    }
    const auto client = client_with();
    const std::string address = "http://127.0.0.1:" + std::to_string(closed_port) + "/";
    const auto refused = error_of([&] { client->send(get(address), {}); });
    REQUIRE(refused);
    REQUIRE(refused->code() == ErrorCode::Unavailable);
    REQUIRE(contains(refused->what(), "cannot connect"));
}

TEST_CASE("http: silence before the answer is a stall", "[unit][base][fault]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.silent = true}; });
    const auto client = client_with();
    HttpRequest request = get(server.url());
    request.stall_timeout = milliseconds(100);
    const auto error = error_of([&] { client->send(request, {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
    REQUIRE(contains(error->what(), "stalled"));
}

TEST_CASE("http: silence in the body is a stall, what came before is handed out", "[unit][base][fault]") {
    ScriptedServer server(
        [](const ScriptedRequest&) -> ScriptedReply { return {.size = 100'000, .stall_after = 50'000}; });
    const auto client = client_with();
    HttpRequest request = get(server.url());
    request.stall_timeout = milliseconds(100);
    HttpResponse response = client->send(request, {});
    std::vector<std::byte> buffer(50'000);
    REQUIRE(read_full(*response.body, buffer) == 50'000);
    const auto error = error_of([&] { response.body->read(buffer); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
    REQUIRE(contains(error->what(), "100 ms"));
}

TEST_CASE("http: a server that stops reading is a stall", "[unit][base][fault]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {}; },
                          {.on_head = [](const ScriptedRequest&) -> std::optional<ScriptedReply> {
                              return ScriptedReply{.delay = std::chrono::seconds(10)};
                          }});
    const auto client = client_with();
    HttpRequest request = put(server.url(), std::string(20'000'000, 'x'));
    request.stall_timeout = milliseconds(200);
    const auto error = error_of([&] { client->send(request, {}); });
    REQUIRE(error);
    REQUIRE(contains(error->what(), "stalled"));
}

TEST_CASE("http: a slow drip is no stall", "[unit][base]") {
    ScriptedServer server(
        [](const ScriptedRequest&) -> ScriptedReply { return {.body = "0123456789", .drip = milliseconds(20)}; });
    const auto client = client_with();
    HttpRequest request = get(server.url());
    request.stall_timeout = milliseconds(150);
    HttpResponse response = client->send(request, {});
    REQUIRE(body_of(response) == "0123456789");
}

TEST_CASE("http: time that the reader takes is no stall", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.size = 30'000'000}; });
    const auto client = client_with();
    HttpRequest request = get(server.url());
    request.stall_timeout =
        milliseconds(400);  // a loaded machine leaves the server's thread waiting for tens of milliseconds
    HttpResponse response = client->send(request, {});
    std::vector<std::byte> buffer(1'000'000);
    std::uint64_t total = read_full(*response.body, buffer);
    std::this_thread::sleep_for(milliseconds(700));  // the reader is what is being tested
    while (const std::size_t count = response.body->read(buffer)) {
        total += count;
    }
    REQUIRE(total == 30'000'000);
}

TEST_CASE("http: response_timeout ends a drip of interim answers", "[unit][base][fault]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.delay = std::chrono::seconds(10)}; });
    const auto client = client_with();
    HttpRequest request = get(server.url());
    request.response_timeout = milliseconds(100);
    const auto begin = steady_clock::now();
    const auto error = error_of([&] { client->send(request, {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
    REQUIRE(steady_clock::now() - begin < std::chrono::seconds(5));
}

TEST_CASE("http: a reader that does not read holds the server back", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.size = 400'000'000}; });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url()), {});
    std::vector<std::byte> buffer(1000);
    REQUIRE(response.body->read(buffer) > 0);
    // What the sockets hold is the kernel's affair; it stops growing when nobody reads.
    std::uint64_t before = 0;
    std::uint64_t after = server.body_bytes_sent();
    for (int i = 0; i < 100 && (before != after || after == 0); ++i) {
        before = after;
        std::this_thread::sleep_for(milliseconds(50));
        after = server.body_bytes_sent();
    }
    REQUIRE(before == after);
    REQUIRE(after < 100'000'000);
}

TEST_CASE("http: memory does not grow with the body", "[unit][base]") {
    ScriptedServer server(
        [](const ScriptedRequest&) -> ScriptedReply { return {.size = 300'000'000, .chunked = true}; });
    const auto client = client_with();
    const auto peak = [] {
        rusage usage{};
        getrusage(RUSAGE_SELF, &usage);
        return usage.ru_maxrss;
    };
    HttpResponse response = client->send(get(server.url()), {});
    std::vector<std::byte> buffer(10'000);  // far less than what one recv() brings
    REQUIRE(response.body->read(buffer) > 0);
    const long before = peak();
    while (response.body->read(buffer) > 0) {
    }
    REQUIRE(peak() - before < 60'000);  // KiB; sanitizers keep freed memory for a while
}

TEST_CASE("http: an early answer is returned, not the broken pipe", "[unit][base][fault]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {}; },
                          {.on_head = [](const ScriptedRequest&) {
                              return std::optional(ScriptedReply{.status = 403, .body = "denied", .close = true});
                          }});
    const auto client = client_with();
    for (int i = 0; i < 30; ++i) {
        HttpResponse response = client->send(put(server.url(), std::string(5'000'000, 'x')), {});
        REQUIRE(response.status == 403);
        REQUIRE(body_of(response) == "denied");
    }
}

TEST_CASE("http: an early answer is found while the body's source is slow", "[unit][base][fault]") {
    std::promise<void> answered;
    const auto gate = answered.get_future().share();
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {}; },
                          {.on_head = [](const ScriptedRequest&) {
                              return std::optional(ScriptedReply{.status = 503, .body = "busy", .close = true});
                          }});
    const auto client = client_with();
    HttpRequest request = put(server.url(), "");
    request.body = std::make_shared<GatedBody>(5'000'000, gate);
    auto sending = std::async(std::launch::async, [&] {
        HttpResponse response = client->send(request, {});
        return std::pair(response.status, body_of(response));
    });
    while (server.requests().empty()) {
        std::this_thread::yield();
    }
    std::this_thread::sleep_for(milliseconds(50));  // the answer and the reset are on their way
    answered.set_value();
    REQUIRE(sending.get() == std::pair(503, std::string("busy")));
}

TEST_CASE("http: with Expect, an answer before the body saves sending it", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {}; },
                          {.on_head = [](const ScriptedRequest&) {
                              return std::optional(ScriptedReply{.status = 307, .headers = {{"Location", "/there"}}});
                          }});
    const auto client = client_with();
    HttpRequest request = put(server.url(), std::string(1'000'000, 'x'));
    request.expect_continue = true;
    HttpResponse response = client->send(request, {});
    REQUIRE(response.status == 307);
    REQUIRE(server.requests().at(0).headers.find("Expect") == "100-continue");
}

TEST_CASE("http: a server that ignores Expect gets the body after a second", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.status = 201}; },
                          {.answers_expect = false});
    const auto client = client_with();
    HttpRequest request = put(server.url(), "body");
    request.expect_continue = true;
    REQUIRE(client->send(request, {}).status == 201);
    REQUIRE(server.requests().at(0).body == "body");
}

TEST_CASE("http: 417 to an Expect is tried once without it", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.status = 201}; },
                          {.on_head = [](const ScriptedRequest& request) -> std::optional<ScriptedReply> {
                              if (request.headers.find("Expect")) {
                                  return ScriptedReply{.status = 417, .body = "no", .close = true};
                              }
                              return std::nullopt;
                          }});
    const auto client = client_with();
    HttpRequest request = put(server.url(), "body");
    request.expect_continue = true;
    HttpResponse response = client->send(request, {});
    REQUIRE(response.status == 201);
    REQUIRE(server.requests().back().body == "body");
}

TEST_CASE("http: a body that ends too soon is the sender's error", "[unit][base][fault]") {
    struct Short final : Ranged {
        [[nodiscard]] std::uint64_t size() const override { return 100; }
        [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t, std::uint64_t) const override {
            return std::make_unique<MemorySource>("only this");
        }
    };
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {}; });
    const auto client = client_with();
    HttpRequest request = put(server.url(), "");
    request.body = std::make_shared<Short>();
    const auto error = error_of([&] { client->send(request, {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Integrity);
    REQUIRE(contains(error->what(), "9 of 100 bytes"));
}

TEST_CASE("http: what the body's source throws comes out of send()", "[unit][base][fault]") {
    struct Failing final : Ranged {
        [[nodiscard]] std::uint64_t size() const override { return 100; }
        [[nodiscard]] std::unique_ptr<Source> open(std::uint64_t, std::uint64_t) const override {
            throw Error(ErrorCode::NotFound, "the layer is gone");
        }
    };
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {}; });
    const auto client = client_with();
    HttpRequest request = put(server.url(), "");
    request.body = std::make_shared<Failing>();
    const auto error = error_of([&] { client->send(request, {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::NotFound);
}

TEST_CASE("http: headers are bounded, whichever way they grow", "[unit][base][fault]") {
    std::string raw = "HTTP/1.1 200 OK\r\n";
    SECTION("one long field") {
        raw += "X: " + std::string(70'000, 'x') + "\r\n";
    }
    SECTION("many fields") {
        for (int i = 0; i < 10'000; ++i) {
            raw += "X: 12345\r\n";
        }
    }
    SECTION("many interim answers") {
        raw.clear();
        for (int i = 0; i < 10'000; ++i) {
            raw += "HTTP/1.1 102 Processing\r\n\r\n";
        }
        raw += "HTTP/1.1 200 OK\r\n";
    }
    raw += "Content-Length: 0\r\n\r\n";
    ScriptedServer server([&](const ScriptedRequest&) -> ScriptedReply { return {.raw = raw}; });
    const auto client = client_with();
    const auto error = error_of([&] { client->send(get(server.url()), {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
    REQUIRE(contains(error->what(), "larger than 65536 bytes"));
    REQUIRE(contains(error->what(), "GET http://127.0.0.1"));
}

TEST_CASE("http: what is not HTTP is refused", "[unit][base][fault]") {
    const std::string raw = GENERATE(
        std::string("SSH-2.0-OpenSSH_9.2\r\n"), std::string("\x15\x03\x01\x00\x02\x02\x50", 7),
        std::string("HTTP/1.1 99999 Odd\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\nno colon here\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nA: 1\r\n folded\r\n\r\n"), std::string("HTTP/1.1 200 OK\r\n: nameless\r\n\r\n"),
        std::string("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"));
    ScriptedServer server([&](const ScriptedRequest&) -> ScriptedReply { return {.raw = raw}; });
    const auto client = client_with();
    CAPTURE(raw);
    const auto error = error_of([&] {
        HttpResponse response = client->send(get(server.url()), {});
        body_of(response);
    });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::Unavailable);
}

TEST_CASE("http: a stop request ends waiting at once", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest& request) -> ScriptedReply {
        return request.target == "/silent" ? ScriptedReply{.silent = true}
                                           : ScriptedReply{.size = 1'000'000, .stall_after = 10};
    });
    const auto client = client_with();
    std::stop_source stop;
    Run run;
    run.stop = stop.get_token();
    const bool in_body = GENERATE(false, true);
    std::promise<void> waiting;
    auto cancelled = std::async(std::launch::async, [&] {
        try {
            waiting.set_value();
            HttpResponse response = client->send(get(server.url(in_body ? "/stalls" : "/silent")), run);
            body_of(response);
        } catch (const Cancelled&) {
            return steady_clock::now();
        }
        return steady_clock::time_point();
    });
    waiting.get_future().wait();
    while (server.requests().empty()) {
        std::this_thread::yield();
    }
    std::this_thread::sleep_for(milliseconds(20));
    const auto asked = steady_clock::now();
    stop.request_stop();
    const auto ended = cancelled.get();
    REQUIRE(ended >= asked);
    REQUIRE(ended - asked < milliseconds(200));
    REQUIRE_THROWS_AS(client->send(get(server.url()), run), Cancelled);
}

TEST_CASE("http: many threads share one client", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest& request) -> ScriptedReply {
        if (request.method == "PUT") {
            return {.status = 201, .body = std::to_string(request.body_size)};
        }
        return {.body = request.target, .size = 200'000};
    });
    const auto client = client_with();
    constexpr int kThreads = 8;
    std::vector<std::future<int>> threads;
    for (int t = 0; t < kThreads; ++t) {
        threads.push_back(std::async(std::launch::async, [&, t] {
            int good = 0;
            for (int i = 0; i < 20; ++i) {
                const std::string target = "/" + std::to_string(t) + "-" + std::to_string(i);
                HttpResponse response = client->send(get(server.url(target)), {});
                good += body_of(response).starts_with(target + target) ? 1 : 0;
                HttpResponse stored = client->send(put(server.url(target), std::string(50'000, 'x')), {});
                good += body_of(stored) == "50000" ? 1 : 0;
            }
            return good;
        }));
    }
    for (auto& thread : threads) {
        REQUIRE(thread.get() == 40);
    }
    REQUIRE(server.connections() <= kThreads);
}
