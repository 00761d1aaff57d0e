// One request and one answer: what is sent, what comes back, which connections are kept.
#include "base/http_support.hpp"
#include "support/fake_clock.hpp"
#include "support/scripted_server.hpp"

#include <catch2/catch.hpp>

using namespace cooper;
using namespace cooper::testing;

namespace {

ScriptedReply ok(const ScriptedRequest&) {
    return {.body = "fine"};
}

}  // namespace

TEST_CASE("http: status, headers and body come back as they are", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply {
        return {.status = 404,
                .headers = {{"X-One", " a "}, {"x-two", "b"}, {"X-One", "c"}, {"X-Empty", ""}},
                .body = "no"};
    });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url("/x")), {});
    REQUIRE(response.status == 404);
    REQUIRE(response.headers.all("x-one") == std::vector<std::string>{"a", "c"});
    REQUIRE(response.headers.find("X-Two") == "b");
    REQUIRE(response.headers.find("X-Empty") == "");
    REQUIRE(response.content_length() == 2);
    REQUIRE(body_of(response) == "no");
}

TEST_CASE("http: path and query are sent byte for byte", "[unit][base]") {
    ScriptedServer server(ok);
    const auto client = client_with();
    const std::string target =
        GENERATE("/a/../b/./c", "/%7Euser/%2F%2f?x=%41&y=a+b", "//double//", "/?", "/p?a?b=/..;c");
    client->send(get(server.url(target)), {});
    REQUIRE(server.requests().at(0).target == (target == "/?" ? "/" : target));
}

TEST_CASE("http: nothing is added to the headers but host and user agent", "[unit][base]") {
    ScriptedServer server(ok);
    HttpClientOptions options;
    options.user_agent = "tester/1";
    const auto client = client_with({}, options);
    HttpRequest request = get(server.url());
    request.headers.add("X-Mine", "1");
    request.headers.add("X-Empty", "");
    client->send(request, {});
    REQUIRE(server.requests().at(0).headers.fields().size() == 4);
    REQUIRE(server.requests().at(0).headers.find("Host") == "127.0.0.1:" + std::to_string(server.port()));
    REQUIRE(server.requests().at(0).headers.find("User-Agent") == "tester/1");
    REQUIRE(server.requests().at(0).headers.find("X-Mine") == "1");
    REQUIRE(server.requests().at(0).headers.find("X-Empty") == "");
}

TEST_CASE("http: the caller's Host, Accept and User-Agent win, lengths follow from the body", "[unit][base]") {
    ScriptedServer server(ok);
    const auto client = client_with();
    HttpRequest request = put(server.url(), "12345");
    request.headers = {{"host", "bucket.example"}, {"Accept", "a/b"}, {"user-agent", "me"}, {"Content-Length", "3"}};
    client->send(request, {});
    const ScriptedRequest seen = server.requests().at(0);
    REQUIRE(seen.headers.all("Host") == std::vector<std::string>{"bucket.example"});
    REQUIRE(seen.headers.all("Accept") == std::vector<std::string>{"a/b"});
    REQUIRE(seen.headers.all("User-Agent") == std::vector<std::string>{"me"});
    REQUIRE(seen.headers.all("Content-Length") == std::vector<std::string>{"5"});
    REQUIRE(seen.headers.find("Expect") == std::nullopt);
    REQUIRE(seen.body == "12345");
}

TEST_CASE("http: header fields and methods that would break the request are refused", "[unit][base]") {
    const auto client = client_with();
    HttpRequest request = get("http://127.0.0.1:1/");
    SECTION("a line break in a value") {
        request.headers.add("X", "a\r\nEvil: 1");
    }
    SECTION("a NUL in a value") {
        request.headers.add("X", std::string("a\0b", 3));
    }
    SECTION("a colon in a name") {
        request.headers.add("X: y", "a");
    }
    SECTION("a blank in the method") {
        request.method = "GET / HTTP/1.1\r\nEvil: 1";
    }
    SECTION("a URL that was not parsed") {
        request.url.path = "/a#b";
    }
    SECTION("a host that was not parsed") {
        request.url.host = "a/b";
    }
    const auto error = error_of([&] { client->send(request, {}); });
    REQUIRE(error);
    REQUIRE(error->code() == ErrorCode::InvalidInput);
}

TEST_CASE("http: methods arrive, those with content say that there is none", "[unit][base]") {
    ScriptedServer server(ok);
    const auto client = client_with();
    const auto [method, length] = GENERATE(table<std::string, std::optional<std::string>>(
        {{"GET", std::nullopt}, {"DELETE", std::nullopt}, {"POST", "0"}, {"PUT", "0"}, {"PATCH", "0"}}));
    HttpRequest request = get(server.url());
    request.method = method;
    HttpResponse response = client->send(request, {});
    REQUIRE(body_of(response) == "fine");
    REQUIRE(server.requests().at(0).method == method);
    REQUIRE(server.requests().at(0).headers.find("Content-Length") == length);
}

TEST_CASE("http: HEAD has headers and an empty body", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.size = 1'000'000}; });
    const auto client = client_with();
    HttpRequest request = get(server.url());
    request.method = "HEAD";
    for (int i = 0; i < 3; ++i) {
        HttpResponse response = client->send(request, {});
        REQUIRE(response.content_length() == 1'000'000);
        REQUIRE(body_of(response).empty());
    }
    REQUIRE(server.connections() == 1);
}

TEST_CASE("http: redirects are answers like any other", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply {
        return {.status = 307, .headers = {{"Location", "/elsewhere"}}};
    });
    const auto client = client_with();
    REQUIRE(client->send(get(server.url()), {}).status == 307);
    REQUIRE(server.requests().size() == 1);
}

TEST_CASE("http: nothing is decompressed", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply {
        return {.headers = {{"Content-Encoding", "gzip"}}, .body = "not gzip at all"};
    });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url()), {});
    REQUIRE(body_of(response) == "not gzip at all");
}

TEST_CASE("http: interim answers are swallowed, trailers too", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply {
        return {.interim = "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n",
                .raw = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX: 1\r\n\r\n3\r\nabc\r\n0\r\nX: 2\r\n\r\n"};
    });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url()), {});
    REQUIRE(response.status == 200);
    REQUIRE(response.headers.find("Link") == std::nullopt);
    REQUIRE(body_of(response) == "abc");
    REQUIRE(response.headers.all("X") == std::vector<std::string>{"1"});
}

TEST_CASE("http: bodies arrive whole, whatever their framing", "[unit][base]") {
    const bool chunked = GENERATE(false, true);
    const bool until_close = !chunked && GENERATE(false, true);
    ScriptedServer server([=](const ScriptedRequest&) -> ScriptedReply {
        return {.body = "0123456789", .size = 3'000'003, .chunked = chunked, .until_close = until_close};
    });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url()), {});
    const std::string body = body_of(response);
    REQUIRE(body.size() == 3'000'003);
    for (std::size_t i = 0; i < body.size(); i += 9'973) {
        REQUIRE(body[i] == static_cast<char>('0' + i % 10));
    }
}

TEST_CASE("http: a body read in odd steps is the same", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.body = "abcdefg", .size = 700'000}; });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url()), {});
    std::string body;
    std::size_t step = 1;
    std::vector<std::byte> buffer(99'991);
    while (const std::size_t count = response.body->read(std::span(buffer).first(step))) {
        REQUIRE(count <= step);
        body += as_text(std::span(buffer).first(count));
        step = step * 7 % 99'991;
    }
    REQUIRE(body.size() == 700'000);
    REQUIRE(body.substr(699'993) == "abcdefg");
    REQUIRE(response.body->read(buffer) == 0);
}

TEST_CASE("http: request bodies arrive byte for byte, large ones too", "[unit][base]") {
    std::string body;
    const std::size_t size = GENERATE(0U, 1U, 16'384U, 3'000'001U);
    for (std::size_t i = 0; i < size; ++i) {
        body += static_cast<char>(i * i % 251);
    }
    ScriptedServer server(ok);
    const auto client = client_with();
    HttpRequest request = put(server.url(), body);
    request.expect_continue = GENERATE(false, true);
    REQUIRE(client->send(request, {}).status == 200);
    REQUIRE(server.requests().at(0).body == body);
    REQUIRE(server.requests().at(0).headers.find("Content-Length") == std::to_string(size));
}

TEST_CASE("http: connections are kept, and those in use are not shared", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest& request) -> ScriptedReply {
        return {.size = request.target == "/large" ? 5'000'000 : 5};
    });
    const auto client = client_with();
    for (int i = 0; i < 20; ++i) {
        HttpResponse response = client->send(get(server.url("/small")), {});
        REQUIRE(body_of(response).size() == 5);
    }
    REQUIRE(server.connections() == 1);
    HttpResponse large = client->send(get(server.url("/large")), {});
    HttpResponse small = client->send(get(server.url("/small")), {});
    REQUIRE(body_of(small).size() == 5);
    REQUIRE(server.connections() == 2);
    REQUIRE(body_of(large).size() == 5'000'000);
    client->send(get(server.url("/small")), {});
    REQUIRE(server.connections() == 2);
}

TEST_CASE("http: an answer that was not read gives its connection back when all of it is here", "[unit][base]") {
    ScriptedServer server(
        [](const ScriptedRequest&) -> ScriptedReply { return {.status = 404, .body = std::string(500, 'x')}; });
    const auto client = client_with();
    for (int i = 0; i < 5; ++i) {
        const HttpResponse response = client->send(get(server.url()), {});
        REQUIRE(response.status == 404);
    }
    REQUIRE(server.connections() == 1);
}

TEST_CASE("http: a body left half read closes its connection and harms nothing", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest& request) -> ScriptedReply {
        return {.size = request.target == "/large" ? 50'000'000 : 5};
    });
    const auto client = client_with();
    {
        HttpResponse response = client->send(get(server.url("/large")), {});
        std::vector<std::byte> buffer(1000);
        REQUIRE(response.body->read(buffer) > 0);
    }
    HttpResponse response = client->send(get(server.url("/small")), {});
    REQUIRE(body_of(response).size() == 5);
    REQUIRE(server.connections() == 2);
}

TEST_CASE("http: a connection that the server closed meanwhile is replaced", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest& request) -> ScriptedReply {
        // Keep-alive is promised, then the connection goes all the same.
        return {.raw = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n" + std::to_string(request.connection)};
    });
    const auto client = client_with();
    for (int i = 0; i < 5; ++i) {
        HttpRequest request = GENERATE(false, true) ? put(server.url(), "body") : get(server.url());
        HttpResponse response = client->send(request, {});
        REQUIRE(body_of(response).size() == 1);
    }
}

TEST_CASE("http: idle connections are bounded", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.size = 2'000'000}; });
    HttpClientOptions options;
    options.max_idle_connections = 1;
    const auto client = client_with({}, options);
    {
        HttpResponse first = client->send(get(server.url()), {});
        HttpResponse second = client->send(get(server.url()), {});
        REQUIRE(body_of(first).size() == body_of(second).size());
    }
    HttpResponse first = client->send(get(server.url()), {});
    HttpResponse second = client->send(get(server.url()), {});
    REQUIRE(server.connections() == 3);
}

TEST_CASE("http: a client may go before a body that is being read", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.size = 2'000'000}; });
    auto client = client_with();
    HttpResponse response = client->send(get(server.url()), {});
    client.reset();
    REQUIRE(body_of(response).size() == 2'000'000);
}

TEST_CASE("http: verbose clients note requests without their queries", "[unit][base]") {
    struct Notes final : Progress {
        void notice(NoticeLevel, std::string_view text) noexcept override { all += std::string(text) + "\n"; }
        std::string all;
    } notes;
    ScriptedServer server(ok);
    HttpClientOptions options;
    options.verbose = true;
    const auto client = client_with({}, options);
    HttpRequest request = get(server.url("/p?X-Amz-Signature=hunter2"));
    request.headers.add("Authorization", "Bearer hunter2");
    Run run;
    run.progress = &notes;
    client->send(request, run);
    const std::string address = "http://127.0.0.1:" + std::to_string(server.port()) + "/p?\xe2\x80\xa6";
    REQUIRE(notes.all == "> GET " + address + "\n< 200 " + address + "\n");
}

TEST_CASE("http: Content-Length counts only when it is one number", "[unit][base]") {
    HttpResponse response;
    REQUIRE(response.content_length() == std::nullopt);
    response.headers = {{"Content-Length", "5"}, {"content-length", " 5 "}};
    REQUIRE(response.content_length() == 5);
    response.headers = {{"Content-Length", "5"}, {"Content-Length", "6"}};
    REQUIRE(response.content_length() == std::nullopt);
    response.headers = {{"Content-Length", "-5"}};
    REQUIRE(response.content_length() == std::nullopt);
}

TEST_CASE("http: Retry-After is read as seconds and as a date, and bounded", "[unit][base]") {
    using std::chrono::milliseconds;
    const auto now = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));
    const auto [value, expected] = GENERATE(table<std::string, std::optional<milliseconds>>({
        {"3", milliseconds(3'000)},
        {"0", milliseconds(0)},
        {"100000", milliseconds(300'000)},
        {"18446744073709551615", milliseconds(300'000)},
        {"Tue, 14 Nov 2023 22:13:30 GMT", milliseconds(10'000)},
        {"Tue, 14 Nov 2023 22:13:10 GMT", milliseconds(0)},
        {"Fri, 14 Nov 2053 22:13:10 GMT", milliseconds(300'000)},
        {"-1", std::nullopt},
        {"soon", std::nullopt},
        {"", std::nullopt},
    }));
    CAPTURE(value);
    HttpResponse response;
    response.headers.add("Retry-After", value);
    REQUIRE(response.retry_after(now) == expected);
    REQUIRE(HttpResponse().retry_after(now) == std::nullopt);
}

TEST_CASE("http: error bodies are cut at the limit", "[unit][base]") {
    ScriptedServer server([](const ScriptedRequest&) -> ScriptedReply { return {.status = 500, .size = 900'000}; });
    const auto client = client_with();
    HttpResponse response = client->send(get(server.url()), {});
    REQUIRE(read_error_body(response, 10'000).size() == 10'000);
}

TEST_CASE("headers: names compare without case, set() leaves one", "[unit][base]") {
    Headers headers{{"A", "1"}, {"b", "2"}, {"a", "3"}};
    headers.set("a", "4");
    REQUIRE(headers.fields() == std::vector<std::pair<std::string, std::string>>{{"A", "4"}, {"b", "2"}});
    headers.set("C", "5");
    headers.remove("B");
    REQUIRE(headers.find("c") == "5");
    REQUIRE(headers.find("b") == std::nullopt);
}
